package shm

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// readString copies text from RDX to RDI up to its NUL, at most ESI bytes; RAX is the number with the NUL. A text that does not
// fit is cut by a NUL; of one that cannot be read nothing is left but zeros. It goes from page to page, so that the page behind the
// NUL is left alone.
//
//	rbx  bytes left      r12  where to, at first     r13  ESI
//	rdx  from, now       rdi  to, now                rcx  bytes of this page
func (w *routine) readString() {
	page, slow, end, found, scan := w.Label(), w.Label(), w.Label(), w.Label(), w.Label()
	cut, bad, none, out := w.Label(), w.Label(), w.Label(), w.Label()
	w.Test(x86.Word, x86.RSI, x86.RSI)
	w.Jcc(x86.Equal, none)
	w.Push(x86.RBX)
	w.Push(x86.R12)
	w.Push(x86.R13)
	w.Mov(x86.Word, x86.RBX, x86.RSI)
	w.Mov(x86.Quad, x86.R12, x86.RDI)
	w.Mov(x86.Word, x86.R13, x86.RSI)
	w.Bind(page)
	w.Test(x86.Quad, x86.RBX, x86.RBX)
	w.Jcc(x86.Equal, cut)
	w.Mov(x86.Word, x86.RCX, x86.RDX)
	w.OpImm(x86.Or, x86.Word, x86.RCX, ^int32(pageSize-1))
	w.Neg(x86.Word, x86.RCX) // what is left of the page
	w.Op(x86.Cmp, x86.Quad, x86.RCX, x86.RBX)
	w.Cmov(x86.Above, x86.Quad, x86.RCX, x86.RBX)
	w.Op(x86.Sub, x86.Quad, x86.RBX, x86.RCX)
	w.Call(w.safe)
	w.Test(x86.Word, x86.RAX, x86.RAX)
	w.Jcc(x86.Equal, slow)
	w.scanWords(end, page)
	w.Bind(scan)
	w.Load(x86.Byte, x86.RAX, x86.At(x86.RDX, 0))
	w.Store(x86.Byte, x86.At(x86.RDI, 0), x86.RAX)
	w.OpImm(x86.Add, x86.Quad, x86.RDX, 1)
	w.OpImm(x86.Add, x86.Quad, x86.RDI, 1)
	w.Test(x86.Byte, x86.RAX, x86.RAX)
	w.Jcc(x86.Equal, found)
	w.OpImm(x86.Sub, x86.Quad, x86.RCX, 1)
	w.Jcc(x86.NotEqual, scan)
	w.Jmp(page)

	w.Bind(slow)
	w.pageByKernel(bad, page)
	w.Jmp(found)
	w.Bind(end)
	w.lastWord()
	w.Bind(found)
	w.Mov(x86.Quad, x86.RAX, x86.RDI)
	w.Op(x86.Sub, x86.Quad, x86.RAX, x86.R12)
	w.Jmp(out)
	w.Bind(cut)
	w.StoreImm(x86.Byte, x86.At(x86.RDI, -1), 0)
	w.Mov(x86.Quad, x86.RAX, x86.R13)
	w.Jmp(out)
	w.Bind(bad)
	w.Mov(x86.Quad, x86.RDI, x86.R12)
	w.Mov(x86.Quad, x86.RCX, x86.R13)
	w.clear()
	w.MovImm(x86.RAX, 1<<64-(-errFault))
	w.Bind(out)
	w.Pop(x86.R13)
	w.Pop(x86.R12)
	w.Pop(x86.RBX)
	w.Ret()
	w.Bind(none)
	w.MovImm(x86.RAX, 0)
	w.Ret()
}

// pageByKernel has the kernel copy the RCX bytes of text at RDX, and clears what is behind the NUL. It goes to bad if they cannot be read, to more if there
// is no NUL among them.
func (w *routine) pageByKernel(bad, more x86.Label) {
	look, found := w.Label(), w.Label()
	w.Call(w.read)
	w.Test(x86.Word, x86.RAX, x86.RAX)
	w.Jcc(x86.NotEqual, bad)
	w.Op(x86.Add, x86.Quad, x86.RDX, x86.RCX)
	w.Bind(look)
	w.Load(x86.Byte, x86.RAX, x86.At(x86.RDI, 0))
	w.OpImm(x86.Add, x86.Quad, x86.RDI, 1)
	w.OpImm(x86.Sub, x86.Quad, x86.RCX, 1)
	w.Test(x86.Byte, x86.RAX, x86.RAX)
	w.Jcc(x86.Equal, found)
	w.Test(x86.Quad, x86.RCX, x86.RCX)
	w.Jcc(x86.NotEqual, look)
	w.Jmp(more)
	w.Bind(found)
	w.Mov(x86.Quad, x86.RDX, x86.RDI)
	w.clear()
	w.Mov(x86.Quad, x86.RDI, x86.RDX)
}

// scanWords copies the words of the RCX bytes of text at RDX, as long as none has a NUL, and goes to a label when nothing is left. One with a NUL is in RAX
// when it goes to end, and RSI has a bit for each of its bytes: the lowest that is set is that of the NUL (Mycroft's test; those above it may be wrong).
func (w *routine) scanWords(end, more x86.Label) {
	next, few := w.Label(), w.Label()
	w.MovImm(x86.R10, 0x0101010101010101)
	w.MovImm(x86.R11, 0x8080808080808080)
	w.OpImm(x86.Sub, x86.Quad, x86.RCX, 8)
	w.Jcc(x86.Below, few)
	w.Bind(next)
	w.Load(x86.Quad, x86.RAX, x86.At(x86.RDX, 0))
	w.Mov(x86.Quad, x86.R8, x86.RAX)
	w.Mov(x86.Quad, x86.RSI, x86.RAX)
	w.Not(x86.Quad, x86.R8)
	w.Op(x86.Sub, x86.Quad, x86.RSI, x86.R10)
	w.Op(x86.And, x86.Quad, x86.R8, x86.R11)
	w.Op(x86.And, x86.Quad, x86.RSI, x86.R8)
	w.Jcc(x86.NotEqual, end)
	w.Store(x86.Quad, x86.At(x86.RDI, 0), x86.RAX)
	w.OpImm(x86.Add, x86.Quad, x86.RDX, 8)
	w.OpImm(x86.Add, x86.Quad, x86.RDI, 8)
	w.OpImm(x86.Sub, x86.Quad, x86.RCX, 8)
	w.Jcc(x86.AboveEqual, next)
	w.Bind(few)
	w.OpImm(x86.Add, x86.Quad, x86.RCX, 8)
	w.Jcc(x86.Equal, more)
}

// lastWord stores the word that scanWords ended at, cleared behind its NUL, and leaves the address behind that in RDI.
func (w *routine) lastWord() {
	w.Lea(x86.R8, x86.At(x86.RSI, -1))
	w.Op(x86.Xor, x86.Quad, x86.R8, x86.RSI)
	w.Op(x86.And, x86.Quad, x86.RAX, x86.R8)
	w.Store(x86.Quad, x86.At(x86.RDI, 0), x86.RAX)
	w.Bsf(x86.Quad, x86.RSI, x86.RSI)
	w.ShiftImm(x86.Shr, x86.Word, x86.RSI, 3)
	w.Lea(x86.RDI, x86.AtIndex(x86.RDI, x86.RSI, 1, 1))
}
