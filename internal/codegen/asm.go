package codegen

import (
	"math"

	"github.com/cilium/ebpf/asm"
)

// Registers keep one meaning in all programs. R0 to R5 are lost by every call.
const (
	regCtx     = asm.R6 // what the kernel hands in: registers of the hit
	regStats   = asm.R7 // this CPU's counters
	regScratch = asm.R8 // memory of this thread
	regFrame   = asm.R9 // the open call
)

// label is a place in the code, known before or after it is placed.
type label int

// emitter appends instructions and resolves jumps. After an unconditional jump it drops everything up to the next label
// that is in use: the verifier refuses unreachable code.
type emitter struct {
	ins    asm.Instructions
	at     int   // raw instructions so far: a 64-bit load takes two
	places []int // by label: raw position, -1 not placed
	wanted []bool
	jumps  []jump
	dead   bool
}

// jump is an instruction whose offset waits for its label.
type jump struct {
	index int // in ins
	next  int // raw position after it
	to    label
}

func (e *emitter) label() label {
	e.places = append(e.places, -1)
	e.wanted = append(e.wanted, false)
	return label(len(e.places) - 1)
}

// place puts l here.
func (e *emitter) place(l label) {
	if e.wanted[l] {
		e.dead = false
	}
	e.places[l] = e.at
}

func (e *emitter) emit(ins asm.Instruction) {
	if e.dead {
		return
	}
	e.ins = append(e.ins, ins)
	e.at += int(ins.Width())
}

func (e *emitter) emitJump(ins asm.Instruction, to label) {
	if e.dead {
		return
	}
	e.wanted[to] = true
	e.emit(ins)
	e.jumps = append(e.jumps, jump{len(e.ins) - 1, e.at, to})
}

// finish fills in the offsets of jumps.
func (e *emitter) finish() error {
	for _, j := range e.jumps {
		offset := e.places[j.to] - j.next
		if e.places[j.to] < 0 || offset != int(int16(offset)) {
			return tooLarge("do less in one probe", "a program with a jump over %d instructions", offset)
		}
		e.ins[j.index].Offset = int16(offset)
	}
	e.jumps = nil
	return nil
}

// append adds finished code.
func (e *emitter) append(other *emitter) {
	if e.dead {
		return
	}
	e.ins = append(e.ins, other.ins...)
	e.at += other.at
	e.dead = other.dead
}

func (e *emitter) jump(to label) {
	e.emitJump(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja)}, to)
	e.dead = true
}

// jumpImm jumps if dst op value; value must fit.
func (e *emitter) jumpImm(op asm.JumpOp, dst asm.Register, value int64, to label) {
	e.emitJump(asm.Instruction{OpCode: op.Op(asm.ImmSource), Dst: dst, Constant: value}, to)
}

func (e *emitter) jumpReg(op asm.JumpOp, dst, src asm.Register, to label) {
	e.emitJump(asm.Instruction{OpCode: op.Op(asm.RegSource), Dst: dst, Src: src}, to)
}

// mayGoto leaves a loop when the kernel's budget for it is used up; verifying it once is enough then.
func (e *emitter) mayGoto(to label) {
	e.emitJump(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.JCOND), Src: asm.PseudoMayGoto}, to)
}

func (e *emitter) exit() {
	e.imm(asm.R0, 0)
	e.emit(asm.Return())
	e.dead = true
}

// fits reports whether v can be an immediate operand, which the machine extends by its sign.
func fits(v int64) bool { return v >= math.MinInt32 && v <= math.MaxInt32 }

func (e *emitter) imm(dst asm.Register, v int64) {
	if fits(v) {
		e.emit(asm.Mov.Imm(dst, int32(v)))
		return
	}
	e.emit(asm.LoadImm(dst, v, asm.DWord))
}

func (e *emitter) mov(dst, src asm.Register) {
	if dst != src {
		e.emit(asm.Mov.Reg(dst, src))
	}
}

func (e *emitter) op(op asm.ALUOp, dst, src asm.Register) { e.emit(op.Reg(dst, src)) }

// opImm uses R5 when v is no immediate.
func (e *emitter) opImm(op asm.ALUOp, dst asm.Register, v int64) {
	switch {
	case v == 0 && (op == asm.Add || op == asm.Sub):
	case fits(v):
		e.emit(op.Imm(dst, int32(v)))
	default:
		e.imm(asm.R5, v)
		e.op(op, dst, asm.R5)
	}
}

func (e *emitter) neg(dst asm.Register) { e.emit(asm.Neg.Imm(dst, 0)) }

func (e *emitter) load(dst asm.Register, from place, size asm.Size) {
	e.emit(asm.LoadMem(dst, from.base, int16(from.off), size))
}

func (e *emitter) store(to place, src asm.Register, size asm.Size) {
	e.emit(asm.StoreMem(to.base, int16(to.off), src, size))
}

// storeImm stores a constant, extended by its sign.
func (e *emitter) storeImm(to place, v int64, size asm.Size) {
	if size == asm.DWord && !fits(v) {
		e.imm(asm.R5, v)
		e.store(to, asm.R5, size)
		return
	}
	e.emit(asm.Instruction{OpCode: asm.StoreImmOp(size), Dst: to.base, Offset: int16(to.off), Constant: v})
}

// addr makes a pointer.
func (e *emitter) addr(dst asm.Register, p place) {
	e.mov(dst, p.base)
	e.opImm(asm.Add, dst, int64(p.off))
}

// atomicAdd adds src to a u64.
func (e *emitter) atomicAdd(to place, src asm.Register) { e.atomic(asm.AddAtomic, to, src) }

// compareExchange stores src if R0 is there, and leaves what was there in R0.
func (e *emitter) compareExchange(to place, src asm.Register) { e.atomic(asm.CmpXchg, to, src) }

// atomic sets the operation in the immediate operand too: cilium/ebpf 0.22 encodes only that.
func (e *emitter) atomic(op asm.AtomicOp, to place, src asm.Register) {
	ins := op.Mem(to.base, src, asm.DWord, int16(to.off))
	ins.Constant = int64(op >> 8)
	e.emit(ins)
}

func (e *emitter) call(fn asm.BuiltinFunc) { e.emit(fn.Call()) }

// kfunc calls a kernel function by its BTF ID in vmlinux.
func (e *emitter) kfunc(id int32) {
	e.emit(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: int64(id)})
}

// mapPtr loads the map itself, for helpers; mapValue the address of the value of a map that has one.
func (e *emitter) mapPtr(dst asm.Register, name string) { e.mapRef(dst, name, asm.PseudoMapFD) }

func (e *emitter) mapValue(dst asm.Register, name string) { e.mapRef(dst, name, asm.PseudoMapValue) }

func (e *emitter) mapRef(dst asm.Register, name string, how asm.Register) {
	e.emit(asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: dst, Src: how}.WithReference(name))
}

// place is memory at a fixed distance from a register.
type place struct {
	base asm.Register
	off  int
}

func (p place) plus(n int) place { return place{p.base, p.off + n} }

// zero clears n bytes, a multiple of 8.
func (e *emitter) zero(p place, n int) {
	for i := 0; i < n; i += 8 {
		e.storeImm(p.plus(i), 0, asm.DWord)
	}
}

// copy moves n bytes, a multiple of 8, through R5.
func (e *emitter) copy(to, from place, n int) {
	for i := 0; i < n; i += 8 {
		e.load(asm.R5, from.plus(i), asm.DWord)
		e.store(to.plus(i), asm.R5, asm.DWord)
	}
}
