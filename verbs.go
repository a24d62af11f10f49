package sonde

import (
	"context"
	"io"
	"os"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// Count counts calls: of each function, or of each value of By. The probe is written TARGET:FUNCTION, as on the command line;
// FUNCTION may be a glob or a /regular expression/, and Also adds more. While it runs and afterwards, Snapshot has the
// counts, in the map "".
func (t *Target) Count(ctx context.Context, probe string, options ...RunOption) (*Session, error) {
	return t.verb(ctx, probe, options, func(r *run, points []script.Point) (*script.Script, error) {
		return script.Count(points, r.condition, r.by)
	})
}

// Trace gives an event.Call for each call, with arguments, result and duration: loop over Calls.
func (t *Target) Trace(ctx context.Context, probe string, options ...RunOption) (*Session, error) {
	return t.verb(ctx, probe, options, func(r *run, points []script.Point) (*script.Script, error) {
		return script.Trace(points, r.condition, script.TraceOptions{Stack: r.stack})
	})
}

// Time gathers count, total and the distribution of durations, in nanoseconds, for each function or each value of By.
// Snapshot has them, in the map "".
func (t *Target) Time(ctx context.Context, probe string, options ...RunOption) (*Session, error) {
	return t.verb(ctx, probe, options, func(r *run, points []script.Point) (*script.Script, error) {
		return script.Time(points, r.condition, r.by)
	})
}

// Run runs a script in sonde's language, which is bpftrace's.
func (t *Target) Run(ctx context.Context, text string, options ...RunOption) (*Session, error) {
	s, err := script.Parse(text)
	if err != nil {
		return nil, err
	}
	r, err := newRun(options)
	if err != nil {
		return nil, err
	}
	return t.session(ctx, s, r)
}

// RunScript runs a syntax tree, such as those that package script makes of the verbs.
func (t *Target) RunScript(ctx context.Context, s *script.Script, options ...RunOption) (*Session, error) {
	r, err := newRun(options)
	if err != nil {
		return nil, err
	}
	return t.session(ctx, s, r)
}

// Explain writes what a script would arm where, and why, and arms nothing.
func (t *Target) Explain(w io.Writer, s *script.Script, options ...RunOption) error {
	r, err := newRun(options)
	if err != nil {
		return err
	}
	return t.explain(w, s, r)
}

func (t *Target) explain(w io.Writer, s *script.Script, r *run) error {
	b, why := t.backend(r)
	p, err := t.resolve(s, r, b)
	if err != nil {
		return err
	}
	observed := *p
	if len(t.argv) > 0 {
		observed.Filter.PIDs, observed.Filter.Children = []int{os.Getpid()}, true // stands for the command, which does not run yet
	}
	m := b.means(&observed)
	if len(t.argv) > 0 {
		m.Command = t.argv[0]
	}
	if m.Why == "" {
		m.Why = why
	}
	return p.Explain(w, m)
}

func newRun(options []RunOption) (*run, error) {
	r := &run{limits: plan.DefaultLimits()}
	for _, o := range options {
		if err := o(r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// verb builds the verb's script and runs it.
func (t *Target) verb(ctx context.Context, probe string, options []RunOption, build func(*run, []script.Point) (*script.Script, error)) (*Session, error) {
	r, err := newRun(options)
	if err != nil {
		return nil, err
	}
	var points []script.Point
	for _, text := range append([]string{probe}, r.also...) {
		p, err := script.ParsePoint(text, script.Uprobe)
		if err != nil {
			return nil, err
		}
		points = append(points, p)
	}
	r.condition = script.Sampled(r.condition, r.sample)
	s, err := build(r, points)
	if err != nil {
		return nil, err
	}
	return t.session(ctx, s, r)
}
