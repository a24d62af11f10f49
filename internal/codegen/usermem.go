package codegen

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// A program that may not sleep cannot read a page that is not in memory yet (a string constant that the program itself
// has not looked at, say): the read fails although the memory is there. So programs that read the observed process's memory are
// sleepable where the kernel has it (6.0), and wait for the page.

// readUser calls the helper that reads R2 bytes at user address R3 to R1; R0 is 0 or an error, and then the memory is zeros.
func (x *code) readUser() {
	x.needs.user = true
	if x.u.sleepable {
		x.call(asm.FnCopyFromUser)
	} else {
		x.call(asm.FnProbeReadUser)
	}
}

// loadUser reads a number; 0 if it cannot be read.
func (x *code) loadUser(e *plan.Load) {
	x.eval(e.Addr)
	mark := x.used
	to := x.allocStack(8)
	x.mov(asm.R3, asm.R0)
	x.addr(asm.R1, to)
	x.imm(asm.R2, int64(e.Size))
	x.readUser()
	ok := x.label()
	x.jumpImm(asm.JEq, asm.R0, 0, ok)
	x.count(plan.CountUnreadable)
	x.place(ok)
	sizes := map[int]asm.Size{1: asm.Byte, 2: asm.Half, 4: asm.Word, 8: asm.DWord}
	size, known := sizes[e.Size]
	if !known {
		x.fail("a load of %d bytes", e.Size)
		return
	}
	x.load(asm.R0, to, size)
	x.extend(asm.R0, plan.Type{Kind: plan.IntType, Size: e.Size, Signed: e.T.Signed})
	x.release(mark)
}

// padZeros is BPF_F_PAD_ZEROS of bpf_copy_from_user_str.
const padZeros = 1

// readString reads text at user address R3 up to its NUL into memory of size bytes, NUL-padded. R0 is the number of bytes
// with the NUL, or an error. A text that does not fit is cut and ended by a NUL.
func (x *code) readString(to place, size int) {
	if !x.kfuncStrings() {
		x.zero(to, (size+7)&^7)
	}
	x.readStringAt(func() { x.addr(asm.R1, to) }, size, padZeros)
	if rest := size % 8; x.kfuncStrings() && rest != 0 {
		x.padLast(to, size)
	}
}

// padLast clears what lies between size and the next multiple of 8.
func (x *code) padLast(to place, size int) {
	for i := size; i%8 != 0; i++ {
		x.storeImm(to.plus(i), 0, asm.Byte)
	}
}

func (x *code) kfuncStrings() bool { return x.u.sleepable && x.c.f.CopyFromUserStr != 0 }

// readStringAt is readString into memory whose address the function value puts in R1. It does not pad unless the flag says so
// and the kernel function for it is there.
func (x *code) readStringAt(to func(), size int, flags int64) {
	x.needs.user = true
	if x.kfuncStrings() {
		to()
		x.imm(asm.R2, int64(size))
		x.imm(asm.R4, flags)
		x.kfunc(x.c.f.CopyFromUserStr)
		x.extend(asm.R0, plan.Type{Kind: plan.IntType, Size: 4, Signed: true}) // it returns an int, helpers a long
		return
	}
	if !x.u.sleepable {
		to()
		x.imm(asm.R2, int64(size))
		x.probeReadString()
		return
	}
	x.readStringAwake(to, size)
}

// probeReadString calls the helper. Kernels before 6.14 return 0 for an empty text, where the NUL counts otherwise.
func (x *code) probeReadString() {
	x.call(asm.FnProbeReadUserStr)
	some := x.label()
	x.jumpImm(asm.JNE, asm.R0, 0, some)
	x.imm(asm.R0, 1)
	x.place(some)
}

// readStringAwake is for kernels whose programs may sleep but have no sleeping string read (6.0 to 6.11): when the read fails, it
// touches the pages that the text may lie on and tries again.
func (x *code) readStringAwake(to func(), size int) {
	mark := x.used
	defer x.release(mark)
	keep, touched := x.allocStack(8), x.allocStack(8)
	read := func() {
		to()
		x.imm(asm.R2, int64(size))
		x.load(asm.R3, keep, asm.DWord)
		x.probeReadString()
	}
	touch := func() {
		x.addr(asm.R1, touched)
		x.imm(asm.R2, 1)
		x.call(asm.FnCopyFromUser)
	}
	done := x.label()
	x.store(keep, asm.R3, asm.DWord)
	read()
	x.jumpImm(asm.JSGE, asm.R0, 0, done)
	x.load(asm.R3, keep, asm.DWord)
	touch()
	x.load(asm.R3, keep, asm.DWord)
	x.opImm(asm.Or, asm.R3, 4095)
	x.opImm(asm.Add, asm.R3, 1)
	touch()
	read()
	x.place(done)
}

// stack flags and sizes of bpf_get_stack.
const userStack = 1 << 8 // BPF_F_USER_STACK

// stackInto reads the user stack into memory whose address the function puts in a register; R0 is the number of bytes, or an error.
func (x *code) stackInto(to func(asm.Register), size int) {
	to(asm.R2)
	x.mov(asm.R1, regCtx)
	x.imm(asm.R3, int64(size))
	x.imm(asm.R4, userStack)
	x.call(asm.FnGetStack)
	if x.c.f.Moved && x.u.part != TrampolinePart { // there it begins with the return address
		x.originalFirst(to)
	}
}

// originalFirst puts the site's address at the start of a stack of R0 bytes.
func (x *code) originalFirst(to func(asm.Register)) {
	mark := x.used
	defer x.release(mark)
	size, first := x.allocStack(8), x.allocStack(8)
	none := x.label()
	x.store(size, asm.R0, asm.DWord)
	x.jumpImm(asm.JSLE, asm.R0, 0, none)
	x.siteAddress()
	x.store(first, asm.R0, asm.DWord)
	to(asm.R2)
	x.load(asm.R0, first, asm.DWord)
	x.store(place{asm.R2, 0}, asm.R0, asm.DWord)
	x.place(none)
	x.load(asm.R0, size, asm.DWord)
}

// stackID leaves the ID of the user stack in R0, 0 if there is none, and sees to it that the stacks map has it. An ID is a hash of
// the PCs: equal stacks have one ID. The kernel's own map for stacks loses those that collide, and sleepable programs
// cannot use it.
func (x *code) stackID(e *plan.UserStack) {
	if x.u.part == RunPart {
		x.imm(asm.R0, 0)
		return
	}
	mark := x.used
	defer x.release(mark)
	frames := min(max(e.Frames, 1), x.c.stackFrames())
	pcs := x.allocScratch(8 + 8*x.c.stackFrames())
	id := x.allocStack(8)
	none, end := x.label(), x.label()
	start := pcs
	if e.Caller {
		start = pcs.plus(8)
	}
	x.stackInto(func(dst asm.Register) { x.addr(dst, start) }, 8*frames)
	x.jumpImm(asm.JSLE, asm.R0, 0, none)
	if e.Caller {
		x.addCaller(pcs, frames)
	}
	x.zero(pcs.plus(8*frames), 8+8*(x.c.stackFrames()-frames))
	x.hashWords(pcs, frames)
	x.opImm(asm.Or, asm.R0, 1)
	x.store(id, asm.R0, asm.DWord)
	x.lookup(StacksMap, id)
	known, lost := x.label(), x.label()
	x.jumpImm(asm.JNE, asm.R0, 0, known)
	x.update(StacksMap, id, updateNoExist, func() { x.addr(asm.R3, pcs) })
	x.jumpImm(asm.JEq, asm.R0, 0, known)
	x.unlessExists(lost)
	x.jump(known)
	x.place(lost)
	x.count(plan.CountLostMap)
	x.place(known)
	x.load(asm.R0, id, asm.DWord)
	x.jump(end)
	x.place(none)
	x.count(plan.CountUnreadable)
	x.imm(asm.R0, 0)
	x.place(end)
}

// addCaller puts the return address behind the first PC of a stack of R0 bytes that begins at the second word of pcs, or moves the stack
// to where pcs begins if it has the address or there is none. R0 is the number of bytes then.
func (x *code) addCaller(pcs place, frames int) {
	mark := x.used
	defer x.release(mark)
	size := x.allocStack(8)
	has, end := x.label(), x.label()
	x.store(size, asm.R0, asm.DWord)
	x.eval(&plan.Load{Addr: &plan.Value{B: plan.SP, T: plan.Type{Kind: plan.IntType, Size: 8}}, Size: 8, T: plan.Type{Kind: plan.IntType, Size: 8}})
	x.jumpImm(asm.JEq, asm.R0, 0, has)
	x.load(asm.R1, pcs.plus(16), asm.DWord)
	x.jumpReg(asm.JEq, asm.R0, asm.R1, has)
	x.load(asm.R1, pcs.plus(8), asm.DWord)
	x.store(pcs, asm.R1, asm.DWord)
	x.store(pcs.plus(8), asm.R0, asm.DWord)
	x.load(asm.R0, size, asm.DWord)
	x.opImm(asm.Add, asm.R0, 8)
	x.jump(end)
	x.place(has)
	x.addr(asm.R1, pcs)
	x.imm(asm.R2, int64(8*frames))
	x.addr(asm.R3, pcs.plus(8))
	x.call(asm.FnProbeReadKernel) // forwards, so that the places may overlap
	x.load(asm.R0, size, asm.DWord)
	x.place(end)
}

// hashWords mixes the words of R0 bytes of memory, at most n words, into R0.
func (x *code) hashWords(from place, n int) {
	const odd = -0x61c8864680b583eb // 2^64 divided by the golden ratio
	next, done := x.label(), x.label()
	x.mov(asm.R3, asm.R0)
	x.imm(asm.R0, 0)
	x.imm(asm.R1, 0)
	x.imm(asm.R4, odd)
	x.place(next)
	x.jumpReg(asm.JGE, asm.R1, asm.R3, done)
	x.jumpImm(asm.JGE, asm.R1, int64(8*n), done)
	x.addr(asm.R2, from)
	x.op(asm.Add, asm.R2, asm.R1)
	x.load(asm.R2, place{asm.R2, 0}, asm.DWord)
	x.op(asm.Xor, asm.R0, asm.R2)
	x.op(asm.Mul, asm.R0, asm.R4)
	x.mov(asm.R2, asm.R0)
	x.opImm(asm.RSh, asm.R2, 32)
	x.op(asm.Xor, asm.R0, asm.R2)
	x.opImm(asm.Add, asm.R1, 8)
	x.jump(next)
	x.place(done)
}

// entryStack and ownership of calls need the stack pointer of Go code relative to its stack's top, because Go moves
// stacks: g.stack is {lo, hi}, the first field of runtime.g.
const stackHi = 8

// stackPosition leaves what identifies the frame of a call within its owner in R0.
func (x *code) stackPosition() {
	x.ifGo(func() {
		x.readG(stackHi)
		x.entrySP(asm.R1)
		x.op(asm.Sub, asm.R0, asm.R1)
	}, func() { x.entrySP(asm.R0) })
}

// owner leaves who makes the call in R0: the goroutine, or the thread. The highest bit tells which.
func (x *code) owner() {
	x.ifGo(func() {
		x.register(asm.R0, ctype.R14)
		x.opImm(asm.Or, asm.R0, -1<<63)
	}, func() { x.load(asm.R0, x.identity(), asm.DWord) })
}
