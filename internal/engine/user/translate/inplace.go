package translate

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// Calls that are written in place: what is most often to be done, and a routine for the rest.

// outcome is what is known of the result of what is most often done.
type outcome uint8

const (
	anyResult outcome = iota
	there             // it is not 0
	zero              // it is, and is not in RAX
)

// inPlace writes code that does what is most often to be done, and code for when it goes to other, if it ever does. Where the instruction behind
// the call asks what the result is, that is decided.
func (t *translator) inPlace(i int, gives outcome, most func(other x86.Label), rest func()) {
	other, done := t.Label(), t.Label()
	most(other)
	way := func() { t.Jmp(done) }
	if gives != anyResult && t.asksWhether(i+1) {
		way = t.decided(i+1, gives)
	} else if gives == zero && t.behind[i].has(0) {
		t.MovImm(x86.RAX, 0)
	}
	t.Bind(done)
	if rest == nil {
		t.Bind(other)
		return
	}
	t.aside(func() {
		t.Bind(other)
		rest()
		way()
	})
}

// asksWhether reports whether an instruction asks whether r0 is 0, and nothing leads to it but the one before.
func (t *translator) asksWhether(i int) bool {
	if i+1 >= t.to || t.joins[i] || !t.before[i].seen {
		return false
	}
	in := &t.list[i]
	return in.class() == classJMP && (in.code() == opJeq || in.code() == opJne) && !in.fromReg() && in.dst == 0 && in.imm == 0
}

// decided writes the jump that an instruction is when the result is known, and gives what writes it when it is not. It stands for the
// instruction, and for the jump behind it if that is all that it jumps over. What it passes over is put aside.
func (t *translator) decided(i int, gives outcome) (otherwise func()) {
	in := &t.list[i]
	yes, no, next := in.to, i+1, i+1
	if t.jumpsOverJump(i) {
		no, next = t.list[i+1].to, i+2
	}
	to := no
	if (in.code() == opJeq) == (gives == zero) {
		to = yes
	}
	t.decides = i
	if gives == zero && t.ahead[to].has(0) {
		t.MovImm(x86.RAX, 0)
	}
	switch {
	case to > next && t.entered(i, next, to):
		t.next = to
		t.cold = append(t.cold, func() error {
			if err := t.stretch(next, to); err != nil {
				return err
			}
			t.Jmp(t.labels[to])
			return nil
		})
	case to != next:
		t.Jmp(t.labels[to])
	}
	return func() {
		t.Test(x86.Quad, x86.RAX, x86.RAX)
		t.Jcc(condition(in.code()), t.labels[yes])
		t.Jmp(t.labels[no])
	}
}

// entered reports whether one instruction only leads to those between two, but for themselves, and none of them lies behind the function's end.
func (t *translator) entered(by, from, to int) bool {
	if to >= t.to {
		return false
	}
	for i := t.from; i < t.to; i++ {
		if in := &t.list[i]; i != by && in.branches() && in.to >= from && in.to < to && (i < from || i >= to) {
			return false
		}
	}
	return true
}

// inFrame is the memory on the stack that a register has the address of, if it is known to have one.
func (t *translator) inFrame(i int, r uint8) (x86.Mem, bool) {
	f := t.before[i].regs[r]
	return x86.At(t.reg[frameRegister], int32(f.n)), f.kind == onStack
}

// inMemory is what a register has the address of.
func (t *translator) inMemory(i int, r uint8) x86.Mem {
	if m, ok := t.inFrame(i, r); ok {
		return m
	}
	return x86.At(t.reg[r], 0)
}

// address has a register hold the address that it had, where nobody has seen to that: see arguments.
func (t *translator) address(i int, r uint8) {
	if m, ok := t.inFrame(i, r); ok {
		t.Lea(t.reg[r], m)
	}
}

// onNewest writes what is done to a table of open calls in place, if it is.
func (t *translator) onNewest(fn asm.BuiltinFunc, m *shm.Map, i int, routine uint64) bool {
	n := &shm.Newest{Code: t.Code, Map: m, Key: t.inMemory(i, 2), Fronted: t.fronted}
	flags, adds := t.addsOnly(i)
	switch {
	case fn == asm.FnMapLookupElem:
		t.inPlace(i, there, n.Lookup, func() {
			t.address(i, 2)
			t.CallTo(routine)
		})
	case fn == asm.FnMapDeleteElem:
		most := n.Delete
		if r, ok := t.foundBy(i); ok {
			most = func(other x86.Label) { n.DeleteFound(t.reg[r], other) }
		}
		t.inPlace(i, zero, most, func() {
			t.address(i, 2)
			t.routine(routine)
		})
	case fn == asm.FnMapUpdateElem && m.PushesNewest() && adds:
		n.Value = t.inMemory(i, 3)
		t.inPlace(i, zero, n.Push, func() {
			t.address(i, 2)
			t.address(i, 3)
			t.MovImm(x86.RCX, uint64(flags))
			t.routine(routine)
		})
	default:
		return false
	}
	return true
}

// element leaves the address of an array's value in RAX, 0 beyond its end.
func (t *translator) element(m *shm.Map, i int) {
	if t.onlyValue(i) {
		t.value(m, i)
		return
	}
	t.inPlace(i, there, func(beyond x86.Label) {
		t.OpToImm(x86.Cmp, x86.Word, t.inMemory(i, 2), int32(m.Entries-1))
		t.Jcc(x86.Above, beyond)
		t.value(m, i)
	}, func() { t.MovImm(x86.RAX, 0) })
}

// value leaves the address of the value in RAX whose index a call is given, or of the only one.
func (t *translator) value(m *shm.Map, i int) {
	address := t.env.Data + uint64(m.Data)
	perCPU := m.Kind == shm.PerCPUArray
	if perCPU && t.alone {
		t.ownValues(m, i)
		return
	}
	if perCPU {
		t.stripe()
		t.IMulImm(x86.Quad, x86.RAX, x86.RAX, int32(m.PerCPU))
		address -= uint64(m.PerCPU) // stripes count from 1
	}
	t.MovImm(temp, address)
	switch {
	case m.Entries == 1 && perCPU:
		t.Op(x86.Add, x86.Quad, x86.RAX, temp)
	case m.Entries == 1:
		t.Mov(x86.Quad, x86.RAX, temp)
	default:
		t.index(m, i)
		if perCPU {
			t.Op(x86.Add, x86.Quad, temp, x86.RAX)
		}
		t.Lea(x86.RAX, x86.AtIndex(temp, spare, 1, 0))
	}
}

// ownValues is value of an array of which the slot has values for itself.
func (t *translator) ownValues(m *shm.Map, i int) {
	t.Load(x86.Quad, x86.RAX, x86.At(slotReg, int32(m.InSlot)))
	if m.Entries > 1 {
		t.index(m, i)
		t.Op(x86.Add, x86.Quad, x86.RAX, spare)
	}
}

// index leaves the distance of a value from the first in R10.
func (t *translator) index(m *shm.Map, i int) {
	t.Load(x86.Word, spare, t.inMemory(i, 2))
	t.IMulImm(x86.Quad, spare, spare, int32(m.Stride))
}
