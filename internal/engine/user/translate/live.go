package translate

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// What need not be translated: instructions whose result nobody reads (most of them set arguments that a call in place does without), and what
// a kernel's verifier wants to see.

// regSet has a bit for each register.
type regSet uint16

func setOf(regs ...uint8) (s regSet) {
	for _, r := range regs {
		s |= 1 << r
	}
	return s
}

func (s regSet) has(r uint8) bool { return s>>r&1 != 0 }

// lives finds the registers that are read from each instruction on, and behind it, before they are set anew.
func (t *translator) lives() (before, behind []regSet) {
	behind = make([]regSet, len(t.list))
	before = make([]regSet, len(t.list))
	for changed := true; changed; {
		changed = false
		for i := len(t.list) - 1; i >= 0; i-- {
			in := &t.list[i]
			var s regSet
			if in.fallsThru() && i+1 < len(t.list) {
				s |= before[i+1]
			}
			if in.branches() {
				s |= before[in.to]
			}
			behind[i] = s
			s &^= in.sets()
			if in.isCall() {
				s |= t.arguments(i)
			} else if !in.writes() || behind[i].has(in.dst) {
				s |= setOf(in.uses()...)
			}
			changed = changed || s != before[i]
			before[i] = s
		}
	}
	return before, behind
}

// sets are the registers that an instruction gives a value, or none that may be read.
func (in *inst) sets() regSet {
	switch {
	case in.writes():
		return setOf(in.dst)
	case in.isCall():
		return setOf(0, 1, 2, 3, 4, 5)
	case in.class() != classSTX || in.mode() != modeATOMIC:
	case in.imm == atomicLoadAcquire:
		return setOf(in.dst)
	case in.imm == atomicCmpxchg:
		return setOf(0)
	case in.imm&atomicFetch != 0:
		return setOf(in.src)
	}
	return 0
}

// arguments are the registers that the translation of a call reads.
func (t *translator) arguments(i int) regSet {
	all := setOf(1, 2, 3, 4, 5)
	if t.list[i].callsOwn() {
		return all
	}
	fn := asm.BuiltinFunc(t.list[i].imm)
	switch fn {
	case asm.FnKtimeGetNs, asm.FnGetPrandomU32, asm.FnGetSmpProcessorId, asm.FnGetCurrentPidTgid, asm.FnGetCurrentUidGid, asm.FnGetCurrentTask, asm.FnGetCurrentTaskBtf,
		asm.FnTaskStorageGet:
		return 0
	case asm.FnMapDeleteElem:
		s := t.pointers(i, 2)
		if r, ok := t.foundBy(i); ok {
			s |= setOf(r)
		}
		return s
	case asm.FnMapLookupElem:
		if t.onlyValue(i) {
			return 0
		}
		return t.pointers(i, 2) // which map it is, the code knows
	case asm.FnMapUpdateElem:
		if _, adds := t.addsOnly(i); adds && t.written(i) {
			return t.pointers(i, 2, 3)
		}
		return setOf(2, 3, 4)
	case asm.FnRingbufOutput:
		return setOf(2, 3)
	case asm.FnRingbufReserve, asm.FnRingbufQuery:
		return setOf(2)
	case asm.FnRingbufSubmit, asm.FnRingbufDiscard, asm.FnGetAttachCookie, asm.FnGetFuncIp:
		return setOf(1)
	case asm.FnProbeReadUser, asm.FnProbeReadUserStr, asm.FnCopyFromUser, asm.FnProbeReadKernel:
		return setOf(1, 2, 3)
	case asm.FnGetCurrentComm:
		return setOf(1, 2)
	}
	return all
}

// written reports whether a call is written in place, so that where it finds what is on the stack is known.
func (t *translator) written(i int) bool {
	f := &t.before[i]
	if t.list[i].src != 0 || f.regs[1].kind != aMap {
		return false
	}
	m, err := t.env.mapOf(&t.list[f.regs[1].n])
	if err != nil {
		return false
	}
	switch asm.BuiltinFunc(t.list[i].imm) {
	case asm.FnMapLookupElem:
		return m.FrontDepth > 0 || m.Kind == shm.Array || m.Kind == shm.PerCPUArray
	case asm.FnMapDeleteElem:
		return m.FrontDepth > 0
	}
	return m.PushesNewest()
}

// pointers are those of the registers that a call written in place reads.
func (t *translator) pointers(i int, regs ...uint8) (s regSet) {
	for _, r := range regs {
		if _, ok := t.inFrame(i, r); !ok || !t.written(i) {
			s |= setOf(r)
		}
	}
	return s
}

// idle reports whether an instruction does nothing but set a register that nobody reads.
func (t *translator) idle(i int) bool {
	in := &t.list[i]
	return in.writes() && !t.behind[i].has(in.dst)
}

// onlyValue reports whether a call looks up the one value of an array, under 0, which was stored just before.
func (t *translator) onlyValue(i int) bool {
	f := &t.before[i]
	if t.list[i].src != 0 || asm.BuiltinFunc(t.list[i].imm) != asm.FnMapLookupElem || f.regs[1].kind != aMap || f.regs[2].kind != onStack {
		return false
	}
	m, err := t.env.mapOf(&t.list[f.regs[1].n])
	if err != nil || m.Kind != shm.Array && m.Kind != shm.PerCPUArray || m.Entries != 1 {
		return false
	}
	for ; i > 0 && !t.joins[i]; i-- {
		in := &t.list[i-1]
		switch in.class() {
		case classST, classSTX:
			base := t.before[i-1].regs[in.dst]
			return in.class() == classST && in.width() >= 4 && base.kind == onStack && base.n+int(in.off) == f.regs[2].n && in.imm == 0
		case classJMP, classJMP32:
			return false
		}
	}
	return false
}

// joinsOf are the instructions that jumps lead to.
func joinsOf(list []inst) []bool {
	joins := make([]bool, len(list))
	for i := range list {
		if list[i].branches() || list[i].callsOwn() {
			joins[list[i].to] = true
		}
	}
	return joins
}

// asksForValue reports whether an instruction asks whether there is the value that the call before it looked up, which is there.
func (t *translator) asksForValue(i int) bool {
	in := &t.list[i]
	return i > 0 && !t.joins[i] && t.list[i-1].isCall() && t.onlyValue(i-1) &&
		in.op == classJMP|opJeq && in.dst == 0 && in.imm == 0
}

// jumpsOverJump reports whether an instruction does nothing but decide whether the jump behind it is taken: one jump does the work of both.
func (t *translator) jumpsOverJump(i int) bool {
	in := &t.list[i]
	if !in.branches() || in.code() == opJa || in.code() == opMayGoto || in.to != i+2 || i+1 >= t.to || t.joins[i+1] {
		return false
	}
	return t.list[i+1].branches() && t.list[i+1].code() == opJa
}

// bitLength recognises the instructions that count the bits of a number (codegen.BitLength), for which the machine has one. It gives how many
// they are, 0: none.
func (t *translator) bitLength(i int) int {
	n := len(t.bits)
	if n == 0 || i+n > len(t.list) {
		return 0
	}
	var sets regSet
	for j := range t.bits {
		in := t.list[i+j]
		in.at, in.to = t.bits[j].at, t.bits[j].to
		if in != t.bits[j] || j > 0 && t.joins[i+j] {
			return 0
		}
		sets |= in.sets()
	}
	if t.behind[i+n-1]&sets&^setOf(uint8(codegen.BitLengthOf)) != 0 {
		return 0 // what is left in the other registers is read
	}
	r := t.reg[codegen.BitLengthOf]
	t.Bsr(x86.Quad, temp, r)
	if !t.hasBits(i, codegen.BitLengthOf) {
		t.MovImm(spare, 1<<64-1)
		t.Cmov(x86.Equal, x86.Quad, temp, spare)
	}
	t.Lea(r, x86.At(temp, 1))
	return n
}

// hasBits reports whether a register cannot be 0 before an instruction: the one before it sets some of its bits.
func (t *translator) hasBits(i int, r asm.Register) bool {
	if i == t.from || t.joins[i] {
		return false
	}
	in := &t.list[i-1]
	return in.class() == classALU64 && in.code() == opOr && !in.fromReg() && in.imm != 0 && in.dst == uint8(r)
}

// addsOnly gives the flags of an update, if they are known and do not ask that the key is there.
func (t *translator) addsOnly(i int) (int32, bool) {
	const flags, mustBeThere = 4, 2 // BPF_EXIST
	for ; i > t.from && !t.joins[i]; i-- {
		if in := &t.list[i-1]; in.sets().has(flags) {
			return in.imm, in.isMove() && !in.fromReg() && in.imm >= 0 && in.imm < mustBeThere
		}
	}
	return 0, false
}
