package site

import "golang.org/x/arch/x86/x86asm"

// Value says what a register will hold by what registers hold now.
type Value struct {
	Kind  ValueKind
	Reg   uint8 // by the number that instructions have for it
	Fixed int64
}

// ValueKind is how much of a register a Value is.
type ValueKind uint8

const (
	Unknown ValueKind = iota
	Whole             // the register
	Half              // its lower four bytes, the rest is 0
	Byte              // its lowest byte, the rest is 0
	Fixed             // a number
)

const (
	regAX      = 0
	regSP      = 4
	regBP      = 5
	noRegister = 0xff
)

func (v Value) register() string {
	reg := map[ValueKind]x86asm.Reg{Whole: x86asm.RAX, Half: x86asm.EAX, Byte: x86asm.AL}[v.Kind] + x86asm.Reg(v.Reg)
	if v.Kind == Byte && v.Reg >= 4 {
		reg += x86asm.SPB - x86asm.AH // AH to BH have the numbers between
	}
	text := x86asm.GNUSyntax(x86asm.Inst{Op: x86asm.PUSH, Args: x86asm.Args{reg}}, 0, nil)
	return text[len("push "):]
}

// cut gives the lower part of a value.
func (v Value) cut(kind ValueKind) Value {
	switch {
	case v.Kind == Unknown || v.Kind == Byte:
	case v.Kind == Fixed && kind == Half:
		v.Fixed &= 1<<32 - 1
	case v.Kind == Fixed:
		v.Fixed &= 1<<8 - 1
	default:
		v.Kind = max(v.Kind, kind)
	}
	return v
}

// tail follows a straight line of instructions: what registers hold behind it, by what they held before.
type tail struct {
	regs   [16]Value
	sp, bp anchor
}

// anchor is a stack address by the %rsp or the %rbp before the line.
type anchor struct {
	at           int64
	byRBP, known bool
}

func (a anchor) plus(n int64) anchor {
	a.at += n
	return a
}

func newTail() *tail {
	t := &tail{sp: anchor{known: true}, bp: anchor{known: true, byRBP: true}}
	for r := range t.regs {
		t.regs[r] = Value{Kind: Whole, Reg: uint8(r)}
	}
	return t
}

// step follows an instruction that goes on to the next, cannot fault, and changes nothing but registers; false: it is another one.
func (t *tail) step(in Inst) bool {
	if in.nop() || in.enc.vector && in.enc.opmap == map0F && in.enc.op == 0x77 { // vzeroupper
		return true
	}
	inst, ok := in.asm()
	if !ok || in.Flow != Next || in.enc.vector || in.enc.data16 && !vector(inst.Args[0]) {
		return false
	}
	switch inst.Op {
	case x86asm.LEAVE:
		t.sp = t.bp.plus(8)
		t.set(regBP, Value{})
		return true
	case x86asm.CMP, x86asm.TEST:
		return still(inst)
	}
	if vector(inst.Args[0]) {
		return movesVector(inst.Op) && still(inst)
	}
	reg, size := general(inst.Args[0])
	switch {
	case reg == noRegister || !still(inst):
		return false
	case reg == regSP:
		return size == 8 && t.moveStack(inst)
	case inst.Op == x86asm.POP:
		t.sp = t.sp.plus(8)
		t.set(reg, Value{})
		return size == 8
	case !computes(inst.Op):
		return false
	}
	t.set(reg, t.result(inst, size))
	return true
}

func (t *tail) set(reg uint8, v Value) {
	t.regs[reg] = v
	if reg == regBP {
		t.bp = anchor{}
	}
}

// forget follows an instruction of which no more is known than which register it writes.
func (t *tail) forget(in Inst) {
	if inst, ok := in.asm(); ok {
		if reg, _ := general(inst.Args[0]); reg != noRegister {
			t.set(reg, Value{})
		}
	}
}

// call follows a call that comes back.
func (t *tail) call() {
	for r := range t.regs {
		if scratch>>r&1 == 1 {
			t.regs[r] = Value{}
		}
	}
}

// moveStack follows add, sub, lea and mov to %rsp.
func (t *tail) moveStack(inst x86asm.Inst) bool {
	switch source := inst.Args[1].(type) {
	case x86asm.Imm:
		switch inst.Op {
		case x86asm.ADD:
			t.sp = t.sp.plus(int64(source))
			return true
		case x86asm.SUB:
			t.sp = t.sp.plus(-int64(source))
			return true
		}
	case x86asm.Reg:
		if inst.Op == x86asm.MOV && source == x86asm.RBP {
			t.sp = t.bp
			return true
		}
	case x86asm.Mem:
		if inst.Op == x86asm.LEA && source.Index == 0 && (source.Base == x86asm.RSP || source.Base == x86asm.RBP) {
			if source.Base == x86asm.RBP {
				t.sp = t.bp
			}
			t.sp = t.sp.plus(source.Disp)
			return true
		}
	}
	return false
}

// result is what an instruction leaves in its destination of so many bytes.
func (t *tail) result(inst x86asm.Inst, size int) Value {
	from, width := general(inst.Args[1])
	imm, isImm := inst.Args[1].(x86asm.Imm)
	switch {
	case size < 4:
	case (inst.Op == x86asm.XOR || inst.Op == x86asm.SUB) && inst.Args[0] == inst.Args[1]:
		return Value{Kind: Fixed}
	case inst.Op == x86asm.MOV && isImm && size == 8:
		return Value{Kind: Fixed, Fixed: int64(imm)}
	case inst.Op == x86asm.MOV && isImm:
		return Value{Kind: Fixed, Fixed: int64(uint32(imm))}
	case from == noRegister || from == regSP:
	case inst.Op == x86asm.MOV && width == 8:
		return t.regs[from]
	case inst.Op == x86asm.MOV:
		return t.regs[from].cut(Half)
	case inst.Op == x86asm.MOVZX && width == 1:
		return t.regs[from].cut(Byte)
	}
	return Value{}
}

// general gives number and size of a general register; AH to BH are none.
func general(arg x86asm.Arg) (reg uint8, size int) {
	r, ok := arg.(x86asm.Reg)
	switch {
	case !ok:
	case r >= x86asm.RAX && r <= x86asm.R15:
		return uint8(r - x86asm.RAX), 8
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return uint8(r - x86asm.EAX), 4
	case r >= x86asm.AX && r <= x86asm.R15W:
		return uint8(r - x86asm.AX), 2
	case r >= x86asm.AL && r <= x86asm.BL:
		return uint8(r - x86asm.AL), 1
	case r >= x86asm.SPB && r <= x86asm.R15B:
		return uint8(r-x86asm.SPB) + 4, 1
	}
	return noRegister, 0
}

func vector(arg x86asm.Arg) bool {
	r, ok := arg.(x86asm.Reg)
	return ok && r >= x86asm.X0 && r <= x86asm.X15
}

// still reports whether an instruction writes no memory and reads none but the function's frame and what quiet allows.
func still(inst x86asm.Inst) bool {
	for i, arg := range inst.Args {
		mem, ok := arg.(x86asm.Mem)
		if !ok || inst.Op == x86asm.LEA {
			continue
		}
		frame := (mem.Base == x86asm.RSP || mem.Base == x86asm.RBP) && mem.Index == 0 && mem.Segment == 0
		if i == 0 && inst.Op != x86asm.CMP && inst.Op != x86asm.TEST || !frame && !quiet(arg) {
			return false
		}
	}
	return true
}

// computes: the first operand is all that the instruction writes, but for flags.
func computes(op x86asm.Op) bool {
	switch op {
	case x86asm.MOV, x86asm.MOVZX, x86asm.MOVSX, x86asm.MOVSXD, x86asm.LEA, x86asm.ADD, x86asm.SUB, x86asm.AND, x86asm.OR, x86asm.XOR,
		x86asm.NEG, x86asm.NOT, x86asm.SHL, x86asm.SHR, x86asm.SAR, x86asm.SBB, x86asm.INC, x86asm.DEC,
		x86asm.SETA, x86asm.SETAE, x86asm.SETB, x86asm.SETBE, x86asm.SETE, x86asm.SETG, x86asm.SETGE, x86asm.SETL, x86asm.SETLE, x86asm.SETNE, x86asm.SETNS, x86asm.SETS,
		x86asm.CMOVA, x86asm.CMOVAE, x86asm.CMOVB, x86asm.CMOVBE, x86asm.CMOVE, x86asm.CMOVG, x86asm.CMOVGE, x86asm.CMOVL, x86asm.CMOVLE, x86asm.CMOVNE, x86asm.CMOVNS, x86asm.CMOVS:
		return true
	}
	return false
}

func movesVector(op x86asm.Op) bool {
	switch op {
	case x86asm.MOVAPS, x86asm.MOVUPS, x86asm.MOVAPD, x86asm.MOVUPD, x86asm.MOVDQA, x86asm.MOVDQU, x86asm.MOVSD_XMM, x86asm.MOVSS, x86asm.MOVQ, x86asm.MOVD, x86asm.PXOR, x86asm.XORPS:
		return true
	}
	return false
}
