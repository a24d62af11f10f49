package shm

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// Flags of get_stack.
const userStack = 1 << 8 // BPF_F_USER_STACK

// maxStack is PERF_MAX_STACK_DEPTH.
const maxStack = 127

// stack writes the program counters of the thread's stack to RSI, EDX bytes of them at most, and gives the number of bytes: the probed
// instruction, the caller where the frame is not set up yet, and what the frame pointers lead to. As perf_callchain_user in
// arch/x86/events/core.c does it.
//
//	rbx  where to, now    r12  behind the room    r13  frame pointer    r14  where to, at first
//	rsp  u64 next frame, u64 return address
func (w *routine) stack() {
	frame, invalid, end, read := w.Label(), w.Label(), w.Label(), w.Label()
	w.OpImm(x86.Cmp, x86.Quad, x86.RCX, userStack)
	w.Jcc(x86.NotEqual, invalid)
	w.TestImm(x86.Word, x86.RDX, 7)
	w.Jcc(x86.NotEqual, invalid)
	for _, r := range []x86.Reg{x86.RBX, x86.R12, x86.R13, x86.R14, x86.R15} {
		w.Push(r)
	}
	w.OpImm(x86.Sub, x86.Quad, x86.RSP, 16)
	w.Mov(x86.Quad, x86.RBX, x86.RSI)
	w.Mov(x86.Quad, x86.R14, x86.RSI)
	w.Mov(x86.Word, x86.RDX, x86.RDX)
	w.Lea(x86.R15, x86.AtIndex(x86.RSI, x86.RDX, 1, 0)) // behind the memory
	w.Lea(x86.R12, x86.At(x86.RSI, 8*maxStack))
	w.Op(x86.Cmp, x86.Quad, x86.R12, x86.R15)
	w.Cmov(x86.Above, x86.Quad, x86.R12, x86.R15)
	w.Op(x86.Cmp, x86.Quad, x86.RBX, x86.R12)
	w.Jcc(x86.AboveEqual, end)
	w.Load(x86.Quad, x86.RAX, x86.At(x86.RDI, ContextRIP))
	w.Store(x86.Quad, x86.At(x86.RBX, 0), x86.RAX)
	w.OpImm(x86.Add, x86.Quad, x86.RBX, 8)
	w.Load(x86.Quad, x86.R13, x86.At(x86.RDI, ContextRBP))
	w.Mov(x86.Quad, x86.R9, x86.RDI)
	w.OpToImm(x86.Cmp, x86.Quad, x86.At(x86.RDI, ContextAtEntry), 0)
	w.Jcc(x86.Equal, frame)
	// The return address is on top of the stack: read 8 bytes, as if a frame began below them.
	w.Op(x86.Cmp, x86.Quad, x86.RBX, x86.R12)
	w.Jcc(x86.AboveEqual, end)
	w.Load(x86.Quad, x86.RDX, x86.At(x86.RDI, ContextRSP))
	w.MovImm(x86.RCX, 8)
	w.Lea(x86.RDI, x86.At(x86.RSP, 8))
	w.Call(read)
	w.Test(x86.Word, x86.RAX, x86.RAX)
	w.Jcc(x86.NotEqual, frame)
	w.Load(x86.Quad, x86.RAX, x86.At(x86.RSP, 8))
	w.Store(x86.Quad, x86.At(x86.RBX, 0), x86.RAX)
	w.OpImm(x86.Add, x86.Quad, x86.RBX, 8)

	w.Bind(frame)
	w.Op(x86.Cmp, x86.Quad, x86.RBX, x86.R12)
	w.Jcc(x86.AboveEqual, end)
	w.Mov(x86.Quad, x86.RDX, x86.R13)
	w.MovImm(x86.RCX, 16)
	w.Mov(x86.Quad, x86.RDI, x86.RSP)
	w.Call(read)
	w.Test(x86.Word, x86.RAX, x86.RAX)
	w.Jcc(x86.NotEqual, end)
	w.Load(x86.Quad, x86.R13, x86.At(x86.RSP, 0))
	w.Load(x86.Quad, x86.RAX, x86.At(x86.RSP, 8))
	w.Store(x86.Quad, x86.At(x86.RBX, 0), x86.RAX)
	w.OpImm(x86.Add, x86.Quad, x86.RBX, 8)
	w.Jmp(frame)

	w.Bind(end)
	w.Mov(x86.Quad, x86.RDI, x86.RBX)
	w.Mov(x86.Quad, x86.RCX, x86.R15)
	w.Op(x86.Sub, x86.Quad, x86.RCX, x86.RBX)
	w.clear()
	w.Mov(x86.Quad, x86.RAX, x86.RBX)
	w.Op(x86.Sub, x86.Quad, x86.RAX, x86.R14)
	w.OpImm(x86.Add, x86.Quad, x86.RSP, 16)
	for _, r := range []x86.Reg{x86.R15, x86.R14, x86.R13, x86.R12, x86.RBX} {
		w.Pop(r)
	}
	w.Ret()
	w.Bind(invalid)
	w.Mov(x86.Quad, x86.RDI, x86.RSI)
	w.Mov(x86.Word, x86.RCX, x86.RDX)
	w.clear()
	w.fail(errInvalid)

	w.Bind(read)
	w.readFrame()
}

// readFrame copies RCX bytes of a stack from RDX to RDI; EAX is 0 if it could.
func (w *routine) readFrame() {
	readable := w.Label()
	w.Call(w.safe)
	w.Test(x86.Word, x86.RAX, x86.RAX)
	w.Jcc(x86.NotEqual, readable)
	w.Jmp(w.read)
	w.Bind(readable)
	w.Mov(x86.Quad, x86.RSI, x86.RDX)
	w.Call(w.move)
	w.MovImm(x86.RAX, 0)
	w.Ret()
}
