// Package kernel is the engine that loads the plan's eBPF programs into the kernel and arms them with uprobes.
//
// In: a plan and the program specifications that codegen made of it. Out: records from the ring, raw map cells, counts.
// Invariant: everything it makes in the kernel hangs on file descriptors of this process, so that nothing outlives it however it
// ends. It must not know what records and cells mean.
//
// The order of a run: Open, Run (BEGIN), Arm, Read as long as it lasts, Disarm, Read once more, Run (END), Cells, Close.
package kernel

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/plan"
)

// Session is a plan loaded into the kernel. Read may run beside the other methods; these must not run beside each other.
type Session struct {
	plan  *plan.Plan
	code  *codegen.Program
	maps  map[string]*ebpf.Map
	progs []*ebpf.Program // like code.Progs
	ring  *ring
	held  hold
	// elsewhere is what ArmAt has armed; arming guards that.
	elsewhere []*elsewhere
	arming    sync.Mutex
	follow    []int // links of the process filter
	// processes are those that another session keeps up to date; nil: this one does so itself.
	processes *ebpf.Map
	closing   sync.WaitGroup
	// cleared are the hits counted in maps that Clear emptied.
	cleared  uint64
	disarmed atomic.Bool
	// swept are calls of dead threads that Sweep removed; foreign says that process IDs are not all ours to look up.
	swept   engine.Counts
	foreign bool
}

// Open loads maps and programs. Nothing is armed yet. Errors are *script.Diagnostic where a user can do something.
func Open(p *plan.Plan, code *codegen.Program) (*Session, error) {
	return (&Session{plan: p, code: code}).open()
}

// Beside loads a further plan that observes the processes which s observes now, and those that they start. s must outlive it.
func (s *Session) Beside(p *plan.Plan, code *codegen.Program) (*Session, error) {
	return (&Session{plan: p, code: code, processes: s.maps[codegen.PIDsMap]}).open()
}

func (s *Session) open() (*Session, error) {
	// Processes outside a namespace of ours come under numbers that mean others inside. Those that the plan names are inside.
	s.foreign = len(s.plan.Filter.PIDs) == 0 && pidNamespace() != codegen.Namespace{}
	if err := s.load(); err != nil {
		s.Close()
		return nil, err
	}
	rings := s.maps[codegen.RingMap]
	var err error
	if s.ring, err = openRing(rings); err != nil {
		s.Close()
		return nil, fmt.Errorf("ring buffer: %w", err)
	}
	if err := s.begin(); err != nil {
		s.Close()
		return nil, fmt.Errorf("start of the run: %w", err)
	}
	return s, nil
}

// begin tells the programs when the run began.
func (s *Session) begin() error {
	m := s.maps[codegen.RunMap]
	if m == nil {
		return nil
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	value := make([]byte, m.ValueSize())
	putUint64(value, uint64(now.Nano()))
	return m.Put(uint32(0), value)
}

// Run runs the programs of a BEGIN, END or interval probe once, on this thread.
func (s *Session) Run(probe int) error {
	for i, prog := range s.code.Progs {
		if prog.Probe != probe || prog.Part != codegen.RunPart {
			continue
		}
		if _, err := runOnce(s.progs[i].FD()); err != nil {
			return fmt.Errorf("%s: %w", s.plan.Probes[probe].Name, err)
		}
	}
	return nil
}

// Disarm takes every probe away. No program runs when it returns, so what the ring and the maps hold is final. Kernels without
// uprobe_multi go on for a while taking their breakpoints out; Close waits for that.
func (s *Session) Disarm() {
	var further sync.WaitGroup
	further.Go(s.endElsewhere)
	s.held.end(&s.closing)
	further.Wait()
	closeAll(s.follow)
	s.follow = nil
	s.disarmed.Store(true)
}

// Notes say which files were written to while they were probed, and what is not observed of a process.
func (s *Session) Notes() []string {
	return s.held.notes()
}

// Unobserved is for how long the process was not observed at most, as its first thread was another one.
func (s *Session) Unobserved() time.Duration { return s.held.heir.unobserved() }

// waitForHandlers waits until no CPU is inside a program that was running before: closing a perf link unhooks its program,
// but kernels before 6.12 do not wait for it.
func waitForHandlers() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL: the kernel's synchronize_rcu
	unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0)
}

// Close disarms and gives everything back.
func (s *Session) Close() error {
	s.Disarm()
	s.closing.Wait()
	var errs []error
	if s.ring != nil {
		errs = append(errs, s.ring.close())
	}
	for _, p := range s.progs {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	for _, m := range s.maps {
		errs = append(errs, m.Close())
	}
	s.ring, s.progs, s.maps = nil, nil, nil
	return errors.Join(errs...)
}
