package site

import "golang.org/x/arch/x86/x86asm"

// GivesResult reports whether code can leave something of its own in rax: an instruction writes it, or control goes to code that may. A
// compiler that sees every caller drops a result that none of them looks at, and then rax holds what was there before.
// In doubt it is true.
func GivesResult(code []byte) bool {
	insts, err := Decode(code)
	if err != nil {
		return true
	}
	for _, in := range insts {
		if in.mayGive(uint64(len(code))) {
			return true
		}
	}
	return false
}

func (in Inst) mayGive(size uint64) bool {
	switch in.Flow {
	case Call, CallIndirect, JumpIndirect:
		return true
	case Jump, CondJump:
		return in.Target < 0 || uint64(in.Target) >= size
	case Return, Stop:
		return false
	}
	if in.nop() || in.is(endbr64) {
		return false
	}
	inst, ok := in.asm()
	if !ok {
		return true
	}
	switch inst.Op {
	case x86asm.CMP, x86asm.TEST, x86asm.PUSH, x86asm.BT, x86asm.NOP, x86asm.UD2, x86asm.INT:
		return false
	case x86asm.MOV, x86asm.LEA, x86asm.ADD, x86asm.SUB, x86asm.AND, x86asm.OR, x86asm.MOVZX, x86asm.MOVSX, x86asm.MOVSXD,
		x86asm.SHL, x86asm.SHR, x86asm.SAR, x86asm.POP, x86asm.INC, x86asm.DEC, x86asm.MOVUPS, x86asm.MOVAPS:
		reg, isReg := inst.Args[0].(x86asm.Reg)
		return isReg && (wide(reg) == x86asm.RAX || reg == x86asm.AL || reg == x86asm.AX || reg == x86asm.AH)
	case x86asm.XOR:
		reg, isReg := inst.Args[0].(x86asm.Reg)
		return isReg && wide(reg) == x86asm.RAX
	}
	return true
}
