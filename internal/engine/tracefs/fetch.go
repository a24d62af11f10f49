package tracefs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// chain is an address as fetch arguments reach one: from a register through memory. Its steps are offsets; at all but the last a
// pointer is read.
//
//	%di                      address of *p
//	+8(%di)                  &p->next
//	+16(+8(%di))             &p->next->name
type chain struct {
	reg   ctype.Register
	steps []int64 // at least one
}

func (c chain) plus(offset int64) chain {
	steps := slices.Clone(c.steps)
	steps[len(steps)-1] += offset
	return chain{c.reg, steps}
}

// deref is the address that is stored at c.
func (c chain) deref() chain { return chain{c.reg, append(slices.Clone(c.steps), 0)} }

func (c chain) last() int64 { return c.steps[len(c.steps)-1] }

// base reports whether two chains differ in their last offset at most.
func (c chain) base(d chain) bool {
	n := len(c.steps)
	return c.reg == d.reg && n == len(d.steps) && slices.Equal(c.steps[:n-1], d.steps[:n-1])
}

// fetch writes the chain as the kernel reads it (Documentation/trace/uprobetracer.rst).
func (c chain) fetch() string {
	text := "%" + registerNames[c.reg]
	for _, step := range c.steps {
		text = fmt.Sprintf("%+d(%s)", step, text)
	}
	return text
}

// registerNames are those of the kernel (arch/x86/kernel/ptrace.c), in DWARF order.
var registerNames = [...]string{
	ctype.RAX: "ax", ctype.RDX: "dx", ctype.RCX: "cx", ctype.RBX: "bx", ctype.RSI: "si", ctype.RDI: "di", ctype.RBP: "bp", ctype.RSP: "sp",
	ctype.R8: "r8", ctype.R9: "r9", ctype.R10: "r10", ctype.R11: "r11", ctype.R12: "r12", ctype.R13: "r13", ctype.R14: "r14", ctype.R15: "r15",
}

// block is memory that a hit brings along.
type block struct {
	chain
	size int64
}

// wants collects what the expressions of one body at one kind of site need of a hit.
type wants struct {
	trampoline bool
	vars       map[int][]plan.Expr // what each $variable is set to
	regs       [16]bool
	comm       bool
	flags      bool
	blocks     []block
	following  map[int]bool // variables whose values are being looked at
	// unreachable are the slots of call records that the event cannot carry: they show as unavailable.
	unreachable []*plan.Slot
	err         error
}

func (w *wants) refuse(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

func (w *wants) all(list ...plan.Expr) {
	for _, e := range list {
		w.expr(e)
	}
}

// expr notes what an expression needs.
func (w *wants) expr(e plan.Expr) {
	switch e := e.(type) {
	case *plan.Reg:
		w.register(e.R)
	case *plan.Value:
		w.value(e)
	case *plan.Load:
		w.expr(e.Addr)
		w.memory(e.Addr, int64(e.Size))
	case *plan.Str:
		w.all(e.Addr, e.Len)
		w.memory(e.Addr, int64(e.Type().TextSize())+1)
	case *plan.Buf:
		w.all(e.Addr, e.Len)
		w.memory(e.Addr, int64(e.Type().TextSize()))
	case *plan.UserStack:
		w.err = errNoStacks
	case *plan.MapGet:
		w.all(e.Key...)
	case *plan.MapHas:
		w.all(e.Key...)
	case *plan.Unary:
		w.expr(e.X)
	case *plan.Binary:
		w.all(e.X, e.Y)
	case *plan.Choose:
		if arm, known := decided(e); known {
			w.expr(arm)
			return
		}
		w.all(e.C, e.X, e.Y)
	case *plan.Cast:
		w.expr(e.X)
	case *plan.StrCmp:
		w.all(e.X, e.Y)
	case *plan.TupleOf:
		w.all(e.Elems...)
	case *plan.SymOf:
		w.expr(e.X)
	}
}

var errNoStacks = errors.New("it records no stacks")

// decided gives the only arm of a choice that this engine ever takes: no event carries a thread pointer.
func decided(e *plan.Choose) (plan.Expr, bool) {
	if v, ok := e.C.(*plan.Value); ok && v.B == plan.ThreadPointer {
		return e.Y, true
	}
	return nil, false
}

func (w *wants) register(r ctype.Register) {
	if int(r) >= len(w.regs) {
		w.refuse("register %d is none that an event carries", r)
		return
	}
	w.regs[r] = true
}

func (w *wants) value(v *plan.Value) {
	switch v.B {
	case plan.UID, plan.GID:
		w.refuse("its events do not say whose process it is (uid, gid)")
	case plan.Cgroup:
		w.refuse("its events do not say the cgroup")
	case plan.Comm:
		w.comm = true
	case plan.SP:
		w.register(ctype.RSP)
	case plan.Goroutine:
		w.goroutine(v.GoidOffset)
	}
}

// goroutine notes a word of the running goroutine's descriptor.
func (w *wants) goroutine(offset int64) {
	if offset == 0 {
		return
	}
	w.register(ctype.R14)
	w.block(chain{ctype.R14, []int64{offset}}, 8)
}

// memory notes that size bytes at an address are read.
func (w *wants) memory(addr plan.Expr, size int64) {
	for _, c := range w.addresses(addr) {
		w.block(c, size)
	}
}

func (w *wants) block(c chain, size int64) {
	w.register(c.reg)
	w.blocks = append(w.blocks, block{c, size})
	if n := len(c.steps); n > 1 {
		w.block(chain{c.reg, slices.Clone(c.steps[:n-1])}, 8)
	}
}

// addresses lists the chains that an address may be.
func (w *wants) addresses(e plan.Expr) []chain {
	switch e := e.(type) {
	case *plan.Const:
		if e.V == 0 {
			return nil
		}
	case *plan.Reg:
		if e.T.Size == 0 || e.T.Size == 8 {
			return []chain{{e.R, []int64{0}}}
		}
	case *plan.Value:
		if e.B == plan.SP {
			return []chain{w.entrySP()}
		}
	case *plan.Cast:
		if e.T.Size == 8 {
			return w.addresses(e.X)
		}
	case *plan.SymOf:
		return w.addresses(e.X)
	case *plan.Load:
		if e.Size == 8 {
			return derefs(w.addresses(e.Addr))
		}
	case *plan.Binary:
		if list, ok := w.sum(e); ok {
			return list
		}
	case *plan.Choose:
		if arm, known := decided(e); known {
			return w.addresses(arm)
		}
		return append(w.addresses(e.X), w.addresses(e.Y)...)
	case *plan.VarRef:
		return w.variable(e.Var)
	case *plan.Saved:
		w.lost("it cannot read at the return what a parameter pointed to at the entry")
		return nil
	}
	w.lost("it reads memory only where registers and constant offsets lead")
	return nil
}

func derefs(list []chain) []chain {
	out := make([]chain, 0, len(list))
	for _, c := range list {
		out = append(out, c.deref())
	}
	return out
}

// entrySP is the address that the stack pointer held at the entry: the trampoline runs after the return address was taken off.
func (w *wants) entrySP() chain {
	if w.trampoline {
		return chain{ctype.RSP, []int64{-8}}
	}
	return chain{ctype.RSP, []int64{0}}
}

// sum follows an address plus or minus a constant.
func (w *wants) sum(e *plan.Binary) ([]chain, bool) {
	x, offset := e.X, int64(0)
	switch y, constant := e.Y.(*plan.Const); {
	case constant && e.Op == "+":
		offset = y.V
	case constant && e.Op == "-":
		offset = -y.V
	case e.Op == "+":
		c, ok := e.X.(*plan.Const)
		if !ok {
			return nil, false
		}
		x, offset = e.Y, c.V
	default:
		return nil, false
	}
	var out []chain
	for _, c := range w.addresses(x) {
		out = append(out, c.plus(offset))
	}
	return out, true
}

// variable follows an address kept in a $variable: it is one of those that the body sets it to.
func (w *wants) variable(v int) []chain {
	if w.following[v] {
		w.lost("it cannot follow a pointer that a script moves on by itself")
		return nil
	}
	w.following[v] = true
	defer delete(w.following, v)
	var out []chain
	for _, e := range w.vars[v] {
		out = append(out, w.addresses(e)...)
	}
	return out
}

// slots notes what captures need.
func (w *wants) slots(list []plan.Slot) {
	for i := range list {
		s := &list[i]
		w.all(s.X, s.Len, s.If)
		switch s.Kind {
		case plan.SlotMem, plan.SlotBuf:
			w.memory(s.X, int64(max(s.Size, 1)))
		case plan.SlotStr:
			w.memory(s.X, int64(max(s.Size, 1))+1)
		case plan.SlotStack:
			w.err = errNoStacks
		}
	}
}

// call notes what the slots of a call record need. What cannot be had of it does not keep the rest from being shown.
func (w *wants) call(list []plan.Slot) {
	for i := range list {
		switch list[i].Kind {
		case plan.SlotMem, plan.SlotBuf, plan.SlotStr:
			trial := *w
			trial.slots(list[i : i+1])
			if errors.As(trial.err, new(unreachable)) && w.err == nil {
				w.unreachable = append(w.unreachable, &list[i])
				continue
			}
		}
		w.slots(list[i : i+1])
	}
}

// unreachable is an address that no fetch argument leads to.
type unreachable string

func (u unreachable) Error() string { return string(u) }

func (w *wants) lost(why unreachable) {
	if w.err == nil {
		w.err = why
	}
}

// merged joins blocks that touch or overlap, those that lead to others first.
func merged(blocks []block) []block {
	slices.SortStableFunc(blocks, func(a, b block) int {
		if n := len(a.steps) - len(b.steps); n != 0 {
			return n
		}
		if n := int(a.reg) - int(b.reg); n != 0 {
			return n
		}
		return slices.Compare(a.steps, b.steps)
	})
	var out []block
	for _, b := range blocks {
		if n := len(out); n > 0 && out[n-1].base(b.chain) && b.last() <= out[n-1].last()+out[n-1].size {
			out[n-1].size = max(out[n-1].size, b.last()-out[n-1].last()+b.size)
			continue
		}
		out = append(out, b)
	}
	return out
}

// Limits of the kernel (kernel/trace/trace_probe.h). An event lies in one page of the ring, beside the page's header and its own.
const (
	maxArray     = 64 // elements
	maxArguments = 128
	maxArgument  = 63 // characters
	maxEvent     = 3500
)

// arguments writes a block as fetch arguments: words, and single bytes for what is left over. Arrays are read element by element, each of
// them all or as zeros; strings would be read to their NUL however far that is, and a kernel complains in its log when they do not fit.
func (b block) arguments(name string) []string {
	var out []string
	c := b.chain
	for left := b.size; left > 0; {
		kind, size, n := "x64", int64(8), min(left/8, maxArray)
		if n == 0 {
			kind, size, n = "x8", 1, left
		}
		out = append(out, fmt.Sprintf("%s_%d=%s:%s[%d]", name, len(out), c.fetch(), kind, n))
		c, left = c.plus(n*size), left-n*size
	}
	return out
}

func joined(parts []string) string { return strings.Join(parts, " ") }
