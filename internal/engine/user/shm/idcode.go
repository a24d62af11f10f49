package shm

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// writeIDs asks for process and thread once; the slot remembers them. A child that is forked has slots of its own.
func (w *routine) writeIDs() {
	have := w.Label()
	w.Bind(w.ids)
	w.Load(x86.Quad, x86.RAX, x86.At(x86.R9, SlotIDs))
	w.Test(x86.Quad, x86.RAX, x86.RAX)
	w.Jcc(x86.NotEqual, have)
	w.Push(x86.RDX)
	w.MovImm(x86.RAX, sysGetPID)
	w.Syscall()
	w.Mov(x86.Quad, x86.RDX, x86.RAX)
	w.ShiftImm(x86.Shl, x86.Quad, x86.RDX, 32)
	w.MovImm(x86.RAX, sysGetTID)
	w.Syscall()
	w.Op(x86.Or, x86.Quad, x86.RAX, x86.RDX)
	w.Store(x86.Quad, x86.At(x86.R9, SlotIDs), x86.RAX)
	w.Pop(x86.RDX)
	w.Bind(have)
	w.Ret()
}

// slot puts the address of the slot in R9, whose context is in R9.
func (w *routine) slot() { w.Load(x86.Quad, x86.R9, x86.At(x86.R9, ContextSlot)) }

// stamp reads the time stamp counter into RAX; RDX is lost.
func (w *routine) stamp() {
	w.Rdtsc()
	w.ShiftImm(x86.Shl, x86.Quad, x86.RDX, 32)
	w.Op(x86.Or, x86.Quad, x86.RAX, x86.RDX)
}

// ReadClock leaves the monotonic time in RAX, or goes to ask where the kernel must be asked: start + (counter-then)*factor. The difference may be
// negative: a thread may have read the counter just before the observer put a new set in. RCX, RDX, RSI and R10 are lost.
func ReadClock(c *x86.Code, data uint64, ask x86.Label) {
	again := c.Here()
	c.Rdtsc()
	c.ShiftImm(x86.Shl, x86.Quad, x86.RDX, 32)
	c.Op(x86.Or, x86.Quad, x86.RAX, x86.RDX)
	c.MovImm(x86.R10, data)
	c.Load(x86.Word, x86.RSI, x86.At(x86.R10, headClock))
	c.Mov(x86.Word, x86.RCX, x86.RSI)
	c.OpImm(x86.And, x86.Word, x86.RCX, clockSize)
	set := func(word int32) x86.Mem { return x86.AtIndex(x86.R10, x86.RCX, 1, headClocks+word) }
	c.Load(x86.Quad, x86.RDX, set(clockFactor))
	c.OpFrom(x86.Sub, x86.Quad, x86.RAX, set(clockStart))
	c.Test(x86.Quad, x86.RDX, x86.RDX)
	c.Jcc(x86.Equal, ask)
	c.IMul1(x86.Quad, x86.RDX)
	c.Shrd(x86.Quad, x86.RAX, x86.RDX, 32)
	c.OpFrom(x86.Add, x86.Quad, x86.RAX, set(clockNanos))
	c.OpTo(x86.Cmp, x86.Word, x86.At(x86.R10, headClock), x86.RSI)
	c.Jcc(x86.NotEqual, again)
}

// clock is ReadClock, or asks.
func (w *routine) clock() {
	ask := w.Label()
	ReadClock(w.Code, w.data, ask)
	w.Ret()
	w.Bind(ask)
	w.OpImm(x86.Sub, x86.Quad, x86.RSP, 16)
	w.MovImm(x86.RAX, sysClockGet)
	w.MovImm(x86.RDI, clockMonotonic)
	w.Mov(x86.Quad, x86.RSI, x86.RSP)
	w.Syscall()
	w.Pop(x86.RAX)
	w.Pop(x86.RCX)
	w.IMulImm(x86.Quad, x86.RAX, x86.RAX, 1_000_000_000)
	w.Op(x86.Add, x86.Quad, x86.RAX, x86.RCX)
	w.Ret()
}

// fresh sees to it that what the slot (R9) remembers of the thread is not older than the header says. RAX, RCX, RDX, R10 and R11 are lost.
func (w *routine) fresh() {
	good := w.Label()
	w.stamp()
	w.Mov(x86.Quad, x86.R10, x86.RAX)
	w.OpFrom(x86.Sub, x86.Quad, x86.RAX, x86.At(x86.R9, SlotStamp))
	w.MovImm(x86.RCX, w.data+headSlow)
	w.OpFrom(x86.Cmp, x86.Quad, x86.RAX, x86.At(x86.RCX, 0))
	w.Jcc(x86.Below, good)
	w.Store(x86.Quad, x86.At(x86.R9, SlotStamp), x86.R10)
	w.Push(x86.RDI)
	w.Push(x86.RSI)
	w.MovImm(x86.RAX, sysPrctl)
	w.MovImm(x86.RDI, prGetName)
	w.Lea(x86.RSI, x86.At(x86.R9, SlotComm))
	w.Syscall()
	w.MovImm(x86.RAX, sysGetGID)
	w.Syscall()
	w.ShiftImm(x86.Shl, x86.Quad, x86.RAX, 32)
	w.Mov(x86.Quad, x86.RSI, x86.RAX)
	w.MovImm(x86.RAX, sysGetUID)
	w.Syscall()
	w.Op(x86.Or, x86.Quad, x86.RAX, x86.RSI)
	w.Store(x86.Quad, x86.At(x86.R9, SlotUID), x86.RAX)
	w.Pop(x86.RSI)
	w.Pop(x86.RDI)
	w.Bind(good)
}

func (w *routine) uid() {
	w.slot()
	w.fresh()
	w.Load(x86.Quad, x86.RAX, x86.At(x86.R9, SlotUID))
	w.Ret()
}

// comm copies the thread's name to RDI, ESI bytes with a NUL at the end and zeros up to it.
func (w *routine) comm() {
	invalid, whole := w.Label(), w.Label()
	w.Test(x86.Word, x86.RSI, x86.RSI)
	w.Jcc(x86.Equal, invalid)
	w.slot()
	w.fresh()
	w.OpImm(x86.Cmp, x86.Word, x86.RSI, 16)
	w.Jcc(x86.Equal, whole)
	w.Mov(x86.Word, x86.RDX, x86.RSI)
	w.Lea(x86.R8, x86.AtIndex(x86.RDI, x86.RDX, 1, -1))
	w.MovImm(x86.RCX, 16)
	w.Op(x86.Cmp, x86.Word, x86.RDX, x86.RCX)
	w.Cmov(x86.Below, x86.Word, x86.RCX, x86.RDX)
	w.Op(x86.Sub, x86.Word, x86.RDX, x86.RCX)
	w.Lea(x86.RSI, x86.At(x86.R9, SlotComm))
	w.upwards(func() {
		w.RepMovs(x86.Byte)
		w.Mov(x86.Word, x86.RCX, x86.RDX)
		w.MovImm(x86.RAX, 0)
		w.RepStos(x86.Byte)
	})
	w.StoreImm(x86.Byte, x86.At(x86.R8, 0), 0)
	w.MovImm(x86.RAX, 0)
	w.Ret()
	w.Bind(whole)
	w.Load(x86.Quad, x86.RAX, x86.At(x86.R9, SlotComm))
	w.Store(x86.Quad, x86.At(x86.RDI, 0), x86.RAX)
	w.Load(x86.Quad, x86.RAX, x86.At(x86.R9, SlotComm+8))
	w.Store(x86.Quad, x86.At(x86.RDI, 8), x86.RAX)
	w.MovImm(x86.RAX, 0)
	w.Ret()
	w.Bind(invalid)
	w.fail(errInvalid)
}

// random is xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled"), begun anew in each slot.
func (w *routine) random() {
	begun := w.Label()
	w.slot()
	w.Load(x86.Quad, x86.RAX, x86.At(x86.R9, SlotRandom))
	w.Test(x86.Quad, x86.RAX, x86.RAX)
	w.Jcc(x86.NotEqual, begun)
	w.stamp()
	w.MovImm(x86.RCX, goldenRatio)
	w.IMul(x86.Quad, x86.RAX, x86.RCX)
	w.Op(x86.Xor, x86.Quad, x86.RAX, x86.R9)
	w.OpImm(x86.Or, x86.Quad, x86.RAX, 1)
	w.Bind(begun)
	for _, s := range []struct {
		op    x86.Shift
		count uint8
	}{{x86.Shr, 12}, {x86.Shl, 25}, {x86.Shr, 27}} {
		w.Mov(x86.Quad, x86.RCX, x86.RAX)
		w.ShiftImm(s.op, x86.Quad, x86.RCX, s.count)
		w.Op(x86.Xor, x86.Quad, x86.RAX, x86.RCX)
	}
	w.Store(x86.Quad, x86.At(x86.R9, SlotRandom), x86.RAX)
	w.MovImm(x86.RCX, 0x2545f4914f6cdd1d)
	w.IMul(x86.Quad, x86.RAX, x86.RCX)
	w.ShiftImm(x86.Shr, x86.Quad, x86.RAX, 32)
	w.Ret()
}

// goldenRatio is 2^64 divided by it.
const goldenRatio = 0x9e3779b97f4a7c15
