package translate

import (
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// Pairs of instructions for which the machine has one.

// fuse translates an instruction together with the one behind it, and reports whether it did.
func (t *translator) fuse(i int) bool {
	if i+1 >= t.to || t.joins[i+1] || !t.before[i+1].seen || !t.list[i].isMove() {
		return false
	}
	in, next := &t.list[i], &t.list[i+1]
	switch {
	case next.class() == classALU64 && next.code() == opAdd && !next.fromReg() && next.dst == in.dst && in.fromReg() && in.class() == classALU64:
		t.Lea(t.reg[in.dst], x86.At(t.reg[in.src], next.imm)) // the address of what is on the stack, above all
		return true
	case in.fromReg() && next.isMove() && next.fromReg() && next.class() == classALU64 && in.class() == classALU64 && next.dst == in.src && next.src == in.dst:
		t.Mov(x86.Quad, t.reg[in.dst], t.reg[in.src])
		return true
	case in.fromReg() || t.behind[i+1].has(in.dst) || in.class() == classALU && in.imm < 0:
		return false
	case next.branches() && next.class() == classJMP && next.fromReg() && next.src == in.dst && next.dst != in.dst:
		known := *next
		known.op, known.src, known.imm = classJMP|next.code(), 0, in.imm
		t.jump(&known, x86.Quad, i+1)
		return true
	case t.ownValue(next, &t.before[i+1]) && next.src == in.dst && next.dst != in.dst:
		t.unlockedBy(next, in.imm)
		return true
	}
	return false
}

// reloads translates a load of what the instruction before it stored on the stack: the register has it still.
func (t *translator) reloads(i int) bool {
	if i == t.from || t.joins[i] || !t.list[i].moves(classLDX) || !t.list[i-1].moves(classSTX) {
		return false
	}
	in, before := &t.list[i], &t.list[i-1]
	to, from := t.before[i-1].regs[before.dst], t.before[i].regs[in.src]
	if to.kind != onStack || from.kind != onStack || to.n+int(before.off) != from.n+int(in.off) {
		return false
	}
	if in.dst != before.src {
		t.Mov(x86.Quad, t.reg[in.dst], t.reg[before.src])
	}
	return true
}

// moves reports a plain load or store of 8 bytes.
func (in *inst) moves(class uint8) bool {
	return in.class() == class && in.mode() == modeMEM && in.width() == 8
}

// isMove reports a copy of a register or a number as it is.
func (in *inst) isMove() bool {
	return (in.class() == classALU64 || in.class() == classALU) && in.code() == opMov && in.off == 0
}

// unlockedBy is unlocked with a number.
func (t *translator) unlockedBy(in *inst, v int32) {
	size, to := x86.Size(in.width()), x86.At(t.reg[in.dst], int32(in.off))
	t.unless(func() { t.OpToImm(arithOf(in), size, to, v) }, func() { t.LockOpImm(arithOf(in), size, to, v) })
}

// unlocked is an atomic operation that locks only where the slot shares the value with others: one instruction is not interrupted in the middle,
// and half the cost of a short program is the lock.
func (t *translator) unlocked(in *inst) {
	size, to, src := x86.Size(in.width()), x86.At(t.reg[in.dst], int32(in.off)), t.reg[in.src]
	t.unless(func() { t.OpTo(arithOf(in), size, to, src) }, func() { t.LockOp(arithOf(in), size, to, src) })
}

// unless writes code for slots that have values for themselves, and code for others, unless it is known which it is.
func (t *translator) unless(own, locked func()) {
	if t.alone {
		own()
		return
	}
	shared, done := t.Label(), t.Label()
	t.OpToImm(x86.Cmp, x86.Word, x86.At(slotReg, shm.SlotShared), 0)
	t.Jcc(x86.NotEqual, shared)
	own()
	t.Bind(done)
	t.aside(func() {
		t.Bind(shared)
		locked()
		t.Jmp(done)
	})
}

// arithOf is what an atomic instruction does to memory.
func arithOf(in *inst) x86.Arith {
	return map[int32]x86.Arith{opAdd: x86.Add, opAnd: x86.And, opOr: x86.Or, opXor: x86.Xor}[in.imm]
}
