package site

import (
	"golang.org/x/arch/x86/x86asm"

	"github.com/sonde-project/sonde/event"
)

// maxBack is how far back the definition of a jump's register is looked for, in instructions.
const maxBack = 16

// indirect judges a jump through a register or memory: a switch goes on inside, a tail call leaves.
func (x *exits) indirect(i int) {
	in, s := x.insts[i], x.before(i)
	inst, ok := in.asm()
	switch {
	case in.code[0] == 0x3e, ok && x.isSwitch(i, inst):
		return
	case s.reached && s.sp.known && s.sp.at != 0:
		return // a computed goto: nobody leaves with a frame on the stack
	case !ok || !s.reached || !s.sp.known:
		x.unseen(in, "may leave the function")
	case x.isTable(i, inst):
		x.unseen(in, "jumps through a table, of labels or of functions")
	default:
		x.add(i, TailJump, "calls through a pointer in its own place")
	}
}

// isSwitch recognises the jump of a switch statement.
//
//	lea table(%rip),%rdx; movslq (%rdx,%rax,4),%rax; add %rdx,%rax; jmp *%rax     GCC, LLVM, position-independent
//	jmp *table(,%rax,8)                                                           not so; read to be told from functions
//	lea table(%rip),%rcx; jmp *(%rcx,%rax,8)                                      Go
func (x *exits) isSwitch(i int, inst x86asm.Inst) bool {
	if mem, ok := inst.Args[0].(x86asm.Mem); ok {
		if mem.Index == 0 || mem.Scale != 8 {
			return false
		}
		return x.lang == event.LangGo || mem.Base == 0 && x.labels(mem.Disp-int64(x.fn.Addr))
	}
	def, ok := x.definition(i, inst.Args[0])
	if !ok {
		return false
	}
	if def.Op == x86asm.ADD {
		return true // an offset from a table plus the table: functions are not called so
	}
	mem, ok := def.Args[1].(x86asm.Mem)
	return ok && def.Op == x86asm.MOV && mem.Base == 0 && mem.Index != 0 && x.labels(mem.Disp-int64(x.fn.Addr))
}

// isTable reports whether the target comes from an array.
func (x *exits) isTable(i int, inst x86asm.Inst) bool {
	if mem, ok := inst.Args[0].(x86asm.Mem); ok {
		return mem.Index != 0
	}
	def, _ := x.definition(i, inst.Args[0])
	mem, ok := def.Args[1].(x86asm.Mem)
	return ok && mem.Index != 0 && mem.Scale == 8 // scale 1 is a virtual member called through a pointer to it
}

// labels reports whether the first entries of a table of addresses lie inside the function.
func (x *exits) labels(rel int64) bool {
	var entries [16]byte
	if x.fn.Read == nil || !x.fn.Read(rel, entries[:]) {
		return false
	}
	for at := uint8(0); at < 16; at += 8 {
		if !x.inside(signed(entries[:], at, 8) - int64(x.fn.Addr)) {
			return false
		}
	}
	return true
}

// definition finds the instruction that last wrote a register before instruction i, in the straight line that leads
// there.
func (x *exits) definition(i int, reg x86asm.Arg) (x86asm.Inst, bool) {
	want, ok := reg.(x86asm.Reg)
	if !ok {
		return x86asm.Inst{}, false
	}
	for back := 1; back <= maxBack && i-back >= 0; back++ {
		in := x.insts[i-back]
		if in.Flow == Jump || in.Flow == Return || in.Flow == JumpIndirect {
			break
		}
		inst, ok := in.asm()
		if dest, isReg := inst.Args[0].(x86asm.Reg); ok && isReg && wide(dest) == want && writes(inst.Op) {
			return inst, true
		}
	}
	return x86asm.Inst{}, false
}

func writes(op x86asm.Op) bool {
	switch op {
	case x86asm.CMP, x86asm.TEST, x86asm.PUSH, x86asm.BT:
		return false
	}
	return true
}

// wide gives the 64-bit register of a 32-bit one.
func wide(reg x86asm.Reg) x86asm.Reg {
	if reg >= x86asm.EAX && reg <= x86asm.R15L {
		return reg - x86asm.EAX + x86asm.RAX
	}
	return reg
}
