package site

import "golang.org/x/arch/x86/x86asm"

// A Go function that needs more than a little stack begins with a check (cmd/internal/obj/x86, stacksplit):
//
//	cmp 0x10(%r14), %rsp               small frames
//	lea -0x78(%rsp), %r12; cmp ...     larger ones
//	mov %rsp, %r12; sub $N, %r12; jb   huge ones
//	mov %fs:-8, %r14; cmp 0x10(%r14)   assembly (%rcx before Go 1.17)
//	jbe grow
//	...
//	grow: spill arguments; call runtime.morestack; reload; jmp +0
//
// A call whose stack grows passes the check twice and what follows once.

// maxCheck bounds the length of a check, in instructions.
const maxCheck = 12

func goEntry(code []byte, first Inst) (Choice, error) {
	n := 0
	var insts []Inst
	if checks(first) {
		insts, _ = Decode(code) // what could be decoded is enough to see the check
		n = stackCheck(insts)
	}
	if n == 0 {
		return first.choice(Entry, "start of the function, which has no stack check")
	}
	if branchTargets(insts).inside(insts[n].Offset) {
		return first.choice(Entry, "start of the function, although calls whose stack grows count twice: it jumps back to the end of its stack check")
	}
	return insts[n].choice(Entry, "after the stack check, which runs again when the stack grows")
}

// stackCheck gives how many instructions the check has, 0 when there is none.
func stackCheck(insts []Inst) int {
	compared := false
	for i, in := range insts {
		if i == maxCheck {
			break
		}
		switch {
		case in.Flow == CondJump && compared && grows(insts, in.Target):
			inst, _ := in.asm()
			if inst.Op == x86asm.JBE && i+1 < len(insts) {
				return i + 1
			}
		case in.Flow == CondJump && grows(insts, in.Target):
		case in.Flow == Next && checks(in):
			inst, _ := in.asm()
			compared = compared || inst.Op == x86asm.CMP
		default:
			return 0
		}
	}
	return 0
}

// checks reports whether the instruction may be part of a stack check.
func checks(in Inst) bool {
	inst, ok := in.asm()
	if !ok {
		return false
	}
	reg, isReg := inst.Args[0].(x86asm.Reg)
	switch inst.Op {
	case x86asm.CMP:
		return true
	case x86asm.MOV, x86asm.LEA, x86asm.SUB:
		switch reg {
		case x86asm.R12, x86asm.R14, x86asm.RCX, x86asm.RAX, x86asm.RSI:
			return isReg
		}
	}
	return false
}

// grows reports whether the code at target calls (runtime.morestack) and then jumps back to the start.
func grows(insts []Inst, target int64) bool {
	called := false
	for _, in := range insts {
		if int64(in.Offset) < target {
			continue
		}
		switch in.Flow {
		case Call:
			if called {
				return false
			}
			called = true
		case Jump:
			return called && in.Target == 0
		case Next:
		default:
			return false
		}
	}
	return false
}
