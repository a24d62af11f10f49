package translate

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// What is found by a key on the stack is found again, and taken out, by the same key: as long as nobody has written there, and no entry has come or
// gone, the value's address tells which entry is meant.

// disturbs reports whether an instruction may change a key on the stack, or tables: it gives where it writes, all of the stack where that is not known.
func (in *inst) disturbs(f *facts) (from, to int, yes bool) {
	switch in.class() {
	case classST, classSTX:
		switch base := f.regs[in.dst]; base.kind {
		case valueOf, inContext:
			return 0, 0, false
		case onStack:
			at := base.n + int(in.off)
			return at, at + in.width(), true
		}
	case classJMP:
		if !in.isCall() || !in.callsOwn() && in.src == 0 && leavesAlone(asm.BuiltinFunc(in.imm)) {
			return 0, 0, false
		}
	default:
		return 0, 0, false
	}
	return -stackSize, 0, true
}

// leavesAlone lists helpers that write neither to memory of the program nor to tables.
func leavesAlone(fn asm.BuiltinFunc) bool {
	switch fn {
	case asm.FnMapLookupElem, asm.FnKtimeGetNs, asm.FnGetSmpProcessorId, asm.FnGetAttachCookie, asm.FnGetFuncIp, asm.FnRingbufOutput, asm.FnRingbufQuery:
		return true
	}
	return false
}

// forgetKeys forgets of values by which key they were found, where that lies between two places of the stack.
func (f *facts) forgetKeys(from, to int) {
	for r := range f.regs {
		if v := &f.regs[r]; v.key != 0 && v.key < to && from < v.key+shm.NestKey {
			v.key = 0
		}
	}
}

// foundBy is a register with the address of the value that was found by a call's key, in the same table.
func (t *translator) foundBy(i int) (uint8, bool) {
	f := &t.before[i]
	if f.regs[1].kind != aMap || f.regs[2].kind != onStack {
		return 0, false
	}
	for r := uint8(6); r <= 9; r++ {
		v := f.regs[r]
		if v.kind == valueOf && v.key != 0 && v.key == f.regs[2].n && t.list[v.n].ref == t.list[f.regs[1].n].ref {
			return r, true
		}
	}
	return 0, false
}
