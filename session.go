package sonde

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// Session is a run: probes armed, events flowing. Read it with Events, or let Wait read and drop them; afterwards Err, Stats
// and Snapshot say how it went. Snapshot may be called from another goroutine while it runs; the rest belongs to one.
type Session struct {
	ctx     context.Context
	stop    context.CancelFunc
	run     *run
	plan    *plan.Plan
	engine  running
	refused []plan.Refusal // by the kernel, at arming
	decoder *plan.Decoder
	symbols *resolve.Symbolizer
	command *target.Command
	ended   <-chan struct{} // closed when what is observed has ended; nil: it never does
	begun   time.Time

	watching sync.WaitGroup // the goroutine that waits for processes to end
	mu       sync.Mutex     // Snapshot against the end of the run
	closed   bool
	final    []event.Map
	stats    event.Stats
	err      error
	count    int    // events handed on
	open     uint64 // calls that had not ended
	status   int    // of the command
	asked    int    // by the script's exit(n)
	exited   bool
}

// readEvery is how long a read of the ring may wait: programs wake the reader only when a quarter of it is full.
const readEvery = 20 * time.Millisecond

// session resolves, loads and arms.
func (t *Target) session(ctx context.Context, s *script.Script, r *run) (*Session, error) {
	r.stage("reading symbols")
	p, err := t.resolve(s, r)
	if err != nil {
		return nil, err
	}
	return t.arm(ctx, p, r)
}

// resolve makes the plan of a script.
func (t *Target) resolve(s *script.Script, r *run) (*plan.Plan, error) {
	scope := resolve.Scope{
		PIDs: t.pids, Filter: t.filter, Limits: r.limits, Return: r.returns, Unsafe: r.unsafe,
		Params: r.params, Objects: t.objects,
	}
	if len(t.argv) > 0 {
		scope.Program, scope.Started = t.argv[0], true
	}
	if r.prototypes != "" {
		table, err := loadPrototypes(r.prototypes)
		if err != nil {
			return nil, err
		}
		scope.Prototypes = table
	}
	s, err := s.Bind(r.params)
	if err != nil {
		return nil, err
	}
	return resolve.Resolve(s, scope)
}

// arm starts the command stopped, loads the plan, runs BEGIN, arms all probes and lets the command go.
func (t *Target) arm(ctx context.Context, p *plan.Plan, r *run) (_ *Session, err error) {
	s := &Session{run: r, plan: p, symbols: resolve.NewSymbolizer(t.objects)}
	s.ctx, s.stop = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			s.abandon()
		}
	}()
	if len(t.argv) > 0 {
		if s.command, err = target.Start(t.argv, t.start); err != nil {
			return nil, err
		}
		p.Filter.PIDs, p.Filter.Children = []int{s.command.PID()}, true
	}
	r.stage("loading")
	if s.engine, err = openEngine(p, r.engine); err != nil {
		return nil, err
	}
	s.decoder = plan.NewDecoder(p, now(), s.symbols)
	if err = s.watch(t.pids); err != nil {
		return nil, err
	}
	s.begun = time.Now()
	if err = s.runAll(plan.Begin); err != nil {
		return nil, err
	}
	r.stage(fmt.Sprintf("arming %d functions", len(p.Functions)))
	if s.refused, err = s.engine.Arm(); err != nil {
		return nil, err
	}
	if r.ready != nil {
		if err = r.ready(); err != nil {
			return nil, err
		}
	}
	if s.command != nil {
		s.symbols.Learn(s.command.PID()) // it may be over before its first record is read
		if err = s.command.Release(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// stage tells who wants to know what the start is doing.
func (r *run) stage(what string) {
	if r.progress != nil {
		r.progress(what)
	}
}

// abandon undoes a start that went wrong.
func (s *Session) abandon() {
	s.stop()
	if s.engine != nil {
		s.engine.Close()
	}
	if s.command != nil {
		s.command.Kill()
		s.command.Wait()
	}
}

// runAll runs the BEGIN or END probes.
func (s *Session) runAll(kind plan.ProbeKind) error {
	for i, p := range s.plan.Probes {
		if p.Kind == kind {
			if err := s.engine.Run(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// Events runs the session and yields what happens, until the context ends, the command or all processes end, a limit is
// reached, the script exits, or the loop is left. It may be called once. Values are the caller's to keep.
func (s *Session) Events() iter.Seq[event.Event] {
	return func(yield func(event.Event) bool) {
		defer s.close()
		r := &reader{s: s, yield: yield}
		s.fail(r.loop())
		s.engine.Disarm()
		s.fail(r.drain())
		if !r.left {
			s.fail(s.runAll(plan.End))
			s.fail(r.drain())
		}
		s.fail(r.unfinished())
		s.fail(s.settle())
		if !r.left {
			r.printMaps(s.final)
		}
	}
}

// Wait runs the session to its end and drops its events.
func (s *Session) Wait() error {
	for range s.Events() {
	}
	return s.Err()
}

// Stop ends the run soon; Events then ends as it does for a limit. It may be called from everywhere.
func (s *Session) Stop() { s.stop() }

// Err is why the session failed, nil if it ended as asked.
func (s *Session) Err() error { return s.err }

// ExitStatus is the command's, as a shell gives it (128 + signal); ok says that it ended by itself.
func (s *Session) ExitStatus() (status int, ok bool) { return s.status, s.exited }

// ScriptStatus is what the script gave to exit(n), 0 if it did not.
func (s *Session) ScriptStatus() int { return s.asked }

// Stats accounts for the run, once it has ended.
func (s *Session) Stats() event.Stats { return s.stats }

// Explain writes what is armed where, and why.
func (s *Session) Explain(w io.Writer) error { return s.plan.Explain(w, means(s.plan, s.run.engine)) }

// Snapshot reads the maps out, at any time.
func (s *Session) Snapshot() (event.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := event.Snapshot{Time: time.Now()}
	if s.closed {
		snap.Maps = s.final
		return snap, nil
	}
	var err error
	snap.Maps, err = s.maps()
	return snap, err
}

// readMap reads one map.
func (s *Session) readMap(i int) (event.Map, error) {
	cells := func(fn func(key []byte, values [][]byte) error) error { return s.engine.Cells(i, fn) }
	return s.decoder.Map(i, cells, s.engine.Stack)
}

func (s *Session) maps() ([]event.Map, error) {
	var out []event.Map
	for i := range s.plan.Maps {
		m, err := s.readMap(i)
		if err != nil {
			return out, err
		}
		out = append(out, m)
	}
	return out, nil
}

// settle keeps what outlives the engine.
func (s *Session) settle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	s.final, err = s.maps()
	counts, countErr := s.engine.Counts()
	counts.Unfinished = s.open
	s.stats = counts.Stats()
	s.stats.Elapsed = time.Since(s.begun)
	s.stats.Cost = s.cost(s.stats.Hits)
	return errors.Join(err, countErr)
}

func (s *Session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.stop()
	s.watching.Wait()
	s.fail(s.engine.Close())
	if s.command != nil {
		s.endCommand()
	}
}

func (s *Session) fail(err error) {
	if err != nil && s.err == nil {
		s.err = err
	}
}
