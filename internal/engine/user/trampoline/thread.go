package trampoline

import (
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// What gates know of the thread that runs them: its slot, and its number.

// slot puts the thread's key in RAX and the address of the slot where it is looked for first in RCX, and compares the slot's key. RDX is lost.
func (p Process) slot(c *x86.Code) {
	p.first(c)
	c.OpFrom(x86.Cmp, x86.Quad, x86.RAX, x86.At(x86.RCX, slotKey))
}

// first is slot that compares nothing.
func (p Process) first(c *x86.Code) {
	c.MovImm64(x86.RDX, p.Private+PrivateSlots)
	p.key(c, PrivateSlots)
	c.IMulImm(x86.Quad, x86.RCX, x86.RAX, -0x61c88647) // 2^32 divided by the golden ratio
	c.ShiftImm(x86.Shr, x86.Quad, x86.RCX, uint8(32-p.Slots.shift))
	c.OpImm(x86.And, x86.Word, x86.RCX, (1<<p.Slots.bits-1)<<p.Slots.shift)
	c.Op(x86.Add, x86.Quad, x86.RCX, x86.RDX)
}

// key puts the thread's key in RAX. In RDX is an address so many bytes behind the start of the private memory.
func (p Process) key(c *x86.Code, behind int32) {
	p.readFS(c, x86.RAX)
	c.OpFrom(x86.Add, x86.Quad, x86.RAX, x86.At(x86.RDX, privateGeneration-behind))
	c.OpImm(x86.Add, x86.Quad, x86.RAX, 1)
}

// readFS puts the FS base in a register.
func (p Process) readFS(c *x86.Code, r x86.Reg) {
	if p.FSBase {
		c.ReadFS(r)
	} else {
		c.Load(x86.Quad, r, x86.AtFS(0))
	}
}

// unthreaded stands in the key of threads without thread-local storage for the FS base, which is 0. It is no FS base, so that they are not found at first: they
// share a slot, and may run at the same time.
const unthreaded = generation - 2

// isUnthreaded compares whether the key in RAX has unthreaded. RDX is lost.
func (g *gate) isUnthreaded() {
	g.Mov(x86.Quad, x86.RDX, x86.RAX)
	g.ShiftImm(x86.Shl, x86.Quad, x86.RDX, 16)
	g.ShiftImm(x86.Sar, x86.Quad, x86.RDX, 16)
	g.OpImm(x86.Cmp, x86.Quad, x86.RDX, -1)
}

// findSlot leaves the thread's slot, now busy, in RCX. One instruction keeps out what interrupts the thread.
func (g *gate) findSlot() {
	found, search := g.Label(), g.Label()
	if g.golang {
		g.p.slot(g.Code)
	} else {
		g.guess() // first: until the FS base is read nothing behind it begins
		g.p.key(g.Code, privateNone)
		g.OpFrom(x86.Cmp, x86.Quad, x86.RAX, x86.At(x86.RCX, slotKey))
	}
	g.Jcc(x86.NotEqual, search)
	g.Bind(found)
	g.mark()
	g.Jcc(x86.Below, g.nested)
	g.aside(func() {
		g.Bind(search)
		g.search(found)
	})
}

// guess puts the slot in RCX that was found for a thread with this stack, so that nothing waits for the key and its place. Threads have stacks of their
// own, so it is seldom wrong; where nothing was found yet it is the word that is no key. RDX is the address of
// that word.
func (g *gate) guess() {
	g.hint(0)
	g.Load(x86.Word, x86.RCX, x86.AtIndex(x86.RDX, x86.RCX, 4, privateHints-privateNone))
	g.Op(x86.Add, x86.Quad, x86.RCX, x86.RDX)
}

// hint puts the number of the stack's hint in RCX, and in RDX the address that it counts from. So many bytes have been pushed since the gate looked first.
func (g *gate) hint(pushed int32) {
	g.Lea(x86.RCX, x86.At(x86.RSP, pushed))
	g.Mov(x86.Quad, x86.RDX, x86.RCX)
	g.ShiftImm(x86.Shr, x86.Quad, x86.RCX, 12) // pages
	g.ShiftImm(x86.Shr, x86.Quad, x86.RDX, 20) // stacks, a page more than some MiB from each other
	g.Op(x86.Xor, x86.Word, x86.RCX, x86.RDX)
	g.OpImm(x86.And, x86.Word, x86.RCX, hints-1)
	g.MovImm64(x86.RDX, g.p.Private+privateNone)
}

// learn keeps the slot at RCX as the stack's hint, unless it has one: two threads that share a hint do not take turns. RDX is lost.
func (g *gate) learn() {
	has := g.Label()
	g.Push(x86.RCX)
	g.Push(x86.RAX)
	g.hint(16)
	g.Lea(x86.RAX, x86.AtIndex(x86.RDX, x86.RCX, 4, privateHints-privateNone))
	g.OpToImm(x86.Cmp, x86.Word, x86.At(x86.RAX, 0), 0)
	g.Jcc(x86.NotEqual, has)
	g.Load(x86.Quad, x86.RCX, x86.At(x86.RSP, 8))
	g.Op(x86.Sub, x86.Quad, x86.RCX, x86.RDX)
	g.Store(x86.Word, x86.At(x86.RAX, 0), x86.RCX)
	g.Bind(has)
	g.Pop(x86.RAX)
	g.Pop(x86.RCX)
}

// mark makes the slot at RCX busy; Below: it is already.
func (g *gate) mark() { g.Raw(0x0f, 0xba, 0x69, slotBusy, 0) } // bts $0,slotBusy(%rcx)

// search looks for the thread's slot, and takes a free one for it.
func (g *gate) search(found x86.Label) {
	next, other, got, alone, free := g.Label(), g.Label(), g.Label(), g.Label(), g.Label()
	g.begin()
	g.p.first(g.Code)
	g.Mov(x86.Quad, x86.RDX, x86.RAX)
	g.ShiftImm(x86.Shl, x86.Quad, x86.RDX, 16)
	g.OpImm(x86.Cmp, x86.Quad, x86.RDX, 1<<16)
	g.MovImm(x86.RDX, probes)
	g.Jcc(x86.NotEqual, next)
	g.MovImm64(x86.RDX, unthreaded)
	g.Op(x86.Add, x86.Quad, x86.RAX, x86.RDX)
	g.MovImm(x86.RDX, probes)
	g.Bind(next)
	g.OpFrom(x86.Cmp, x86.Quad, x86.RAX, x86.At(x86.RCX, slotKey))
	g.Jcc(x86.Equal, got)
	g.OpToImm(x86.Cmp, x86.Quad, x86.At(x86.RCX, slotKey), 0)
	g.Jcc(x86.Equal, free)
	g.isOwn()
	g.Jcc(x86.Equal, other)
	g.inherit(next, other)
	g.Bind(free)
	g.claim(got, next)
	g.Bind(other)
	g.OpImm(x86.Add, x86.Quad, x86.RCX, 1<<g.p.Slots.shift)
	g.OpImm(x86.Sub, x86.Word, x86.RDX, 1)
	g.Jcc(x86.NotEqual, next)
	g.Jmp(g.full)
	g.Bind(got)
	g.isUnthreaded()
	g.Jcc(x86.Equal, alone)
	if !g.golang {
		g.learn()
	}
	g.Jmp(found)
	g.Bind(alone)
	g.Raw(0xf0) // lock
	g.mark()
	g.Jcc(x86.Below, g.nested)
	g.keep()
	g.Jmp(g.unknown)
}

// begin gives a child its generation that has not been here yet. One that is not observed leaves. RAX, RCX and RDX are lost.
func (g *gate) begin() {
	g.MovImm64(x86.RDX, g.p.Private)
	g.OpToImm(x86.Cmp, x86.Word, x86.At(x86.RDX, privateTGID), 0)
	if !g.p.Children {
		g.Jcc(x86.Equal, g.leave)
		return
	}
	known, again := g.Label(), g.Label()
	g.Jcc(x86.NotEqual, known)
	g.MovImm64(x86.RCX, 2*generation) // the process that was observed first has the one before
	g.Bind(again)
	g.MovImm64(x86.RAX, generation)
	g.LockXadd(x86.Quad, x86.At(x86.RDX, privateGiven), x86.RAX)
	g.Op(x86.Add, x86.Quad, x86.RAX, x86.RCX)
	g.Jcc(x86.Equal, again)
	g.Mov(x86.Quad, x86.RCX, x86.RAX)
	g.MovImm(x86.RAX, 0)
	g.LockCmpxchg(x86.Quad, x86.At(x86.RDX, privateGeneration), x86.RCX)
	g.ask(sysGetpid)
	g.Store(x86.Word, x86.At(x86.RDX, privateTGID), x86.RAX) // last: it says that the other is there
	g.Bind(known)
}

// isOwn compares whether the slot at RCX is of the generation of the key in RAX.
func (g *gate) isOwn() {
	g.Push(x86.RAX)
	g.OpFrom(x86.Xor, x86.Quad, x86.RAX, x86.At(x86.RCX, slotKey))
	g.ShiftImm(x86.Shr, x86.Quad, x86.RAX, 48)
	g.Pop(x86.RAX)
}

// inherit frees the slot at RCX, which a thread of a parent had, and looks again, unless a program runs in it: it may be the one that was interrupted.
func (g *gate) inherit(again, other x86.Label) {
	taken, zero := g.Label(), g.Label()
	g.Raw(0xf0) // lock
	g.mark()
	g.Jcc(x86.Below, other)
	g.isOwn()
	g.Jcc(x86.Equal, taken) // by a thread that was faster
	g.Push(x86.RDX)
	g.MovImm(x86.RDX, uint64(g.p.Slots.thread))
	g.Bind(zero)
	g.StoreImm(x86.Quad, x86.AtIndex(x86.RCX, x86.RDX, 1, slotThread-8), 0)
	g.OpImm(x86.Sub, x86.Quad, x86.RDX, 8)
	g.Jcc(x86.Above, zero)
	g.Pop(x86.RDX)
	g.StoreImm(x86.Quad, x86.At(x86.RCX, slotKey), 0)
	g.Bind(taken)
	g.StoreImm(x86.Word, x86.At(x86.RCX, slotBusy), 0)
	g.Jmp(again)
}

// claim takes the free slot at RCX for the thread whose key is in RAX. When somebody was faster it looks
// again: it may have been a signal handler of this thread.
func (g *gate) claim(got, again x86.Label) {
	shared := g.Label()
	g.Push(x86.RDX)
	g.Mov(x86.Quad, x86.RDX, x86.RAX)
	g.MovImm(x86.RAX, 0)
	g.LockCmpxchg(x86.Quad, x86.At(x86.RCX, slotKey), x86.RDX)
	g.Mov(x86.Quad, x86.RAX, x86.RDX)
	g.Pop(x86.RDX)
	g.Jcc(x86.NotEqual, again)
	g.isUnthreaded()
	g.Jcc(x86.Equal, shared)
	g.p.readFS(g.Code, x86.RDX)
	g.Store(x86.Quad, x86.At(x86.RCX, slotThread+shm.SlotFSBase), x86.RDX)
	g.Jmp(got)
	g.Bind(shared)
	g.StoreImm(x86.Word, x86.At(x86.RCX, slotThread+shm.SlotShared), 1)
	g.Jmp(got)
}

// ask makes a system call without arguments; only RAX changes.
func (g *gate) ask(number uint64) {
	g.Push(x86.RCX)
	g.Push(x86.R11)
	g.MovImm(x86.RAX, number)
	g.Syscall()
	g.Pop(x86.R11)
	g.Pop(x86.RCX)
}

// task notes thread group and thread. Where another thread has come to be at the same FS base, what was known of the former is
// forgotten.
func (g *gate) task() {
	if !g.wants.Thread {
		g.Bind(g.unknown)
		return
	}
	same, other := g.Label(), g.Label()
	g.tid()
	g.OpTo(x86.Cmp, x86.Word, x86.At(x86.RCX, slotThread+shm.SlotIDs), x86.RAX) // the thread group stays, or the slots are new
	g.Jcc(x86.NotEqual, other)
	g.Bind(same)
	g.aside(func() {
		g.Bind(other)
		g.another()
		g.Jmp(same)
	})
}

// another notes that the slot is another thread's now, or its first one's.
func (g *gate) another() {
	first := g.Label()
	g.OpToImm(x86.Cmp, x86.Quad, x86.At(x86.RCX, slotThread+shm.SlotIDs), 0)
	g.Jcc(x86.Equal, first)
	g.StoreImm(x86.Word, x86.At(x86.RCX, slotThread+shm.SlotSpilled), shm.SpilledUnknown)
	g.Bind(first)
	g.MovImm64(x86.RDX, g.p.Private+privateTGID)
	g.Load(x86.Word, x86.RDX, x86.At(x86.RDX, 0))
	g.ShiftImm(x86.Shl, x86.Quad, x86.RDX, 32)
	g.Op(x86.Or, x86.Quad, x86.RDX, x86.RAX)
	g.Store(x86.Quad, x86.At(x86.RCX, slotThread+shm.SlotIDs), x86.RDX)
	for _, at := range []int32{shm.SlotLow, shm.SlotHigh, shm.SlotStamp} {
		g.StoreImm(x86.Quad, x86.At(x86.RCX, slotThread+at), 0)
	}
}

// tid puts the thread's number in RAX. A thread that does not know its own yet has a 0 there, and one without thread-local storage nothing: it comes
// in at unknown. RDX is lost.
func (g *gate) tid() {
	own := x86.At(x86.RCX, slotThread+shm.SlotOwnTID)
	at, known := g.p.TID, g.Label()
	learns := at == 0 && g.golang && g.p.GoTID != 0
	if learns {
		at = g.p.GoTID
		g.OpToImm(x86.Cmp, x86.Word, own, 0)
		g.Jcc(x86.Equal, g.unknown)
	}
	if at != 0 {
		g.Load(x86.Word, x86.RAX, x86.AtFS(at))
		g.Test(x86.Word, x86.RAX, x86.RAX)
		g.Jcc(x86.Equal, g.unknown)
		g.Bind(known)
		g.aside(func() {
			g.Bind(g.unknown)
			g.askTID(own, at, learns)
			g.Jmp(known)
		})
		return
	}
	g.Bind(g.unknown)
	g.askTID(own, at, learns)
	g.Bind(known)
}

// askTID asks for the thread's number, and learns whether it is found in its memory too.
func (g *gate) askTID(own x86.Mem, at int32, learns bool) {
	known := g.Label()
	g.MovImm(x86.RAX, sysGettid) // R11 is kept already
	g.Syscall()
	g.Mov(x86.Word, x86.RAX, x86.RAX)
	g.Lea(x86.RCX, x86.At(x86.R12, -slotThread))
	if learns {
		g.OpToImm(x86.Cmp, x86.Quad, x86.At(x86.RCX, slotThread+shm.SlotFSBase), 0)
		g.Jcc(x86.Equal, known) // before Go has set up its first thread
		g.Load(x86.Word, x86.RDX, x86.AtFS(at))
		g.Op(x86.Cmp, x86.Word, x86.RDX, x86.RAX)
		g.Jcc(x86.NotEqual, known)
		g.StoreImm(x86.Word, own, 1)
	}
	g.Bind(known)
}
