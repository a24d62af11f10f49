package shm

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// reading writes what the routines share that read memory of the process.
func (w *routine) reading() {
	w.pad()
	w.writeSafe()
	w.pad()
	w.writeMove()
	w.pad()
	w.writeRead()
}

// writeSafe: EAX is 1 if RCX bytes at RDX are there for sure, else 0: they lie between the stack pointer of the hit and the end of the stack
// that it is on, be it the thread's own or the process's first, in what Go keeps of the running goroutine, or in one of the ranges that are
// known. R10 and R11 are lost.
func (w *routine) writeSafe() {
	again, first, ranges, next, yes, no := w.Label(), w.Label(), w.Label(), w.Label(), w.Label(), w.Label()
	w.Bind(w.safe)
	w.Load(x86.Quad, x86.R10, x86.At(x86.R9, ContextSlot))
	w.Load(x86.Quad, x86.RAX, x86.At(x86.R10, SlotTo))
	w.inRange(x86.At(x86.R10, SlotFrom), again)
	w.MovImm(x86.RAX, 1)
	w.Ret()
	w.Bind(again)
	w.onStack(x86.At(x86.R10, SlotLow), x86.At(x86.R10, SlotHigh), yes, first)
	w.Bind(first)
	if w.known == 0 {
		w.MovImm(x86.RAX, 0)
		w.Ret()
	}
	w.MovImm(x86.R10, w.known)
	w.onStack(x86.At(x86.R10, knownStack), x86.At(x86.R10, knownStack+8), yes, ranges)
	w.Bind(ranges)
	w.goroutine(yes)
	w.MovImm(x86.R10, w.known+knownRanges-16)
	w.Bind(next)
	w.OpImm(x86.Add, x86.Quad, x86.R10, 16)
	w.Load(x86.Quad, x86.RAX, x86.At(x86.R10, 8))
	w.Test(x86.Quad, x86.RAX, x86.RAX)
	w.Jcc(x86.Equal, no)
	w.inRange(x86.At(x86.R10, 0), next)
	w.Load(x86.Quad, x86.R11, x86.At(x86.R9, ContextSlot))
	for _, word := range [][2]int32{{0, SlotFrom}, {8, SlotTo}} {
		w.Load(x86.Quad, x86.RAX, x86.At(x86.R10, word[0]))
		w.Store(x86.Quad, x86.At(x86.R11, word[1]), x86.RAX)
	}
	w.Bind(yes)
	w.MovImm(x86.RAX, 1)
	w.Ret()
	w.Bind(no)
	w.MovImm(x86.RAX, 0)
	w.Ret()
}

// inRange goes to a label unless the bytes at RDX lie between a start and the end in RAX, which is lost.
func (w *routine) inRange(start x86.Mem, not x86.Label) {
	w.OpFrom(x86.Cmp, x86.Quad, x86.RDX, start)
	w.Jcc(x86.Below, not)
	w.Op(x86.Sub, x86.Quad, x86.RAX, x86.RDX)
	w.Jcc(x86.Below, not)
	w.Op(x86.Cmp, x86.Quad, x86.RAX, x86.RCX)
	w.Jcc(x86.Below, not)
}

// goroutine goes to yes if the bytes at RDX are of the goroutine's descriptor.
func (w *routine) goroutine(yes x86.Label) {
	no := w.Label()
	w.MovImm(x86.R10, w.known+knownGo)
	w.OpToImm(x86.Cmp, x86.Quad, x86.At(x86.R10, 0), 0)
	w.Jcc(x86.Equal, no)
	w.Load(x86.Quad, x86.R10, x86.At(x86.R9, ContextSlot))
	w.Load(x86.Quad, x86.R10, x86.At(x86.R10, SlotFSBase))
	w.Test(x86.Quad, x86.R10, x86.R10)
	w.Jcc(x86.Equal, no)
	w.Load(x86.Quad, x86.R10, x86.At(x86.R10, goTLS))
	w.Mov(x86.Quad, x86.RAX, x86.RDX)
	w.Op(x86.Sub, x86.Quad, x86.RAX, x86.R10)
	w.Jcc(x86.Below, no)
	w.OpImm(x86.Cmp, x86.Quad, x86.RAX, goSize)
	w.Jcc(x86.AboveEqual, no)
	w.Op(x86.Add, x86.Quad, x86.RAX, x86.RCX)
	w.OpImm(x86.Cmp, x86.Quad, x86.RAX, goSize)
	w.Jcc(x86.Above, no)
	w.Test(x86.Quad, x86.R10, x86.R10)
	w.Jcc(x86.NotEqual, yes)
	w.Bind(no)
}

// onStack goes to yes if the bytes at RDX are on the used part of a stack, else to no.
func (w *routine) onStack(low, high x86.Mem, yes, no x86.Label) {
	w.Load(x86.Quad, x86.R11, x86.At(x86.R9, ContextRSP))
	w.OpFrom(x86.Cmp, x86.Quad, x86.R11, low)
	w.Jcc(x86.Below, no)
	w.Op(x86.Cmp, x86.Quad, x86.RDX, x86.R11)
	w.Jcc(x86.Below, no)
	w.Load(x86.Quad, x86.RAX, high)
	w.Op(x86.Sub, x86.Quad, x86.RAX, x86.RDX)
	w.Jcc(x86.Below, no)
	w.Op(x86.Cmp, x86.Quad, x86.RAX, x86.RCX)
	w.Jcc(x86.AboveEqual, yes)
}

// long is from how many bytes on the machine's own loop is faster.
const long = 512

// upwards writes string instructions. Few programs come to one, so gates leave the direction flag as the thread has it, and it is kept here.
func (w *routine) upwards(code func()) {
	w.Pushf()
	w.Cld()
	code()
	w.Popf()
}

// clear writes RCX zeros to RDI. RAX is lost.
func (w *routine) clear() {
	w.MovImm(x86.RAX, 0)
	w.upwards(func() { w.RepStos(x86.Byte) })
}

// writeMove copies RCX bytes from RSI to RDI. RAX is lost, the others have moved on.
func (w *routine) writeMove() {
	fours, few, words, tail, repeat, done := w.Label(), w.Label(), w.Label(), w.Label(), w.Label(), w.Label()
	w.Bind(w.move)
	w.OpImm(x86.Cmp, x86.Quad, x86.RCX, long)
	w.Jcc(x86.AboveEqual, repeat)
	w.OpImm(x86.Sub, x86.Quad, x86.RCX, 32)
	w.Jcc(x86.Below, few)
	w.Bind(fours)
	for at := int32(0); at < 32; at += 8 {
		w.Load(x86.Quad, x86.RAX, x86.At(x86.RSI, at))
		w.Store(x86.Quad, x86.At(x86.RDI, at), x86.RAX)
	}
	w.OpImm(x86.Add, x86.Quad, x86.RSI, 32)
	w.OpImm(x86.Add, x86.Quad, x86.RDI, 32)
	w.OpImm(x86.Sub, x86.Quad, x86.RCX, 32)
	w.Jcc(x86.AboveEqual, fours)
	w.Bind(few)
	w.OpImm(x86.Add, x86.Quad, x86.RCX, 32-8)
	w.Jcc(x86.NoSign, words)
	w.Jmp(tail)
	w.Bind(words)
	w.Load(x86.Quad, x86.RAX, x86.At(x86.RSI, 0))
	w.Store(x86.Quad, x86.At(x86.RDI, 0), x86.RAX)
	w.OpImm(x86.Add, x86.Quad, x86.RSI, 8)
	w.OpImm(x86.Add, x86.Quad, x86.RDI, 8)
	w.OpImm(x86.Sub, x86.Quad, x86.RCX, 8)
	w.Jcc(x86.AboveEqual, words)
	w.Bind(tail)
	w.OpImm(x86.Add, x86.Quad, x86.RCX, 8)
	w.Jcc(x86.Equal, done)
	bytes := w.Here()
	w.Load(x86.Byte, x86.RAX, x86.At(x86.RSI, 0))
	w.Store(x86.Byte, x86.At(x86.RDI, 0), x86.RAX)
	w.OpImm(x86.Add, x86.Quad, x86.RSI, 1)
	w.OpImm(x86.Add, x86.Quad, x86.RDI, 1)
	w.OpImm(x86.Sub, x86.Quad, x86.RCX, 1)
	w.Jcc(x86.NotEqual, bytes)
	w.Bind(done)
	w.Ret()
	w.Bind(repeat)
	w.upwards(func() { w.RepMovs(x86.Byte) })
	w.Ret()
}

// writeRead has the kernel copy RCX bytes from RDX to RDI; EAX is 0 if all of them came, else an error. A pointer to nowhere is an
// error of the call, never a fault of the process. RCX, RDX, RDI and R9 are kept, RSI, R8, R10 and R11 lost.
//
//	rsp +0   u64 address, u64 length   where to
//	rsp +16  u64 address, u64 length   from where
func (w *routine) writeRead() {
	good := w.Label()
	w.Bind(w.read)
	w.Push(x86.RDI)
	w.Push(x86.R9)
	w.Push(x86.RCX)
	w.Push(x86.RDX)
	w.Push(x86.RCX) // the vectors, from their end
	w.Push(x86.RDX)
	w.Push(x86.RCX)
	w.Push(x86.RDI)
	w.slot()
	w.Call(w.ids)
	w.Mov(x86.Quad, x86.RDI, x86.RAX)
	w.ShiftImm(x86.Shr, x86.Quad, x86.RDI, 32)
	w.Mov(x86.Quad, x86.RSI, x86.RSP)
	w.MovImm(x86.RDX, 1)
	w.Lea(x86.R10, x86.At(x86.RSP, 16))
	w.MovImm(x86.R8, 1)
	w.MovImm(x86.R9, 0)
	w.MovImm(x86.RAX, sysProcessRead)
	w.Syscall()
	w.OpImm(x86.Add, x86.Quad, x86.RSP, 32)
	w.Pop(x86.RDX)
	w.Pop(x86.RCX)
	w.Pop(x86.R9)
	w.Pop(x86.RDI)
	w.Op(x86.Cmp, x86.Quad, x86.RAX, x86.RCX)
	w.MovImm(x86.RAX, 0)
	w.Jcc(x86.Equal, good)
	w.MovImm(x86.RAX, 1<<64-(-errFault))
	w.Bind(good)
	w.Ret()
}

// readUser copies ESI bytes from RDX to RDI; when it cannot, there are zeros.
func (w *routine) readUser() {
	slow, bad, none := w.Label(), w.Label(), w.Label()
	w.Mov(x86.Word, x86.RCX, x86.RSI)
	w.Test(x86.Word, x86.RCX, x86.RCX)
	w.Jcc(x86.Equal, none)
	w.Call(w.safe)
	w.Test(x86.Word, x86.RAX, x86.RAX)
	w.Jcc(x86.Equal, slow)
	w.Mov(x86.Quad, x86.RSI, x86.RDX)
	w.Call(w.move)
	w.Bind(none)
	w.MovImm(x86.RAX, 0)
	w.Ret()
	w.Bind(slow)
	w.Call(w.read)
	w.Test(x86.Word, x86.RAX, x86.RAX)
	w.Jcc(x86.NotEqual, bad)
	w.Ret()
	w.Bind(bad)
	w.clear()
	w.fail(errFault)
}

// copyOwn copies ESI bytes from RDX to RDI, of memory that is known to be there.
func (w *routine) copyOwn() {
	w.Mov(x86.Word, x86.RCX, x86.RSI)
	w.Mov(x86.Quad, x86.RSI, x86.RDX)
	w.Call(w.move)
	w.MovImm(x86.RAX, 0)
	w.Ret()
}
