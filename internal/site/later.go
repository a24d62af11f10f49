package site

import "golang.org/x/arch/x86/x86asm"

// Registers has a bit for each general register, by the numbers that instructions have for them: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15.
type Registers uint16

// scratch are the registers that a function may overwrite, rax, rcx, rdx, rsi, rdi and r8 to r11. Nothing but what a probe reads of them makes a
// difference to it.
const scratch Registers = 1<<0 | 1<<1 | 1<<2 | 1<<6 | 1<<7 | 0xf00

// LaterEntry looks for an entry site that the kernel emulates where ChooseEntry found only one that it single-steps, for who reads none but
// the given registers there: instructions that overwrite others are no hindrance. cold are the parts of the function that lie elsewhere, which
// may jump back. False: there is none. It is not for Go.
func LaterEntry(code []byte, cold []Part, reads Registers) (Choice, bool) {
	first, err := decodeOne(code, 0)
	if err != nil {
		return Choice{}, false
	}
	passes := func(in Inst) bool { return harmless(in) || in.overwrites(scratch&^reads) }
	if first.refusal() != "" || first.Cost() < Stepped || !passes(first) {
		return Choice{}, false
	}
	back, ok := targetsOf(cold)
	if !ok {
		return Choice{}, false
	}
	for _, in := range candidates(code, first, passes) {
		if back.unknown || back.inside(in.Offset) {
			break
		}
		if in.refusal() == "" && in.Cost() < Stepped {
			c, err := in.choice(Entry, "the first instruction that the kernel emulates; nothing that this run reads has changed yet")
			return c, err == nil
		}
	}
	return Choice{}, false
}

// targetsOf are the places that parts of a function branch to, false when they cannot be decoded.
func targetsOf(parts []Part) (targets, bool) {
	all := targets{at: map[int64]bool{}}
	for _, p := range parts {
		insts, err := Decode(p.Code)
		if err != nil {
			return all, false
		}
		t := branchTargets(insts)
		all.unknown = all.unknown || t.unknown
		for at := range t.at {
			all.at[at+p.Start] = true
		}
	}
	return all, true
}

// overwrites reports whether the instruction goes on to the next, cannot fault, and changes nothing but flags and one of the registers.
func (in Inst) overwrites(registers Registers) bool {
	inst, ok := in.asm()
	if !ok || in.Flow != Next || in.enc.vector || in.enc.rep || in.enc.repne {
		return false
	}
	reg, ok := inst.Args[0].(x86asm.Reg)
	if !ok {
		return false
	}
	reg = wide(reg)
	if reg < x86asm.RAX || reg > x86asm.R15 || registers>>(reg-x86asm.RAX)&1 == 0 {
		return false
	}
	switch inst.Op {
	case x86asm.LEA:
		return true
	case x86asm.MOV, x86asm.MOVZX, x86asm.MOVSX, x86asm.MOVSXD,
		x86asm.XOR, x86asm.AND, x86asm.OR, x86asm.ADD, x86asm.SUB, x86asm.SHL, x86asm.SHR, x86asm.SAR:
		return quiet(inst.Args[1])
	}
	return false
}
