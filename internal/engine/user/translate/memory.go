package translate

import (
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// memory translates loads, stores and atomic operations.
func (t *translator) memory(in *inst) {
	size := x86.Size(in.width())
	switch {
	case in.class() == classLDX && in.mode() == modeMEMSX:
		t.LoadSigned(size, t.reg[in.dst], x86.At(t.reg[in.src], int32(in.off)))
	case in.class() == classLDX:
		t.Load(size, t.reg[in.dst], x86.At(t.reg[in.src], int32(in.off)))
	case in.class() == classST:
		t.StoreImm(size, x86.At(t.reg[in.dst], int32(in.off)), in.imm)
	case in.mode() == modeMEM:
		t.Store(size, x86.At(t.reg[in.dst], int32(in.off)), t.reg[in.src])
	default:
		t.atomic(in, size)
	}
}

// atomic: loads of the machine are acquiring and its stores releasing as they are.
func (t *translator) atomic(in *inst, size x86.Size) {
	dst, src := t.reg[in.dst], t.reg[in.src]
	at := x86.At(dst, int32(in.off))
	switch in.imm {
	case opAdd:
		t.LockOp(x86.Add, size, at, src)
	case opAnd:
		t.LockOp(x86.And, size, at, src)
	case opOr:
		t.LockOp(x86.Or, size, at, src)
	case opXor:
		t.LockOp(x86.Xor, size, at, src)
	case opAdd | atomicFetch:
		t.LockXadd(size, at, src)
	case atomicXchg:
		t.XchgMem(size, at, src)
	case atomicCmpxchg:
		t.LockCmpxchg(size, at, src)
		if size == x86.Word {
			t.Mov(x86.Word, x86.RAX, x86.RAX) // left alone when the exchange takes place
		}
	case atomicLoadAcquire:
		t.Load(size, dst, x86.At(src, int32(in.off)))
	case atomicStoreRelease:
		t.Store(size, at, src)
	default:
		t.fetch(in, size)
	}
}

// fetch is an operation that the machine cannot do and give back what was there: it is tried until nobody was in between.
//
//	spare2 = rax, where that is not the operand
//	temp   = the address
func (t *translator) fetch(in *inst, size x86.Size) {
	dst, src := t.reg[in.dst], t.reg[in.src]
	op := map[int32]x86.Arith{opAnd | atomicFetch: x86.And, opOr | atomicFetch: x86.Or, opXor | atomicFetch: x86.Xor}[in.imm]
	t.Lea(temp, x86.At(dst, int32(in.off)))
	t.Mov(x86.Quad, spare2, x86.RAX) // the operand, if src is rax
	if src == x86.RAX {
		src = spare2
	}
	again := t.Label()
	t.Load(size, x86.RAX, x86.At(temp, 0))
	t.Bind(again)
	t.Mov(size, spare, x86.RAX)
	t.Op(op, size, spare, src)
	t.LockCmpxchg(size, x86.At(temp, 0), spare)
	t.Jcc(x86.NotEqual, again)
	if src == spare2 {
		t.Mov(size, x86.RAX, x86.RAX)
		return
	}
	t.Mov(size, src, x86.RAX)
	t.Mov(x86.Quad, x86.RAX, spare2)
}

// ownValue recognises an atomic operation on a value that the slot may have for itself.
func (t *translator) ownValue(in *inst, known *facts) bool {
	if in.class() != classSTX || in.mode() != modeATOMIC || known.regs[in.dst].kind != valueOf {
		return false
	}
	switch in.imm {
	case opAdd, opAnd, opOr, opXor:
		m, err := t.env.mapOf(&t.list[known.regs[in.dst].n])
		return err == nil && m.Own && m.Kind == shm.PerCPUArray
	}
	return false
}
