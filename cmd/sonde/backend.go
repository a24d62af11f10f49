package main

import (
	"context"
	"fmt"
	"os"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/doctor"
	"github.com/sonde-project/sonde/internal/render"
	"github.com/sonde-project/sonde/internal/render/live"
)

// engines is the backend that observes: package sonde on one side, package render on the other.
func engines() backend {
	return backend{observe: observe, list: list, sql: observeSQL, doctor: examine, mend: sonde.Recover, describe: describe, candidates: sonde.Complete}
}

// observe runs what a verb asks for and writes what comes back.
func observe(ctx context.Context, w world, r request) (err error) {
	t, err := r.open()
	if err != nil {
		return err
	}
	defer t.Close()
	if r.explain {
		return r.explained(t, w.out)
	}
	to, err := r.output.open(w)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, to.Close()) }()
	stream, err := render.New(r.output.kind(), to, r.shown(w, to))
	if err != nil {
		return err
	}
	if r.output.kind() == render.Text {
		stream = render.Ordered(stream)
	}
	options := append(r.options(), sonde.OnIdle(stream.Flush))
	p := newProgress(w.err)
	defer p.done()
	s, err := r.start(ctx, t, append(options, r.signs(w, p)...))
	if err != nil {
		return err
	}
	if r.live {
		return r.watch(ctx, w, s, stream)
	}
	return r.finish(w, s, r.drain(s, stream), stream)
}

// open says what is observed.
func (r request) open() (*sonde.Target, error) {
	var options []sonde.Option
	if len(r.pids) > 0 {
		options = append(options, sonde.PID(r.pids...))
	}
	if r.comm != "" {
		options = append(options, sonde.Comm(r.comm))
	}
	if r.uid != nil {
		options = append(options, sonde.UID(*r.uid))
	}
	if len(r.command) > 0 {
		options = append(options, sonde.Command(r.command...))
	}
	return sonde.Open(options...)
}

func (r request) options() []sonde.RunOption {
	options := []sonde.RunOption{
		sonde.WithEngine(sonde.Engine(r.engine)), sonde.ReturnBy(r.returns), sonde.For(r.duration),
		sonde.MaxEvents(r.maxEvents), sonde.Params(r.params...), sonde.Prototypes(r.prototypes),
	}
	if r.stringLimit > 0 {
		options = append(options, sonde.StringLimit(r.stringLimit))
	}
	if r.depth >= 0 {
		options = append(options, sonde.PointerDepth(r.depth))
	}
	if r.unsafe {
		options = append(options, sonde.Unsafe())
	}
	if r.object.path != "" {
		options = append(options, r.object.options()...)
	}
	return options
}

// signs tell the user, and whoever waits for the ready file, how far the start has come.
func (r request) signs(w world, p *progress) []sonde.RunOption {
	stage := func(what string) {
		if what != "reading symbols" && w.hold != nil {
			w.hold()
		}
		p.say(what)
	}
	options := []sonde.RunOption{sonde.OnProgress(stage), sonde.OnReady(func() error {
		p.done()
		if r.readyFile == "" {
			return nil
		}
		return os.WriteFile(r.readyFile, nil, 0o644)
	})}
	if r.object.verbose {
		options = append(options, sonde.VerifierLog(w.err))
	}
	return options
}

// shown is what the output can show.
func (r request) shown(w world, to *os.File) render.Options {
	o := render.Terminal(to, w.env)
	o.Script = r.asScript
	return o
}

// drain hands events on until the run ends or nobody reads them any more.
func (r request) drain(s *sonde.Session, to render.Stream) error {
	for e := range s.Events() {
		if !r.asScript && inner(e) {
			continue
		}
		if err := to.Event(e); err != nil {
			return err
		}
	}
	return nil
}

// inner reports whether an event is about a map that a verb's script keeps for itself: what it counts and times are
// aggregations.
func inner(e event.Event) bool {
	switch e := e.(type) {
	case *event.MapClear:
		return true
	case *event.MapPrint:
		return e.Map.Kind == event.AggValue
	}
	return false
}

// shownNotes is how many notes are written.
const shownNotes = 20

// finish writes the end of the results and the footer.
func (r request) finish(w world, s *sonde.Session, err error, stream render.Stream) error {
	stats := s.Stats()
	err = firstError(err, s.Err())
	err = firstError(err, stream.End(stats))
	if render.Closed(err) {
		return err
	}
	err = firstError(err, render.Footer(w.err, stats, render.Terminal(w.err, w.env)))
	fmt.Fprint(w.err, leftOut(s.Refusals()))
	notes := s.Notes()
	for _, note := range notes[:min(len(notes), shownNotes)] {
		fmt.Fprintln(w.err, "sonde: "+note)
	}
	if more := len(notes) - shownNotes; more > 0 {
		fmt.Fprintf(w.err, "sonde: %d more such notes\n", more)
	}
	return firstError(err, r.ended(w, s))
}

// ended tells how the command ended, and passes on the status that a script asked for.
func (r request) ended(w world, s *sonde.Session) error {
	if status, exited := s.ExitStatus(); exited && status != 0 {
		fmt.Fprintf(w.err, "sonde: %s ended with status %d\n", r.command[0], status)
	}
	if status := s.ScriptStatus(); status != 0 {
		return scriptExit(status)
	}
	return nil
}

// watch shows the tables while they grow, and writes the final ones once they are off the screen.
func (r request) watch(ctx context.Context, w world, s *sonde.Session, stream render.Stream) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var final []event.Event
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer stop()
		for e := range s.Events() {
			if m, ok := e.(*event.MapPrint); ok && m.Final {
				final = append(final, m)
			}
		}
	}()
	err := live.Run(ctx, w.in, w.out, s.Snapshot, live.Options{Options: r.shown(w, w.out), Losses: losses(s)})
	s.Stop()
	<-ended
	for _, e := range final {
		err = firstError(err, stream.Event(e))
	}
	return r.finish(w, s, err, stream)
}

// losses says what a session has lost and missed so far.
func losses(s *sonde.Session) func() []string {
	return func() []string { return render.Losses(s.Stats()) }
}

// list writes what can be observed.
func list(_ context.Context, w world, l listing) (err error) {
	var options []sonde.Option
	if len(l.pids) > 0 {
		options = append(options, sonde.PID(l.pids...))
	}
	t, err := sonde.Open(options...)
	if err != nil {
		return err
	}
	defer t.Close()
	what := sonde.Functions
	switch {
	case l.usdt:
		what = sonde.StaticProbes
	case l.lines:
		what = sonde.Lines
	}
	var found []event.Function
	for _, pt := range l.points {
		if len(l.pids) > 0 && pt.Target == "" {
			pt.Target = "*"
		}
		more, err := t.List(pt, what)
		if err != nil {
			return l.perhapsFunction(pt, err)
		}
		found = append(found, more...)
	}
	to, err := l.output.open(w)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, to.Close()) }()
	err = render.List(l.output.kind(), to, found, render.Terminal(to, w.env))
	for _, note := range render.Unread(found) {
		fmt.Fprintln(w.err, "sonde: "+note)
	}
	return err
}

// describe finds the one function that a probe names.
func describe(probe string) (event.Function, error) {
	t, err := sonde.Open()
	if err != nil {
		return event.Function{}, err
	}
	defer t.Close()
	return t.Describe(probe)
}

// examine writes what this machine allows.
func examine(_ context.Context, w world, o output) (err error) {
	report := doctor.Examine()
	diagnosis := render.Diagnosis{Engine: report.Engine}
	for _, c := range report.Checks {
		diagnosis.Findings = append(diagnosis.Findings, render.Finding{Name: c.Name, State: string(c.State), Found: c.Found, Costs: c.Costs, Mend: c.Mend})
	}
	to, err := o.open(w)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, to.Close()) }()
	return render.Doctor(o.kind(), to, diagnosis, render.Terminal(to, w.env))
}

// open gives the file that results go to: standard output, which Close leaves open, or a new one.
func (o output) open(w world) (*os.File, error) {
	if o.file == "" {
		return w.out, nil
	}
	return os.Create(o.file)
}

func (o output) kind() render.Format {
	if o.format == "" {
		return render.Text
	}
	return o.format
}

func firstError(err, next error) error {
	if err != nil {
		return err
	}
	return next
}
