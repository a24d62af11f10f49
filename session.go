package sonde

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// Session is a run: probes armed, events flowing. Read it with Events, or let Wait read and drop them; afterwards Err, Stats
// and Snapshot say how it went. Who reads neither ends it with Close. One goroutine loops over Events; all other methods may be
// called from any goroutine at any time.
type Session struct {
	ctx  context.Context
	stop context.CancelFunc
	run  *run
	part
	tables  int // maps to show
	symbols *resolve.Symbolizer
	mapped  *target.MapWatch // nil: nothing asks for names of addresses
	command *target.Command
	ended   <-chan struct{} // closed when what is observed has ended; nil: it never does
	begun   time.Time
	armed   time.Time // from when on the run's duration counts

	watching sync.WaitGroup // the goroutine that waits for processes to end
	read     atomic.Bool    // someone reads the events, or has closed the session
	asked    *flag          // someone asks for the account before the end
	over     chan struct{}  // closed when nothing is left of the run
	count    int            // events handed on
	open     uint64         // calls that had not ended

	joining sync.Mutex
	joined  []*part
	full    bool      // nothing joins any more
	quit    time.Time // since when
	past    past

	mu     sync.Mutex // Snapshot against the end of the run
	closed bool
	final  []event.Map

	telling sync.Mutex // what the run came to
	result  result
}

// result is what a run came to.
type result struct {
	stats  event.Stats
	err    error
	status int // of the command
	exited bool
	asked  int // by the script's exit(n)
}

// session resolves, loads and arms.
func (t *Target) session(ctx context.Context, s *script.Script, r *run) (*Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := target.HasProc(); err != nil {
		return nil, err
	}
	r.stage("reading symbols")
	b, _ := t.backend(r)
	p, err := t.resolve(s, r, b)
	if err != nil {
		return nil, err
	}
	return t.arm(ctx, p, r, b)
}

// resolve makes the plan of a script for an engine.
func (t *Target) resolve(s *script.Script, r *run, b backend) (*plan.Plan, error) {
	if b.returns != resolve.ReturnAuto {
		if r.returns == resolve.ReturnTrampoline {
			return nil, diagnostic("not-offered", "--engine="+string(b.name)+" replaces no return addresses, which --return=trampoline asks for", "--return=sites does the same here, or --engine=kernel")
		}
		r.returns = b.returns
	}
	scope := resolve.Scope{
		PIDs: t.pids, Filter: t.filter, Limits: r.limits, Return: r.returns, Unsafe: r.unsafe, BeforeRet: b.beforeRet,
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
	t.aim(s)
	return resolve.Resolve(s, scope)
}

// aim gives the probe points without a target the one that File or Library named. The script is the bound copy.
func (t *Target) aim(s *script.Script) {
	if t.object == "" {
		return
	}
	for _, p := range s.Probes {
		for i := range p.Points {
			pt := &p.Points[i]
			if pt.Target == "" && (pt.Kind == script.Uprobe || pt.Kind == script.Uretprobe || pt.Kind == script.USDT) {
				pt.Target = t.object
			}
		}
	}
}

// arm starts the command stopped, loads the plan, runs BEGIN, arms all probes and lets the command go.
func (t *Target) arm(ctx context.Context, p *plan.Plan, r *run, b backend) (_ *Session, err error) {
	s := &Session{run: r, part: part{plan: p, backend: b}, symbols: resolve.NewSymbolizer(t.objects), asked: newFlag(), over: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			s.abandon()
			err = t.over(err)
		}
	}()
	if len(t.argv) > 0 {
		start := t.start
		start.Kept = b.follows
		if s.command, err = target.Start(t.argv, start); err != nil {
			return nil, err
		}
		p.Filter.PIDs, p.Filter.Children = []int{s.command.PID()}, true
	}
	r.stage("loading")
	if err = s.load(); err != nil {
		return nil, err
	}
	if err = s.watch(t.pids); err != nil {
		return nil, err
	}
	s.followMappings(t.pids)
	s.begun = time.Now()
	if err = s.runAll(plan.Begin); err != nil {
		return nil, err
	}
	if err = ctx.Err(); err != nil {
		return nil, err
	}
	r.stage(fmt.Sprintf("arming %d functions", len(p.Functions)))
	if err = s.part.arm(); err != nil {
		return nil, err
	}
	r.newcomers.begin(s)
	s.armed = time.Now()
	if r.ready != nil {
		if err = r.ready(); err != nil {
			return nil, err
		}
	}
	if s.command != nil {
		s.symbols.Learn(s.command.PID()) // it may be over before its first record is read
		if err = s.release(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// over says in place of why nothing could be armed that the processes have ended meanwhile, if they have.
func (t *Target) over(err error) error {
	if !errors.Is(err, script.NotArmed) || len(t.pids) == 0 {
		return err
	}
	var last error
	for _, pid := range t.pids {
		if _, last = target.Open(pid); !errors.Is(last, script.NoProcess) && !errors.Is(last, target.Zombie) {
			return err
		}
	}
	return last
}

// load gives the plan to an engine, and says how what comes back reads.
func (s *Session) load() (err error) {
	if s.run.object != nil {
		return s.loadObject()
	}
	if err := s.part.open(s.command); err != nil {
		return err
	}
	decoder := plan.NewDecoder(s.plan, now(), s.symbols)
	if s.run.reuse {
		decoder.Reuse()
	}
	s.decoder, s.tables = decoder, len(s.plan.Maps)
	return nil
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
	s.closeMappings()
	s.watching.Wait()
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
// reached, the script exits, or the loop is left: then everything is disarmed. A context that ends is an end as asked for, no
// error. Events may be looped over once; a second loop, or one after Close, gets nothing. Values are the caller's to keep.
func (s *Session) Events() iter.Seq[event.Event] {
	return func(yield func(event.Event) bool) {
		if s.read.Swap(true) {
			return
		}
		defer s.close()
		s.watching.Go(s.rouse)
		defer hurry()()
		r := &reader{s: s, yield: yield}
		s.fail(r.loop())
		s.disarm()
		s.fail(r.drain())
		if r.exited = false; !r.left {
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

// Calls is Events for the calls alone, which is all that Trace gives.
func (s *Session) Calls() iter.Seq[*event.Call] {
	return func(yield func(*event.Call) bool) {
		for e := range s.Events() {
			if c, ok := e.(*event.Call); ok && !yield(c) {
				return
			}
		}
	}
}

// Wait runs the session to its end and drops its events.
func (s *Session) Wait() error {
	for range s.Events() {
	}
	<-s.over
	return s.Err()
}

// Stop ends the run soon; Events then ends as it does for a limit.
func (s *Session) Stop() { s.stop() }

// Close ends the run and waits until nothing is left of it: no probe, no file descriptor, no goroutine; a command is ended too. A session whose
// events were read to their end is closed already, and closing it again is harmless. It gives what Err gives. Inside a
// loop over Events it would wait for itself: leave the loop instead.
func (s *Session) Close() error {
	s.stop()
	if !s.read.Swap(true) {
		s.disarm()
		s.fail(s.settle())
		s.close()
	}
	<-s.over
	return s.Err()
}

// Err is why the session failed, nil if it ended as asked or has not ended.
func (s *Session) Err() error { return s.told().err }

// ExitStatus is the command's, as a shell gives it (128 + signal); ok says that it ended by itself.
func (s *Session) ExitStatus() (status int, ok bool) {
	r := s.told()
	return r.status, r.exited
}

// ScriptStatus is what the script gave to exit(n), 0 if it did not.
func (s *Session) ScriptStatus() int { return s.told().asked }

// Stats accounts for the run once it has ended; while its events are read, for what was so up to a second ago: then it does not know which calls
// go on.
func (s *Session) Stats() event.Stats {
	s.asked.raise()
	return s.told().stats
}

func (s *Session) told() result {
	s.telling.Lock()
	defer s.telling.Unlock()
	return s.result
}

// tell changes what the run came to.
func (s *Session) tell(change func(*result)) {
	s.telling.Lock()
	defer s.telling.Unlock()
	change(&s.result)
}

// Explain writes what is armed where, and why.
func (s *Session) Explain(w io.Writer) error {
	for _, p := range s.parts() {
		if err := p.plan.Explain(w, p.means()); err != nil {
			return err
		}
	}
	return nil
}

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
	for i := range s.tables {
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
	countErr := s.account()
	return errors.Join(err, countErr)
}

// account tells what was counted so far.
func (s *Session) account() error {
	counts, cost, err := s.counts()
	counts.Unfinished = s.open
	stats := counts.Stats()
	stops := s.stops()
	stats.Elapsed, stats.Cost, stats.Stopped, stats.Stops, stats.Unobserved = s.elapsed(), cost, stops.Longest, stops.Number, s.unobserved()
	s.tell(func(r *result) { r.stats = stats })
	return err
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
	s.fail(s.closeParts())
	s.closeMappings()
	if s.command != nil {
		s.endCommand()
	}
	close(s.over)
}

func (s *Session) fail(err error) {
	if err == nil {
		return
	}
	s.tell(func(r *result) {
		if r.err == nil {
			r.err = err
		}
	})
}
