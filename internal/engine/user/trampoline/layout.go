// Package trampoline writes the code that a patched function jumps to.
//
// In: where a site is, which program it runs with which cookie, and its instructions as they run elsewhere. Out: machine code for an
// address. Invariant: a thread comes back with every register, flag and byte of its stack as it was, whatever the program did; no
// vector register is touched; nothing waits. It must not know what programs do.
//
// A window is a stretch of a function's instructions that a jump replaces; it has one site or more. Its code calls the gate of its
// kind at each of them, and the gate runs the program:
//
//	function        window's code                    gate (one a program and kind of stack)
//	jmp ----------> instructions before the site
//	                lea -128(%rsp),%rsp  (red zone)
//	                call gate ---------------------> keep registers and flags
//	                nop (where its data are)         find the thread's slot; busy: count as nested, back
//	                lea 128(%rsp),%rsp               build the context, run the program
//	                the other instructions <-------- restore, ret
//	back <--------- jmp back
//	                data: program, PC, cookie
//
// Where the program only counts, the window's code does that itself and calls the gate when it cannot (count.go).
//
// The gate of C code stays on the thread's stack, as a call would: signal handlers, and collectors that scan stacks, find there
// what they expect. Go code has little stack to spare, and its signal handlers never run on it: its gate changes to the slot's.
package trampoline

import (
	"encoding/binary"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// kept are the registers that the gate stores one by one; RAX, RCX and RDX it needs itself. RBX is the last to come back.
func kept() []reg {
	return []reg{
		{x86.R15, shm.ContextR15}, {x86.R14, shm.ContextR14}, {x86.R13, shm.ContextR13}, {x86.R12, shm.ContextR12}, {x86.RBP, shm.ContextRBP}, {x86.R11, shm.ContextR11}, {x86.R10, shm.ContextR10},
		{x86.R9, shm.ContextR9}, {x86.R8, shm.ContextR8}, {x86.RSI, shm.ContextRSI}, {x86.RDI, shm.ContextRDI}, {x86.RBX, shm.ContextRBX},
	}
}

// reg is a register and where the context has it.
type reg struct {
	reg x86.Reg
	at  int32
}

// Memory of the process. The first page no child inherits: the kernel gives it zeros instead (MADV_WIPEONFORK). The rest it inherits, as a program may have
// to run to its end there: a signal handler that interrupts one may fork.
//
//	+0     u32 thread group, 0 in a child that has not been here yet
//	+8     u64 0: no thread's key
//	+16    u64 generation << 48: slots whose key has another one are a parent's; 0 in a child that has not been here yet
//	+2048  hints: by a part of the stack pointer, u32 how far behind +8 the slot of the thread is that ran there; 0 none yet
//	+4096  u64 how many generations children were given, << 48
//	+8192  slots, one a thread, found by the FS base
//
// A slot:
//
//	+0     u64 generation << 48 + FS base + 1, or unthreaded + 1 where that is 0; 0 free
//	+8     u32 busy
//	+64    what programs keep of the thread (shm.SlotIDs and what follows)
//	       Go only: the context at the end, and below it the stack
const (
	PrivateSlots = 8192

	privateTGID       = 0
	privateNone       = 8
	privateGeneration = 16
	privateHints      = 2048
	privateGiven      = 4096
	hints             = 512
	generation        = 1 << 48 // the first one

	slotKey    = 0
	slotBusy   = 8
	slotThread = 64
)

// Head is how the memory of a process begins; what comes behind it is zero.
func Head(pid int) []byte {
	head := make([]byte, privateGeneration+8)
	binary.NativeEndian.PutUint32(head[privateTGID:], uint32(pid))
	binary.NativeEndian.PutUint64(head[privateGeneration:], generation)
	return head
}

// stackSize is what programs may use of a stack.
const stackSize = 4096

// probes is how many slots a thread looks at before it gives up.
const probes = 16

// Slots is the table of threads.
type Slots struct {
	shift  int // log2 of a slot's size
	bits   int // log2 of their number
	thread int // bytes that programs keep of a thread
}

// SlotsFor gives a table for threads of which programs keep so many bytes.
func SlotsFor(thread int) Slots {
	need := slotThread + thread + stackSize + shm.ContextSize
	s := Slots{shift: 13, bits: 12, thread: (thread + 7) &^ 7}
	for 1<<s.shift < need {
		s.shift++
	}
	for s.shift+s.bits > 27 && s.bits > 9 {
		s.bits--
	}
	return s
}

// Size is how many bytes the private memory takes. Most of it is never touched.
func (s Slots) Size() int { return PrivateSlots + (1<<s.bits+probes)<<s.shift }

// goContext is where a slot has the context of Go code: below it grows the stack.
func (s Slots) goContext() int32 { return 1<<s.shift - shm.ContextSize }
