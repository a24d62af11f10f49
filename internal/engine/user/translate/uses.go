package translate

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// Uses is what a program wants of the context that it is called with. The engine need not fill in the rest.
type Uses struct {
	// Words has a bit for each word of the context, the first in bit 0: shm.ContextRIP is bit shm.ContextRIP/8.
	Words uint32
	// Calls says that the code calls routines, which take shm.RoutineStack bytes of stack beside the frame.
	Calls bool
	// Thread says that it matters which thread it is: the slot's words about it must be those of the thread that runs.
	Thread bool
}

// Has reports whether the word at an offset of the context is wanted.
func (u Uses) Has(offset int) bool { return u.Words&word(offset) != 0 }

func word(offset int) uint32 { return 1 << (offset / 8) }

// allWords are those of a context.
const allWords = 1<<(shm.ContextSize/8) - 1

// Survey finds out what a program uses of its context. A program that Translate refuses is refused.
func Survey(ins asm.Instructions) (Uses, error) {
	list, before, err := verify(ins)
	if err != nil {
		return Uses{}, err
	}
	var u Uses
	for i := range list {
		if before[i].seen {
			list[i].wants(&before[i], &u)
		}
	}
	return u, nil
}

// wants adds what one instruction uses.
func (in *inst) wants(f *facts, u *Uses) {
	if in.callsOwn() {
		for _, arg := range f.regs[1:6] {
			if arg.kind == inContext {
				u.Words = allWords // what a function does with it is not followed
			}
		}
		return
	}
	if in.isCall() {
		u.Calls = true
		fn := asm.BuiltinFunc(in.imm)
		u.Words |= wantedBy(fn)
		u.Thread = u.Thread || !anyThread(fn)
		for _, arg := range f.regs[2:6] {
			if arg.kind == inContext {
				u.Words = allWords // memory that a helper reads
			}
		}
		return
	}
	if base, ok := in.address(); ok && f.regs[base].kind == inContext {
		at := f.regs[base].n + int(in.off)
		u.Words |= word(at) | word(at+in.width()-1)
	}
	if in.leaks(f) {
		u.Words = allWords
	}
}

// leaks reports whether the address of the context gets to where it is not followed.
func (in *inst) leaks(f *facts) bool {
	context := func(r uint8) bool { return f.regs[r].kind == inContext }
	switch in.class() {
	case classSTX:
		return context(in.src)
	case classALU:
		return in.fromReg() && context(in.src) || context(in.dst) && in.code() != opMov
	case classALU64:
		if in.fromReg() && in.code() != opEnd && context(in.src) {
			return in.code() != opMov || in.off != 0
		}
		return context(in.dst) && in.code() != opMov && in.code() != opAdd && in.code() != opSub
	}
	return false
}

// wantedBy is what a helper needs of the context.
func wantedBy(fn asm.BuiltinFunc) uint32 {
	slot := word(shm.ContextSlot)
	switch fn {
	case asm.FnGetAttachCookie:
		return word(shm.ContextCookie)
	case asm.FnGetFuncIp:
		return word(shm.ContextFunction)
	case asm.FnGetStack:
		return slot | word(shm.ContextRIP) | word(shm.ContextRSP) | word(shm.ContextRBP) | word(shm.ContextAtEntry)
	case asm.FnProbeReadUser, asm.FnProbeReadUserStr, asm.FnCopyFromUser, asm.FnTracePrintk, asm.FnTraceVprintk:
		return slot | word(shm.ContextRSP)
	case asm.FnKtimeGetNs, asm.FnGetSmpProcessorId, asm.FnRingbufQuery, asm.FnRingbufSubmit, asm.FnRingbufDiscard, asm.FnProbeReadKernel:
		return 0
	}
	return slot
}

// anyThread lists helpers that do the same in every thread but for the values that the slot has for itself.
func anyThread(fn asm.BuiltinFunc) bool {
	switch fn {
	case asm.FnGetAttachCookie, asm.FnGetFuncIp, asm.FnKtimeGetNs, asm.FnGetSmpProcessorId, asm.FnMapLookupElem, asm.FnRingbufSubmit, asm.FnRingbufDiscard:
		return true
	}
	return false
}

// verify decodes a program and checks it.
func verify(ins asm.Instructions) ([]inst, []facts, error) {
	list, err := decode(ins)
	if err != nil {
		return nil, nil, fmt.Errorf("translation: %w", err)
	}
	for i := range list {
		if err := list[i].check(); err != nil {
			return nil, nil, fmt.Errorf("translation: %w", list[i].wrong(err))
		}
	}
	before, err := flow(list)
	if err != nil {
		return nil, nil, fmt.Errorf("translation: %w", err)
	}
	return list, before, nil
}
