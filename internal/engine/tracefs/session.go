// Package tracefs is the engine for machines that permit no eBPF: uprobes as events of tracefs, in an instance of their own.
//
// In: a plan. Out: records, cells and counts, made in this process by plan/interp from what the kernel's events carry: registers,
// and memory that fetch arguments reach. Invariant: nothing is guessed: what an event cannot carry is refused (Check), what was
// lost is counted, and what a killed run left in tracefs says whose it is, so that the next start removes it. It must not know
// what records and cells mean.
//
// The order of a run: Open, Run (BEGIN), Arm, Read as long as it lasts, Disarm, Read once more, Run (END), Cells, Close.
package tracefs

import (
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/engine/lease"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/interp"
)

const (
	stackPointer = ctype.RSP
	goStackTop   = 8 // runtime.g begins with {lo, hi} of the stack
)

// Check says why the engine cannot run a plan; nil when it can.
func Check(p *plan.Plan) error {
	switch {
	case p.Filter.UID != nil:
		return errors.New("its events do not say whose process it is (uid)")
	case p.Filter.Cgroup != 0:
		return errors.New("its events do not say the cgroup")
	}
	_, err := layout(p)
	return err
}

// Session is a run. Read may run beside the other methods; these must not run beside each other.
type Session struct {
	plan   *plan.Plan
	root   *mounted
	name   string // of the instance, and of the group of events; "" none yet
	inside folder // the instance
	events []*event
	places []place // by the number that a site's event carries
	byID   map[uint16]*event
	fork   *format // of task:task_newtask
	cpus   []*cpu
	leases *lease.Files // nil: nothing was armed

	mu      sync.Mutex
	machine *interp.Machine
	tasks   *tasks
	pages   *pages
	waiting []raw    // events not yet old enough to be in order
	pending [][]byte // records not yet handed on
	horizon uint64   // events before it have all been read
	ended   bool
	seen    seen
	dropped uint64 // events for which the ring had no room
	swept   uint64
	woken   atomic.Bool
}

// place is a site by its number.
type place struct {
	event *event
	site  *plan.Site
}

// Open takes an instance. Nothing is armed yet.
func Open(p *plan.Plan) (*Session, error) {
	list, err := layout(p)
	if err != nil {
		return nil, err
	}
	root, err := mount()
	if err != nil {
		return nil, err
	}
	s := &Session{plan: p, root: root, events: list, byID: map[uint16]*event{}, pages: &pages{}}
	s.machine = interp.New(p, now(), func(record []byte) { s.pending = append(s.pending, record) })
	s.machine.Unavailable = map[*plan.Slot]bool{}
	for _, e := range list {
		for _, slot := range e.want.unreachable {
			s.machine.Unavailable[slot] = true
		}
	}
	s.tasks = newTasks(p.Filter.PIDs, p.Filter.Children)
	if err = root.permitted(); err == nil {
		root.sweep()
		err = s.prepare()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// now is the monotonic clock, which the events carry too.
func now() uint64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return uint64(t.Nano())
}

// Run runs a BEGIN, END or interval probe. What has been hit before it comes before it.
func (s *Session) Run(probe int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.collect(); err != nil {
		return err
	}
	comm, _ := os.ReadFile("/proc/thread-self/comm")
	s.machine.Run(probe, &interp.Hit{PID: os.Getpid(), TID: unix.Gettid(), Comm: strings.TrimSpace(string(comm)), Time: now()})
	return nil
}

// Cells calls fn for every entry of map m of the plan.
func (s *Session) Cells(m int, fn func(key []byte, values [][]byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machine.Cells(m, fn)
}

// Clear removes all entries of map m of the plan, or sets their values to zero and keeps the keys.
func (s *Session) Clear(m int, zero bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.machine.Clear(m, zero)
	return nil
}

// Stack knows no stacks: Check refuses them.
func (s *Session) Stack(uint64) []uint64 { return nil }

// Close disarms and removes everything.
func (s *Session) Close() error {
	s.Disarm()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.cpus {
		unix.Close(c.fd)
	}
	s.cpus = nil
	var errs []error
	if s.name != "" {
		errs = append(errs, s.root.removeInstance(s.name), s.root.removeEvents(s.name))
		s.name = ""
	}
	errs = append(errs, s.root.close())
	return errors.Join(errs...)
}
