//go:build linux && amd64

package translate_test

import (
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
)

// Helpers that are not known to do the same in every thread get what is safe.
func TestASurveyFindsWhetherTheThreadMatters(t *testing.T) {
	for fn, want := range map[asm.BuiltinFunc]bool{
		asm.FnGetAttachCookie: false, asm.FnMapLookupElem: false, asm.FnKtimeGetNs: false,
		asm.FnGetCurrentPidTgid: true, asm.FnGetCurrentComm: true, asm.FnProbeReadUser: true, asm.FnMapUpdateElem: true,
		asm.FnRingbufOutput: true, asm.FnGetCurrentTask: true,
		asm.FnMapDeleteElem: true, asm.FnGetCurrentUidGid: true, asm.FnGetStack: true, asm.FnProbeReadUserStr: true,
	} {
		u, err := translate.Survey(asm.Instructions{fn.Call(), asm.Mov.Imm(asm.R0, 0), asm.Return()})
		if err != nil || u.Thread != want {
			t.Errorf("%v: thread %v, %v; want %v", fn, u.Thread, err, want)
		}
	}
}

// A program wants of its context what it reads, what its helpers read, and everything once the address goes astray.
func TestASurveyFindsWhatIsReadOfTheContext(t *testing.T) {
	all := uint32(1<<(shm.ContextSize/8) - 1)
	words := func(offsets ...int) (w uint32) {
		for _, o := range offsets {
			w |= 1 << (o / 8)
		}
		return w
	}
	end := asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
	for name, c := range map[string]struct {
		ins   asm.Instructions
		words uint32
		calls bool
	}{
		"nothing":     {nil, 0, false},
		"a register":  {asm.Instructions{asm.LoadMem(asm.R2, asm.R1, shm.ContextRDI, asm.DWord)}, words(shm.ContextRDI), false},
		"half of one": {asm.Instructions{asm.LoadMem(asm.R2, asm.R1, shm.ContextRSI+4, asm.Word)}, words(shm.ContextRSI), false},
		"by a copy": {asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1), asm.Mov.Reg(asm.R7, asm.R6), asm.Add.Imm(asm.R7, 8), asm.LoadMem(asm.R2, asm.R7, shm.ContextR15, asm.DWord),
			asm.LoadMem(asm.R2, asm.R6, shm.ContextRIP, asm.DWord)}, words(shm.ContextR14, shm.ContextRIP), false},
		"a cookie":          {asm.Instructions{asm.FnGetAttachCookie.Call()}, words(shm.ContextCookie), true},
		"a stack":           {asm.Instructions{asm.FnGetStack.Call()}, words(shm.ContextRIP, shm.ContextRSP, shm.ContextRBP, shm.ContextAtEntry, shm.ContextSlot), true},
		"a name":            {asm.Instructions{asm.FnGetCurrentComm.Call()}, words(shm.ContextSlot), true},
		"the time":          {asm.Instructions{asm.FnKtimeGetNs.Call()}, 0, true},
		"kept on the stack": {asm.Instructions{asm.StoreMem(asm.R10, -8, asm.R1, asm.DWord)}, all, false},
		"as a number":       {asm.Instructions{asm.Mov.Imm(asm.R2, 0), asm.Add.Reg(asm.R2, asm.R1)}, all, false},
		"cut":               {asm.Instructions{asm.Mov.Reg32(asm.R2, asm.R1)}, all, false},
		"on one of two ways": {asm.Instructions{asm.LoadMem(asm.R2, asm.R1, shm.ContextRAX, asm.DWord), asm.JEq.Imm(asm.R2, 0, "l"),
			asm.LoadMem(asm.R2, asm.R1, shm.ContextRCX, asm.DWord), asm.Mov.Imm(asm.R3, 0).WithSymbol("l")}, words(shm.ContextRAX, shm.ContextRCX), false},
	} {
		u, err := translate.Survey(append(c.ins, end...))
		if err != nil || u.Words != c.words || u.Calls != c.calls {
			t.Errorf("%s: %#x %v %v, want %#x %v", name, u.Words, u.Calls, err, c.words, c.calls)
		}
	}
}
