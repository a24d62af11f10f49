package shm

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// The bell is rung by a thread whose dynamic linker has changed its list of objects, and which waits for an answer, as a debugger's breakpoint
// would have it wait. It does so only while somebody listens, and not for long. Who hears nothing of the listener tells all others not to ring.
//
//	+512  u32 the thread that has rung, 0 nobody; a futex
//	+520  u64 time stamp counter when the listener last said that he is at work on the answer
//	+528  u64 for how many counts of it a thread waits that hears nothing, 0: nobody listens
const (
	headBell  = 512
	headBeat  = 520
	headQuiet = 528

	bellBeat, bellQuiet = headBeat - headBell, headQuiet - headBell

	sysFutex            = 202
	futexWait           = 0
	futexWake           = 1
	everybody           = 1<<31 - 1
	bellRounds          = 2000
	bellRound           = 5_000_000 // nanoseconds
	countsWithoutFactor = 1 << 31
)

// Bell is the listener's side.
type Bell struct {
	mem   []byte
	quiet uint64
}

// NewBell makes the bell of a memory. quiet is for how many counts of the time stamp counter a thread waits without a Beat, 0 if that is not known.
func NewBell(mem []byte, quiet uint64) Bell {
	if quiet == 0 {
		quiet = countsWithoutFactor
	}
	put(mem, headQuiet, quiet)
	return Bell{mem, quiet}
}

func (b Bell) word() *uint32 { return (*uint32)(unsafe.Pointer(&b.mem[headBell])) }

// Beat says that the answer is being worked on.
func (b Bell) Beat() { put(b.mem, headBeat, counter()) }

// GivenUp reports whether a thread has heard nothing for too long since it was asked last, and told the others not to ring. From now on they do again.
func (b Bell) GivenUp() bool {
	return atomic.SwapUint64((*uint64)(unsafe.Pointer(&b.mem[headQuiet])), b.quiet) == 0
}

// Listen waits for a thread that rings, and gives its number, or 0: Rouse was called, or the thread has given up.
func (b Bell) Listen() (tid int) {
	if tid := atomic.LoadUint32(b.word()); tid != 0 {
		return int(tid)
	}
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(b.word())), futexWait, 0, 0, 0, 0)
	return int(atomic.LoadUint32(b.word()))
}

// Answer lets the thread go on that has rung.
func (b Bell) Answer() {
	atomic.StoreUint32(b.word(), 0)
	b.Rouse()
}

// Rouse ends a Listen that waits. Threads that wait for their answer look whether they have it, and go on waiting.
func (b Bell) Rouse() {
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(b.word())), futexWake, everybody, 0, 0, 0)
}

// Leave tells all that nobody listens any more.
func (b Bell) Leave() {
	put(b.mem, headQuiet, 0)
	b.Answer()
}

// Doorbell is the code that a function becomes which does nothing: it rings and waits for the answer. All registers and flags are kept.
func Doorbell(c *x86.Code, data uint64) {
	regs := []x86.Reg{x86.RAX, x86.RCX, x86.RDX, x86.RSI, x86.RDI, x86.R8, x86.R9, x86.R10, x86.R11, x86.RBX, x86.RBP, x86.R12, x86.R13}
	take, rung, wait, silent, giveUp, drop, out := c.Label(), c.Label(), c.Label(), c.Label(), c.Label(), c.Label(), c.Label()
	for _, r := range regs {
		c.Push(r)
	}
	c.Pushf()
	c.MovImm64(x86.RBX, data+headBell)
	c.OpToImm(x86.Cmp, x86.Quad, x86.At(x86.RBX, bellQuiet), 0)
	c.Jcc(x86.Equal, out)
	counts(c)
	c.Mov(x86.Quad, x86.R13, x86.RAX)
	c.MovImm(x86.RAX, sysGetTID)
	c.Syscall()
	c.Mov(x86.Word, x86.RBP, x86.RAX)
	c.MovImm(x86.R12, bellRounds)
	c.PushImm(bellRound) // struct timespec
	c.PushImm(0)
	c.Bind(take)
	c.OpImm(x86.Sub, x86.Word, x86.R12, 1)
	c.Jcc(x86.Equal, drop)
	c.MovImm(x86.RAX, 0)
	c.LockCmpxchg(x86.Word, x86.At(x86.RBX, 0), x86.RBP)
	c.Jcc(x86.Equal, rung)
	c.Mov(x86.Word, x86.RDX, x86.RAX) // another thread has rung
	futex(c, futexWait)
	c.Jmp(take)
	c.Bind(rung)
	c.MovImm(x86.RDX, everybody)
	futex(c, futexWake)
	c.Bind(wait)
	c.OpFrom(x86.Cmp, x86.Word, x86.RBP, x86.At(x86.RBX, 0))
	c.Jcc(x86.NotEqual, drop)
	c.OpImm(x86.Sub, x86.Word, x86.R12, 1)
	c.Jcc(x86.Equal, giveUp)
	silence(c)
	c.Jcc(x86.GreaterEqual, silent)
	c.Mov(x86.Word, x86.RDX, x86.RBP)
	futex(c, futexWait)
	c.Jmp(wait)
	c.Bind(silent)
	c.StoreImm(x86.Quad, x86.At(x86.RBX, bellQuiet), 0)
	c.Bind(giveUp)
	c.Mov(x86.Word, x86.RAX, x86.RBP)
	c.MovImm(x86.RDX, 0)
	c.LockCmpxchg(x86.Word, x86.At(x86.RBX, 0), x86.RDX)
	c.Bind(drop)
	c.Lea(x86.RSP, x86.At(x86.RSP, 16))
	c.Bind(out)
	c.Popf()
	for i := range regs {
		c.Pop(regs[len(regs)-1-i])
	}
	c.Ret()
}

// counts reads the time stamp counter.
func counts(c *x86.Code) {
	c.Rdtsc()
	c.ShiftImm(x86.Shl, x86.Quad, x86.RDX, 32)
	c.Op(x86.Or, x86.Quad, x86.RAX, x86.RDX)
}

// silence compares for how long nothing was heard of the listener since R13 with how long that may be.
func silence(c *x86.Code) {
	counts(c)
	c.Load(x86.Quad, x86.RCX, x86.At(x86.RBX, bellBeat))
	c.Op(x86.Cmp, x86.Quad, x86.RCX, x86.R13)
	c.Cmov(x86.Less, x86.Quad, x86.RCX, x86.R13)
	c.Op(x86.Sub, x86.Quad, x86.RAX, x86.RCX)
	c.OpFrom(x86.Cmp, x86.Quad, x86.RAX, x86.At(x86.RBX, bellQuiet))
}

// futex asks for the word at RBX with the value in RDX, and waits no longer than the time on top of the stack.
func futex(c *x86.Code, op uint64) {
	c.Mov(x86.Quad, x86.RDI, x86.RBX)
	c.MovImm(x86.RSI, op)
	c.Mov(x86.Quad, x86.R10, x86.RSP)
	c.MovImm(x86.RAX, sysFutex)
	c.Syscall()
}
