package site

import (
	"errors"
	"fmt"
)

// ErrRefused is wrapped by errors about an instruction on which no uprobe may be placed. The Choice that comes with
// it is right otherwise: an engine that needs no uprobe can use it.
var ErrRefused = errors.New("no kernel probe can be placed here")

// Cost is the class that arch/x86/kernel/uprobes.c puts the instruction in (Linux 6.18): branch_setup_xol_ops and
// push_setup_xol_ops say what is emulated; the rest is copied out of line and single-stepped. Kernels before 6.16
// step the long nops (0f 1f) too.
func (in Inst) Cost() Cost {
	e := &in.enc
	switch {
	case in.is(nop5):
		return Nop
	case in.nop(), in.is("\xf3\x90"): // pause: any prefix before 90 will do
		return Emulated
	case e.vector:
		return Stepped
	case in.Flow == Jump, in.Flow == Call:
		return Emulated
	case in.Flow == CondJump && (e.op&0xf0 == 0x70 || e.opmap == map0F):
		return Emulated // not loop, jrcxz and xbegin
	case e.opmap == oneByte && e.op&0xf8 == 0x50 && (in.Len == 1 || in.Len == 2 && in.code[0] == 0x41):
		return Emulated // push of %rax to %r15, with no other prefix
	}
	return Stepped
}

// neverProbed has a bit for every opcode byte that the kernel's good_insns_64 leaves out: traps, input and output, what
// 64-bit mode has not. The kernel looks up vector instructions by the same byte, so vpxor (ef) falls with outs.
var neverProbed = [8]uint32{
	0xc0c0_40c0, // 06 07 0e 16 17 1e 1f
	0xc0c0_c0c0, // 26 27 2e 2f 36 37 3e 3f
	0,
	0x0000_f007, // 60-62 6c-6f
	0x0400_0004, // 82 9a
	0,
	0x0050_f000, // cc-cf d4 d6
	0x0c13_f4f0, // e4-e7 ea ec-ef f0 f1 f4 fa fb
}

const (
	turnedDown = "the kernel turns it down"
	misread    = "the kernel takes it for another instruction, and the program would go wrong"
	unreturned = "the kernel executes a copy of it, and from the system call the program would go on behind the copy"
	flagged    = "it would keep the flag by which the kernel single-steps, which ends the program that takes it back"
	called     = "newer kernels make a call of it, which writes where the function may keep variables, and leads nowhere in a child that is forked"
)

// refusal says why no uprobe may be placed here, "" when one may.
//
// What is misread: branch_setup_xol_ops and the fix-ups look at the opcode byte alone. They take a vector instruction
// whose byte is 70 to 7f for a conditional jump (vmovd, vmovdqu stores, vpcmpeqb, vzeroupper), eb for jmp (vpor), 90
// for nop (kmovw; xchg %r8,%rax has that byte too), c2 for ret (vcmpps), 9d for popf, and do not execute it.
//
// What does not return: syscall. The single step is over not before the instruction behind the copy, and a child or a thread that it makes begins there.
// What is flagged: pushf, whose copy stores the trap flag.
//
// What is called: a nop of five bytes, which arch_uprobe_optimize overwrites by a call (Linux 6.18). It pushes words below the stack pointer, where the red zone
// is, and the page that it leads to is not there in a child that is forked.
func (in Inst) refusal() string {
	e := &in.enc
	switch {
	case e.refused:
		return turnedDown
	case e.data16 && (in.Flow == Jump || in.Flow == CondJump || in.Flow == Call):
		return turnedDown
	case e.vector && e.looksScalar(), !e.vector && e.opmap == oneByte && e.op == 0x90 && e.rex&1 != 0:
		return misread
	case in.nop() && in.Len == 5:
		return called
	case !e.vector && e.opmap == map0F && (e.op == 0x05 || e.op == 0x34): // and sysenter
		return unreturned
	case !e.vector && e.opmap != oneByte:
		return ""
	case !e.vector && e.op == 0x9c:
		return flagged
	case e.vector && e.op == 0xd5:
		return turnedDown // the byte is the REX2 prefix elsewhere
	case !e.vector && e.op == 0x8e && e.modrm>>3&7 == 2:
		return turnedDown // mov to %ss: masks the single step
	case neverProbed[e.op>>5]&(1<<(e.op&31)) != 0:
		return turnedDown
	}
	return ""
}

// looksScalar reports whether a vector instruction's opcode byte is one that the kernel treats specially.
func (e *encoding) looksScalar() bool {
	switch e.op {
	case 0x90, 0x9a, 0x9d, 0xc2, 0xc3, 0xca, 0xcb, 0xe8, 0xe9, 0xea, 0xeb, 0xff:
		return true
	}
	return e.op&0xf0 == 0x70 || e.op&0xf8 == 0x50 && e.len <= 2
}

// choice makes the Choice for an instruction; the error is ErrRefused when no uprobe can be placed there.
func (in Inst) choice(role Role, why string) (Choice, error) {
	c := Choice{Offset: in.Offset, Role: role, Cost: in.Cost(), Instruction: in.Text(), Why: why}
	if refusal := in.refusal(); refusal != "" {
		return c, fmt.Errorf("%s at +%#x: %w: %s", c.Instruction, in.Offset, ErrRefused, refusal)
	}
	return c, nil
}
