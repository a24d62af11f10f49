// Package interp runs a plan without bytecode: what a hit does, in the plainest way.
//
// In: a plan, and hits with their registers and the memory that came along. Out: records as plan/layout.go draws them, cells as
// plan/mapping.go does, and counters. Invariant: it means by every expression, slot and statement what the programs of codegen
// mean; engines without eBPF and tests of captures both stand on it. It must not know where hits come from.
package interp

import (
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// Memory is what a hit brought along of the memory of its process.
type Memory interface {
	// Bytes gives n bytes from the address on, or fewer where what follows cannot be read.
	Bytes(addr uint64, n int) []byte
}

// Hit is a thread that stands at a site; without a Site it is sonde's own, in a BEGIN, END or interval probe.
type Hit struct {
	Site     *plan.Site
	Regs     [16]uint64 // by ctype.Register
	Flags    uint64
	SP       uint64 // the stack pointer that the function was entered with
	PC       uint64
	PID, TID int
	CPU      int
	Comm     string
	Time     uint64 // monotonic, nanoseconds
	Memory   Memory
	Stack    []uint64 // innermost first; nil: not to be had
}

// Machine is a run: what hits leave behind for others.
type Machine struct {
	// Counts are the counters of the run.
	Counts [plan.Counters]uint64
	// Unavailable are slots that hits never bring along what they read for.
	Unavailable map[*plan.Slot]bool

	plan   *plan.Plan
	begun  uint64
	send   func(record []byte)
	tables []map[string][]byte
	frames []map[frameKey]*frame // by probe
	open   map[owner]uint32      // calls that an owner is in
	// replaced are the calls that the kernel is to see return; onTrampolines says of which bodies, by probe.
	replaced      map[owner]replaced
	onTrampolines [][]bool
}

// New begins a run at a monotonic time. Records go to send, which keeps them.
func New(p *plan.Plan, begun uint64, send func(record []byte)) *Machine {
	m := &Machine{plan: p, begun: begun, send: send, open: map[owner]uint32{}, replaced: map[owner]replaced{}}
	for range p.Maps {
		m.tables = append(m.tables, map[string][]byte{})
	}
	for i := range p.Probes {
		m.frames = append(m.frames, map[frameKey]*frame{})
		bodies := make([]bool, len(p.Probes[i].Bodies))
		for j := range bodies {
			bodies[j] = trampolinesOnly(&p.Probes[i], j)
		}
		m.onTrampolines = append(m.onTrampolines, bodies)
	}
	return m
}

// limit gives a limit of the plan, or the usual one where the plan has none.
func limit(own, usual int) int {
	if own > 0 {
		return own
	}
	return usual
}

// thread is one hit while it is worked on.
type thread struct {
	*Hit
	m     *Machine
	probe int
	body  *plan.Body
	frame *frame // of the call that ends here, or began
	ends  bool   // at the end of a call whose beginning is known
	vars  map[int][]byte
}

// Hit does what a probe does at a site.
func (m *Machine) Hit(probe int, h *Hit) {
	p := &m.plan.Probes[probe]
	if h.Site.Role == site.TailJump && h.Site.Cond != 0 && !jumps(h.Site.Cond, h.Flags) {
		return
	}
	x := &thread{Hit: h, m: m, probe: probe, body: &p.Bodies[h.Site.Body]}
	leaves := p.Kind == plan.Return && Leaves(h.Site.Role)
	switch {
	case x.body.Frame != nil && leaves:
		x.leave()
	case x.body.Frame != nil && p.Kind == plan.Return:
		m.Counts[plan.CountHits]++
		x.enter()
	case p.Kind == plan.Return && !leaves: // nothing of the entry is wanted
	default:
		m.Counts[plan.CountHits]++
		if p.Kind == plan.Return {
			m.Counts[plan.CountReturns]++
		}
		if x.tailCalled() {
			return
		}
		x.act()
	}
}

// Filtered counts a hit of which it is known already that the predicate does not hold: of a call that is paired, at its entry.
func (m *Machine) Filtered(probe int, h *Hit) {
	p := &m.plan.Probes[probe]
	m.Counts[plan.CountHits]++
	m.Counts[plan.CountFiltered]++
	if p.Kind == plan.Return && p.Bodies[h.Site.Body].Frame == nil {
		m.Counts[plan.CountReturns]++
	}
}

// Leaves reports whether a site of a return probe is one at which calls end.
func Leaves(r site.Role) bool {
	switch r {
	case site.Trampoline, site.Ret, site.TailJump, site.DeferReturn:
		return true
	}
	return false
}

// Run does what a BEGIN, END or interval probe does.
func (m *Machine) Run(probe int, h *Hit) {
	for i := range m.plan.Probes[probe].Bodies {
		(&thread{Hit: h, m: m, probe: probe, body: &m.plan.Probes[probe].Bodies[i]}).act()
	}
}

// tailCalled reports, and counts, a call that ends by a jump to another function, which has yet to make the result that is asked for.
func (x *thread) tailCalled() bool {
	if !x.body.Result || x.Site.Role != site.TailJump {
		return false
	}
	x.m.Counts[plan.CountMissedTail]++
	return true
}

// act runs the predicate and the statements.
func (x *thread) act() {
	if x.body.Pred != nil && x.eval(x.body.Pred) == 0 {
		x.m.Counts[plan.CountFiltered]++
		return
	}
	x.stmts(x.body.Stmts)
}

// jumps tells from the flags whether a conditional jump jumps: Intel SDM volume 2, appendix B.1.4.7. Odd opcodes are for the opposite.
func jumps(opcode uint8, flags uint64) bool {
	flag := func(bit int) bool { return flags>>bit&1 == 1 }
	carry, parity, zero, sign, overflow := flag(0), flag(2), flag(6), flag(7), flag(11)
	holds := [...]bool{overflow, carry, zero, carry || zero, sign, parity, sign != overflow, zero || sign != overflow}
	return holds[opcode>>1&7] != (opcode&1 == 1)
}

// register reads a register as the plan's type has it.
func (x *thread) register(r ctype.Register) uint64 {
	if x.Site == nil && x.Memory == nil || int(r) >= len(x.Regs) {
		return 0
	}
	return x.Regs[r]
}
