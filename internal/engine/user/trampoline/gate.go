package trampoline

import (
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// Process says what gates must know about the process.
type Process struct {
	Private uint64 // address of the private memory
	Slots   Slots
	Nested  uint64 // address of a u64 that counts hits inside a program of the same thread
	Full    uint64 // address of a u64 that counts hits of threads for which there was no slot
	// Children: what the process forks is observed too.
	Children bool
	// FSBase: the instruction rdfsbase works; else the FS base is at %fs:0, as C libraries keep it.
	FSBase bool
	// TID is where threads have their number, from the FS base; 0: they are asked each time.
	TID int32
	// GoTID is where threads that run Go code have it, for those whose number is found there when they come first.
	GoTID int32
}

// System calls of the gate, by number (arch/x86/entry/syscalls/syscall_64.tbl).
const (
	sysGetpid = 39
	sysGettid = 186
)

// Red is the red zone of the System V ABI, section 3.2.2: memory below the stack pointer that a function may use.
const Red = 128

// Entry of a gate, on the thread's stack:
//
//	+0   flags
//	+8   RAX
//	+16  RCX
//	+24  RDX
//	+32  return address: the stub's
//	+40  red zone if the code has one, then the function's own stack
const (
	inFlags = 0
	inRAX   = 8
	inRCX   = 16
	inRDX   = 24
	inStub  = 32
	inEnd   = 40
)

// Wants is what a gate must give the programs that it runs.
type Wants struct {
	// Words has a bit for each word of the context, as translate.Uses has.
	Words uint32
	// Thread: the slot's words about the thread are kept up.
	Thread bool
	// Decides: what the program gives says whether the hit goes on to the site's pad.
	Decides bool
	// Undecided: so does a hit that the program cannot look at; it is not counted.
	Undecided bool
	// Ends: hits end calls that were counted when they began, so one that the program cannot look at is not counted.
	Ends bool
}

// All is everything.
func All() Wants { return Wants{Words: 1<<(shm.ContextSize/8) - 1, Thread: true} }

func (w Wants) word(offset int32) bool { return w.Words>>(offset/8)&1 != 0 }

// flags: all of them are needed, not only those that programs change. They keep the direction flag.
func (w Wants) flags() bool { return w.word(shm.ContextFlags) }

// GateRoom is how much code a gate takes at most, and what it is aligned by.
const GateRoom = 1280

// Gate writes the gate of C code, or that of Go code, for programs that want no more.
func Gate(c *x86.Code, p Process, golang bool, wants Wants) {
	g := gate{Code: c, p: p, golang: golang, wants: wants, nested: c.Label(), leave: c.Label(), full: c.Label(), unknown: c.Label()}
	g.Push(x86.RDX)
	g.Push(x86.RCX)
	g.Push(x86.RAX)
	if wants.flags() {
		g.Pushf()
	} else {
		pushFlags(c)
	}
	g.findSlot()
	g.keep()
	g.task()
	g.build()
	g.run()
	g.restore()
	g.Bind(g.leave)
	g.back()
	for _, code := range g.cold {
		code()
	}
	if wants.Undecided {
		g.Bind(g.nested)
		g.Bind(g.full)
		g.goOn(0)
		g.Jmp(g.leave)
		return
	}
	if wants.Ends {
		g.Bind(g.nested)
		g.Bind(g.full)
		g.Jmp(g.leave)
		return
	}
	g.Bind(g.nested)
	g.count(p.Nested)
	g.Jmp(g.leave)
	g.Bind(g.full)
	g.count(p.Full)
	g.Jmp(g.leave)
}

// goOn makes the gate return to where hits go on that are handed on; what its entry pushed lies in bytes above the stack pointer.
func (g *gate) goOn(in int32) {
	g.OpToImm(x86.Add, x86.Quad, x86.At(x86.RSP, in+inStub), taken(g.golang))
}

type gate struct {
	*x86.Code
	p                   Process
	golang              bool
	wants               Wants
	nested, leave, full x86.Label
	// unknown is where a thread goes on whose number is not where those of others are.
	unknown x86.Label
	// cold is what is seldom run: it comes behind the rest, which has few jumps then.
	cold []func()
}

// aside keeps code for the end of the gate that is seldom run.
func (g *gate) aside(code func()) { g.cold = append(g.cold, code) }

// frame is where the context is, from keep on.
func (g *gate) frame() x86.Reg {
	if g.golang {
		return x86.RBX
	}
	return x86.RSP
}

func (g *gate) context(off int32) x86.Mem { return x86.At(g.frame(), off) }

// keep stores the registers. R12 is what the slot has of the thread from here on, RCX the slot; for Go, RBX is the frame, and R13 the stack pointer
// as findSlot had it.
func (g *gate) keep() {
	at := x86.RSP
	if g.golang {
		at = x86.RDX
		g.Lea(at, x86.At(x86.RCX, g.p.Slots.goContext()))
	} else {
		g.Lea(x86.RSP, x86.At(x86.RSP, -shm.ContextSize)) // before anything is stored: a signal handler would overwrite it
	}
	for _, r := range g.kept() {
		g.Store(x86.Quad, x86.At(at, r.at), r.reg)
	}
	if g.golang {
		g.Mov(x86.Quad, x86.RBX, at)
		g.Mov(x86.Quad, x86.R13, x86.RSP)
	}
	g.Lea(x86.R12, x86.At(x86.RCX, slotThread))
}

// build builds the context.
func (g *gate) build() {
	in := g.in()
	if g.wants.word(shm.ContextSlot) {
		g.Store(x86.Quad, g.context(shm.ContextSlot), x86.R12)
	}
	for _, move := range [][2]int32{{inFlags, shm.ContextFlags}, {inRAX, shm.ContextRAX}, {inRCX, shm.ContextRCX}, {inRDX, shm.ContextRDX}} {
		if g.wants.word(move[1]) {
			g.Load(x86.Quad, x86.RAX, x86.At(x86.RSP, in+move[0]))
			g.Store(x86.Quad, g.context(move[1]), x86.RAX)
		}
	}
	g.Load(x86.Quad, x86.RSI, x86.At(x86.RSP, in+inStub))
	g.LoadSigned(x86.Word, x86.RAX, x86.At(x86.RSI, stubNop-4))
	g.Op(x86.Add, x86.Quad, x86.RSI, x86.RAX)
	if g.wants.word(shm.ContextRSP) {
		g.Lea(x86.RAX, x86.At(x86.RSP, in+inEnd+g.red()))
		g.OpFrom(x86.Add, x86.Quad, x86.RAX, x86.At(x86.RSI, dataLower))
		g.Store(x86.Quad, g.context(shm.ContextRSP), x86.RAX)
	}
	for _, move := range [][2]int32{{dataPC, shm.ContextRIP}, {dataFunction, shm.ContextFunction}, {dataCookie, shm.ContextCookie}, {dataAtEntry, shm.ContextAtEntry}} {
		if g.wants.word(move[1]) {
			g.Load(x86.Quad, x86.RAX, x86.At(x86.RSI, move[0]))
			g.Store(x86.Quad, g.context(move[1]), x86.RAX)
		}
	}
	for _, word := range [][2]int32{{shm.ContextOrigRAX, -1}, {shm.ContextCS, userCS}, {shm.ContextSS, userSS}} {
		if g.wants.word(word[0]) {
			g.StoreImm(x86.Quad, g.context(word[0]), word[1])
		}
	}
	g.Load(x86.Quad, x86.RAX, x86.At(x86.RSI, dataProgram))
}

// kept are the registers that programs may change or want to see, and those that the gate works with.
func (g *gate) kept() []reg {
	var list []reg
	for _, r := range kept() {
		if !g.programKeeps(r.reg) || g.wants.word(r.at) {
			list = append(list, r)
		}
	}
	return list
}

// programKeeps are the registers that a function keeps, but for those that the gate works with.
func (g *gate) programKeeps(r x86.Reg) bool {
	switch r {
	case x86.R14, x86.R15, x86.RBP:
		return true
	case x86.RBX, x86.R13:
		return !g.golang
	}
	return false
}

// in is where the stack has what the entry of the gate pushed.
func (g *gate) in() int32 {
	if g.golang {
		return 0
	}
	return shm.ContextSize
}

func (g *gate) red() int32 {
	if g.golang {
		return 0
	}
	return Red
}

// Segments of 64-bit code (arch/x86/include/asm/segment.h).
const (
	userCS = 0x33
	userSS = 0x2b
)

// run calls the program, whose address is in RAX.
func (g *gate) run() {
	if g.golang {
		g.Mov(x86.Quad, x86.RSP, x86.RBX)
	}
	g.Mov(x86.Quad, x86.RDI, g.frame())
	g.CallReg(x86.RAX)
	if g.golang {
		g.Mov(x86.Quad, x86.RSP, x86.R13)
	}
	if g.wants.Decides {
		no := g.Label()
		g.Test(x86.Word, x86.RAX, x86.RAX)
		g.Jcc(x86.Equal, no)
		g.goOn(g.in())
		g.Bind(no)
	}
}

// restore gives all registers back but those that back pops, and frees the slot last: a signal handler may take it from then on.
func (g *gate) restore() {
	g.Mov(x86.Quad, x86.RCX, x86.R12)
	for _, r := range g.kept() {
		g.Load(x86.Quad, r.reg, g.context(r.at))
	}
	if !g.golang {
		g.Lea(x86.RSP, x86.At(x86.RSP, shm.ContextSize))
	}
	g.StoreImm(x86.Word, x86.At(x86.RCX, slotBusy-slotThread), 0)
}

// back restores the flags that programs change, and what the entry pushed. popf would take as long as all the rest.
func (g *gate) back() {
	if g.wants.flags() {
		g.Raw(0x8a, 0x64, 0x24, inFlags)   // mov inFlags(%rsp),%ah: all but OF
		g.Raw(0x8a, 0x44, 0x24, inFlags+1) // mov inFlags+1(%rsp),%al
		g.Raw(0x24, 0x08)                  // and $8,%al: OF
		g.Raw(0x04, 0x78)                  // add $0x78,%al: overflows when it is set
		g.Raw(0x9e)                        // sahf
		g.Lea(x86.RSP, x86.At(x86.RSP, inRAX))
	} else {
		popFlags(g.Code)
	}
	g.Pop(x86.RAX)
	g.Pop(x86.RCX)
	g.Pop(x86.RDX)
	g.Ret()
}

// count adds 1 to a word; RAX is lost.
func (g *gate) count(at uint64) {
	g.MovImm64(x86.RAX, at)
	g.LockOpImm(x86.Add, x86.Quad, x86.At(x86.RAX, 0), 1)
}
