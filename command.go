package sonde

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/mixed"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/target"
)

// patience is how long a command that outlives its session may take to heed SIGTERM.
const patience = 2 * time.Second

// watch arranges to be told when what is observed has ended.
func (s *Session) watch(pids []int) error {
	if s.command != nil {
		s.ended = s.command.Ended()
		return nil
	}
	if len(pids) == 0 {
		return nil
	}
	w, err := target.NewWatch(pids)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	s.ended = ended
	s.watching.Go(func() {
		defer w.Close()
		if w.Wait(s.ctx) == nil {
			close(ended)
		}
	})
	return nil
}

// rouse ends the reader's wait when its account is asked for, or when the run has ended. Then it takes the probes away: who takes the events may
// keep the reader for as long as he likes.
func (s *Session) rouse() {
	asked := s.asked.up
	var over <-chan time.Time
	if s.run.duration > 0 {
		timer := time.NewTimer(time.Until(s.armed.Add(s.run.duration)))
		defer timer.Stop()
		over = timer.C
	}
	for waiting := true; waiting; {
		select {
		case <-s.ctx.Done():
			waiting = false
		case <-s.ended:
			waiting = false
		case <-over:
			waiting = false
		case <-asked:
			asked = nil
		}
		s.engine.Wake()
	}
	s.disarm()
}

// release lets the command run, by itself or in the engine's hands.
func (s *Session) release() error {
	if e, ok := s.engine.(interface{ Follow() error }); ok {
		if err := s.command.ReleaseStopped(); err != nil {
			return err
		}
		return e.Follow()
	}
	return s.command.Release()
}

// followMappings keeps track of what the observed processes map, if stacks are to be named. Without the right to do so,
// processes that end early keep their addresses only.
func (s *Session) followMappings(pids []int) {
	stacks := false
	s.plan.Walk(func(node any) {
		switch node := node.(type) {
		case *plan.UserStack, *plan.SymOf:
			stacks = true
		case *plan.Slot:
			stacks = stacks || node.Kind == plan.SlotStack || node.Kind == plan.SlotSym
		}
	})
	if !stacks {
		return
	}
	pid := -1
	switch {
	case s.command != nil:
		pid = s.command.PID()
	case len(pids) == 1:
		pid = pids[0]
	}
	if w, err := target.NewMapWatch(pid); err == nil {
		s.mapped = w
		s.symbols.Follow(w)
	}
	for _, pid := range pids { // it may be over before its first stack is named
		s.symbols.Learn(pid)
	}
}

// closeMappings ends what followMappings began.
func (s *Session) closeMappings() {
	if s.mapped != nil {
		s.symbols.Update()
		s.symbols.Follow(nil)
		s.mapped.Close()
		s.mapped = nil
	}
}

// endCommand ends the command with the session if it still runs: as perf does, by SIGTERM, and never by force.
func (s *Session) endCommand() {
	byItself := true
	select {
	case <-s.command.Ended():
	default:
		byItself = false
		s.command.Signal(unix.SIGTERM)
		select {
		case <-s.command.Ended():
		case <-time.After(patience):
			return
		}
	}
	status, err := s.command.Wait()
	s.fail(err)
	s.tell(func(r *result) { r.status, r.exited = status.ExitCode(), byItself && err == nil })
}

// hitCost is the time one hit takes from the observed program, by the cost class of its instruction: medians of
// docs/benchmarks.md. They differ from machine to machine; the footer says "about".
var hitCost = map[site.Cost]time.Duration{site.Nop: 1200 * time.Nanosecond, site.Emulated: 1500 * time.Nanosecond, site.Stepped: 7000 * time.Nanosecond}

// cost estimates what a part took from the observed programs: hits that went through the kernel times the mean cost of the sites they passed.
func (p *part) cost(hits uint64) time.Duration {
	trapped := p.plan
	switch e := p.engine.(type) {
	case *mixed.Session:
		if trapped, hits = e.Seconds(); trapped == nil {
			return 0
		}
	default:
		if !p.backend.traps {
			return 0
		}
	}
	var total time.Duration
	functions := map[int]bool{}
	for _, probe := range trapped.Probes {
		if probe.Kind != plan.Entry && probe.Kind != plan.Return {
			continue
		}
		for _, site := range probe.Sites {
			total += hitCost[site.Cost]
			functions[site.Function] = true
		}
	}
	if len(functions) == 0 {
		return 0
	}
	return time.Duration(hits) * total / time.Duration(len(functions))
}

// now reads both clocks at one moment.
func now() plan.Clock {
	var ts unix.Timespec
	wall := time.Now()
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("clock_gettime: " + err.Error()) // it cannot fail for this clock
	}
	return plan.Clock{Wall: wall, Mono: uint64(ts.Nano())}
}
