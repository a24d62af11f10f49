package site

import (
	"github.com/sonde-project/sonde/event"
	"golang.org/x/arch/x86/x86asm"
)

// maxSkip bounds how far behind the start an entry site may lie, in instructions.
const maxSkip = 8

// ChooseEntry chooses where a call of the function is seen: once per call, with all argument registers and the stack
// pointer as the caller left them. The error is a *DecodeError when not even the first instruction is one, or wraps
// ErrRefused, and then the Choice says what was refused.
func ChooseEntry(code []byte, lang event.Language) (Choice, error) {
	first, err := decodeOne(code, 0)
	if err != nil {
		return Choice{}, err
	}
	if lang == event.LangGo {
		return goEntry(code, first)
	}
	best, why := first, "start of the function"
	for _, in := range candidates(code, first, harmless) {
		if in.refusal() != "" || best.refusal() == "" && in.Cost() >= best.Cost() {
			continue
		}
		best, why = in, skipped(first, in)
	}
	return best.choice(Entry, why)
}

// skipped says why a later instruction was taken instead of the first.
func skipped(first, site Inst) string {
	switch {
	case first.is(endbr64) && site.Offset == first.End():
		return "after endbr64, which would be single-stepped"
	case first.refusal() != "":
		return "the first instruction on which the kernel places a probe; nothing an observer reads has changed yet"
	}
	return "the first instruction that the kernel emulates; nothing an observer reads has changed yet"
}

// candidates are the instructions after the first that every call passes exactly once, behind instructions that may be passed.
func candidates(code []byte, first Inst, passes func(Inst) bool) []Inst {
	if first.Cost() < Stepped && first.refusal() == "" || !passes(first) {
		return nil
	}
	insts, err := Decode(code)
	if err != nil {
		return nil // the branches of the rest are unknown
	}
	targets := branchTargets(insts)
	var out []Inst
	for i := 1; i < len(insts) && i <= maxSkip; i++ {
		in := insts[i]
		if targets.inside(in.Offset) {
			break
		}
		if targets.unknown && !(i == 1 && first.is(endbr64)) {
			break
		}
		out = append(out, in)
		if !passes(in) {
			break
		}
	}
	return out
}

// targets are the places inside a function that it branches to.
type targets struct {
	at      map[int64]bool
	unknown bool // an indirect jump may go anywhere
}

func (t targets) inside(offset uint64) bool { return t.at[int64(offset)] }

func branchTargets(insts []Inst) targets {
	t := targets{at: map[int64]bool{}}
	for _, in := range insts {
		switch in.Flow {
		case Jump, CondJump, Call:
			t.at[in.Target] = true
		case JumpIndirect:
			t.unknown = true
		}
	}
	return t
}

// harmless reports whether an entry site may lie behind the instruction: it goes on to the next, cannot fault, and
// changes nothing but flags and %r11, the one register that carries nothing at a call (System V ABI, figure 3.4:
// %r10 is the static chain, %rax the vector count of variadic functions).
func harmless(in Inst) bool {
	if in.is(endbr64) || in.nop() || in.counts() {
		return true
	}
	inst, ok := in.asm()
	if !ok || in.Flow != Next || in.enc.vector || in.enc.rep || in.enc.repne {
		return false
	}
	switch inst.Op {
	case x86asm.TEST, x86asm.CMP:
		return quiet(inst.Args[0]) && quiet(inst.Args[1])
	case x86asm.LEA:
		return isR11(inst.Args[0])
	case x86asm.MOV, x86asm.MOVZX, x86asm.MOVSX, x86asm.MOVSXD,
		x86asm.XOR, x86asm.AND, x86asm.OR, x86asm.ADD, x86asm.SUB, x86asm.SHL, x86asm.SHR, x86asm.SAR:
		return isR11(inst.Args[0]) && quiet(inst.Args[1])
	}
	return false
}

// counts reports an atomic operation on the object's own data, which the kernel places no probe on: better to see the call
// with the counter changed than not at all.
func (in Inst) counts() bool {
	inst, ok := in.asm()
	if !ok || in.refusal() == "" || in.Flow != Next {
		return false
	}
	switch inst.Op {
	case x86asm.ADD, x86asm.SUB, x86asm.INC, x86asm.DEC, x86asm.OR, x86asm.AND, x86asm.XOR:
		_, mem := inst.Args[0].(x86asm.Mem)
		return mem && quiet(inst.Args[0])
	}
	return false
}

// quiet reports whether reading the operand cannot fault: registers, immediates, the object's own data and the
// thread's control block.
func quiet(arg x86asm.Arg) bool {
	mem, ok := arg.(x86asm.Mem)
	if !ok {
		return true
	}
	if mem.Index != 0 {
		return false
	}
	return mem.Base == x86asm.RIP || mem.Base == 0 && mem.Segment == x86asm.FS
}

func isR11(arg x86asm.Arg) bool {
	reg, ok := arg.(x86asm.Reg)
	return ok && (reg == x86asm.R11 || reg == x86asm.R11L || reg == x86asm.R11W || reg == x86asm.R11B)
}
