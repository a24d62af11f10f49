package site

import (
	"golang.org/x/arch/x86/x86asm"
)

// Arguments is what the code of a function of C or C++ says of the registers that pass numbers and pointers. Bit i stands for the i-th of
// them: rdi, rsi, rdx, rcx, r8, r9. In doubt a bit is 0.
type Arguments struct {
	Read    uint8 // what the caller left there is looked at
	Address uint8 // as the address of something
	Wide    uint8 // as eight bytes
	Narrow  uint8 // as four bytes or less
	Passed  uint8 // other code is entered while it is there, and may look at it
	// Repeats: at a return rax may hold what rdi did at the entry, as it does where a result goes to memory. In doubt it is true.
	Repeats bool
}

// maxFollowed bounds the code that is followed: nothing is said of larger functions.
const maxFollowed = 64 << 10

// ReadArguments follows the registers from a function's entry to where they are overwritten.
func ReadArguments(code []byte) Arguments {
	if len(code) > maxFollowed {
		return Arguments{Repeats: true}
	}
	insts, err := Decode(code)
	if err != nil {
		return Arguments{Repeats: true}
	}
	x := arguments{insts: insts, at: map[int64]int{}, held: make([]uint8, len(insts))}
	for i, in := range insts {
		x.at[int64(in.Offset)] = i
	}
	x.follow()
	x.found.Repeats = x.repeats(int64(len(code)))
	return x.found
}

type arguments struct {
	insts []Inst
	at    map[int64]int // instruction by offset
	// held has a bit for each register that holds its argument on every way to the instruction; seen marks those that were reached.
	held  []uint8
	found Arguments
}

const (
	allArguments = 1<<6 - 1
	reached      = 1 << 7
)

// follow intersects what is held over all ways to an instruction, until nothing changes; then it looks.
func (x *arguments) follow() {
	if len(x.insts) == 0 {
		return
	}
	x.held[0] = allArguments | reached
	for work := []int{0}; len(work) > 0; {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		after := x.held[i] &^ effectOf(x.insts[i]).written
		for _, next := range x.next(i) {
			joined := after
			if x.held[next]&reached != 0 {
				joined &= x.held[next]
			}
			if joined |= reached; joined != x.held[next] {
				x.held[next] = joined
				work = append(work, next)
			}
		}
	}
	used := uint8(0)
	for i, in := range x.insts {
		e := effectOf(in)
		if !in.spills() {
			used |= e.read & x.held[i]
		}
		x.found.Read |= e.read & x.held[i] & allArguments
		x.found.Address |= e.address & x.held[i] & allArguments
		x.found.Wide |= e.wide & x.held[i] & allArguments
		x.found.Narrow |= e.narrow & x.held[i] & allArguments
		if in.Flow == Call || in.Flow == CallIndirect || in.Flow != Next && in.Flow != Return && len(x.next(i)) == 0 {
			x.found.Passed |= x.held[i] & allArguments
		}
	}
	if used == 0 && x.found.Read != 0 {
		x.found.Passed = 0 // code that was not optimised keeps all its arguments in the frame
	}
}

// spills reports a store to the frame.
func (in Inst) spills() bool {
	inst, ok := in.asm()
	if !ok || inst.Op != x86asm.MOV {
		return false
	}
	mem, ok := inst.Args[0].(x86asm.Mem)
	return ok && (mem.Base == x86asm.RBP || mem.Base == x86asm.RSP)
}

// next lists where control goes within the function. Behind an indirect jump nothing is known: what it leads to is not reached.
func (x *arguments) next(i int) []int {
	in := x.insts[i]
	var out []int
	if in.Flow == Jump || in.Flow == CondJump {
		if to, ok := x.at[in.Target]; ok {
			out = append(out, to)
		}
	}
	if (in.Flow == Next || in.Flow == CondJump || in.Flow == Call || in.Flow == CallIndirect) && i+1 < len(x.insts) {
		out = append(out, i+1)
	}
	return out
}

// effect is what an instruction does with the registers, a bit each as in Arguments.
type effect struct{ read, address, wide, narrow, written uint8 }

func effectOf(in Inst) effect {
	switch in.Flow {
	case Call:
		return effect{written: allArguments}
	case Next, CallIndirect, JumpIndirect:
	default:
		return effect{}
	}
	if in.nop() || in.is(endbr64) {
		return effect{}
	}
	inst, ok := in.asm()
	if !ok {
		return effect{written: allArguments} // nothing is known from here on
	}
	e := operands(inst)
	switch {
	case in.Flow == CallIndirect:
		e.written = allArguments
	case inst.Op == x86asm.XOR || inst.Op == x86asm.SUB || inst.Op == x86asm.PXOR || inst.Op == x86asm.SBB:
		if inst.Args[0] == inst.Args[1] {
			e = effect{written: e.written} // makes a zero
		}
	case inst.Op == x86asm.PUSH || inst.Op == x86asm.NOP:
		e = effect{}
	case !known(inst.Op):
		e.written = allArguments
	}
	return e
}

// operands reads the operands: the first is written, and in instructions that change it read as well.
func operands(inst x86asm.Inst) effect {
	var e effect
	for i, arg := range inst.Args {
		switch a := arg.(type) {
		case x86asm.Mem:
			base := argumentBit(a.Base)
			e.read |= base | argumentBit(a.Index)
			if inst.Op != x86asm.LEA {
				e.address |= base
			}
		case x86asm.Reg:
			bit := argumentBit(a)
			if bit == 0 {
				continue
			}
			if i == 0 && changes(inst.Op) {
				e.written |= bit
			}
			if i > 0 || known(inst.Op) && !overwrites(inst.Op) {
				e.read |= bit
				if moves(inst.Op) && a >= x86asm.RAX && a <= x86asm.R15 {
					e.wide |= bit
				} else if moves(inst.Op) {
					e.narrow |= bit
				}
			}
		}
	}
	return e
}

// argumentBit is the bit of a register of any width, 0 for those that pass no arguments.
func argumentBit(r x86asm.Reg) uint8 {
	switch r {
	case x86asm.RDI, x86asm.EDI, x86asm.DI, x86asm.DIB:
		return 1
	case x86asm.RSI, x86asm.ESI, x86asm.SI, x86asm.SIB:
		return 2
	case x86asm.RDX, x86asm.EDX, x86asm.DX, x86asm.DL:
		return 4
	case x86asm.RCX, x86asm.ECX, x86asm.CX, x86asm.CL:
		return 8
	case x86asm.R8, x86asm.R8L, x86asm.R8W, x86asm.R8B:
		return 16
	case x86asm.R9, x86asm.R9L, x86asm.R9W, x86asm.R9B:
		return 32
	}
	return 0
}

// moves copy a register as it is.
func moves(op x86asm.Op) bool {
	return op == x86asm.MOV || op == x86asm.MOVSXD || op == x86asm.MOVZX || op == x86asm.MOVSX
}

// overwrites: the first operand is written and not looked at.
func overwrites(op x86asm.Op) bool {
	switch op {
	case x86asm.MOV, x86asm.LEA, x86asm.MOVZX, x86asm.MOVSX, x86asm.MOVSXD, x86asm.POP, x86asm.SETE, x86asm.SETNE, x86asm.MOVD, x86asm.MOVQ, x86asm.CVTTSD2SI, x86asm.CVTTSS2SI,
		x86asm.CVTSI2SD, x86asm.CVTSI2SS, x86asm.MOVAPS, x86asm.MOVUPS, x86asm.MOVAPD, x86asm.MOVUPD, x86asm.MOVDQA, x86asm.MOVDQU, x86asm.MOVSS, x86asm.MOVHPS, x86asm.MOVLPS:
		return true
	}
	return false
}

// changes: the first operand is written.
func changes(op x86asm.Op) bool { return op != x86asm.CMP && op != x86asm.TEST && op != x86asm.BT }

// known are the instructions whose operands are all that they touch.
func known(op x86asm.Op) bool {
	switch op {
	case x86asm.ADD, x86asm.ADC, x86asm.SUB, x86asm.SBB, x86asm.AND, x86asm.OR, x86asm.XOR, x86asm.CMP, x86asm.TEST, x86asm.BT, x86asm.INC, x86asm.DEC, x86asm.NEG, x86asm.NOT,
		x86asm.SHL, x86asm.SHR, x86asm.SAR, x86asm.ROL, x86asm.ROR, x86asm.JMP, x86asm.CALL, x86asm.PXOR, x86asm.XORPS, x86asm.MOVSD_XMM, x86asm.ADDSD, x86asm.ADDSS, x86asm.MULSD, x86asm.MULSS, x86asm.SUBSD, x86asm.SUBSS,
		x86asm.UCOMISD, x86asm.UCOMISS, x86asm.COMISD, x86asm.COMISS, x86asm.PUNPCKLQDQ, x86asm.CVTSS2SD, x86asm.CVTSD2SS, x86asm.CMOVE, x86asm.CMOVNE, x86asm.CMOVS, x86asm.CMOVNS,
		x86asm.CMOVA, x86asm.CMOVAE, x86asm.CMOVB, x86asm.CMOVBE, x86asm.CMOVG, x86asm.CMOVGE, x86asm.CMOVL, x86asm.CMOVLE:
		return true
	}
	return overwrites(op)
}
