package translate

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// call translates the call of a helper. What takes a few instructions is put in place, the rest are routines.
func (t *translator) call(i int) error {
	in := &t.list[i]
	if in.src != 0 {
		return errors.New("a call of a function of the kernel")
	}
	if t.env.Routines == nil {
		return fmt.Errorf("helper %d is not offered", in.imm)
	}
	fn := asm.BuiltinFunc(in.imm)
	r := t.env.Routines
	switch fn {
	case asm.FnMapLookupElem, asm.FnMapUpdateElem, asm.FnMapDeleteElem, asm.FnRingbufOutput, asm.FnRingbufReserve, asm.FnRingbufQuery, asm.FnTaskStorageGet:
		return t.callMap(fn, i)
	case asm.FnPerfEventOutput:
		return t.perfOutput(&t.before[i])
	case asm.FnRingbufSubmit:
		t.CallTo(r.Submit)
	case asm.FnRingbufDiscard:
		t.CallTo(r.Discard)
	case asm.FnTracePrintk, asm.FnTraceVprintk:
		return t.line(fn)
	case asm.FnKtimeGetNs:
		t.clock(i)
	case asm.FnGetPrandomU32:
		t.routine(r.Random)
	case asm.FnGetSmpProcessorId:
		t.cpu()
	case asm.FnGetCurrentPidTgid:
		t.identity()
	case asm.FnGetCurrentUidGid:
		t.routine(r.UID)
	case asm.FnGetCurrentComm:
		t.routine(r.Comm)
	case asm.FnGetCurrentTask, asm.FnGetCurrentTaskBtf:
		t.Mov(x86.Quad, x86.RAX, slotReg)
	case asm.FnGetStack:
		t.routine(r.Stack)
	case asm.FnProbeReadUser, asm.FnCopyFromUser:
		t.routine(r.Read)
	case asm.FnProbeReadUserStr:
		t.routine(r.ReadStr)
	case asm.FnProbeReadKernel:
		t.CallTo(r.Copy)
	case asm.FnGetAttachCookie:
		t.Load(x86.Quad, x86.RAX, x86.At(x86.RDI, shm.ContextCookie))
	case asm.FnGetFuncIp:
		t.Load(x86.Quad, x86.RAX, x86.At(x86.RDI, shm.ContextFunction))
	default:
		return fmt.Errorf("helper %v is not offered", fn)
	}
	return nil
}

// routine calls a routine that wants the context.
func (t *translator) routine(addr uint64) {
	t.Load(x86.Quad, x86.R9, t.context())
	t.CallTo(addr)
}

// clock leaves the time in RAX.
func (t *translator) clock(i int) {
	t.inPlace(i, anyResult, func(ask x86.Label) { shm.ReadClock(t.Code, t.env.Data, ask) }, func() { t.CallTo(t.env.Routines.Clock) })
}

// cpu leaves the number of the CPU in EAX.
func (t *translator) cpu() {
	if t.env.RSeq == 0 {
		t.CallTo(t.env.Routines.CPU)
		return
	}
	known := t.Label()
	t.Load(x86.Word, x86.RAX, x86.AtFS(t.env.RSeq))
	t.Test(x86.Word, x86.RAX, x86.RAX)
	t.Jcc(x86.NoSign, known)
	t.CallTo(t.env.Routines.CPU) // the thread has not registered its area
	t.Bind(known)
}

// stripe leaves the number of the slot's values in EAX, plus 1.
func (t *translator) stripe() { t.asked(shm.SlotStripe, x86.Word, t.env.Routines.Stripe, t.alone) }

// identity leaves process << 32 | thread in RAX.
func (t *translator) identity() {
	t.asked(shm.SlotIDs, x86.Quad, t.env.Routines.IDs, t.env.Gated)
}

// asked leaves a word of the slot in RAX, which a routine fills in as long as it is 0, unless it is known not to be.
func (t *translator) asked(at int32, size x86.Size, routine uint64, known bool) {
	t.Load(size, x86.RAX, x86.At(slotReg, at))
	if known {
		return
	}
	have, ask := t.Label(), t.Label()
	t.Test(size, x86.RAX, x86.RAX)
	t.Jcc(x86.Equal, ask)
	t.Bind(have)
	t.aside(func() {
		t.Bind(ask)
		t.Mov(x86.Quad, x86.R9, slotReg)
		t.CallTo(routine)
		t.Jmp(have)
	})
}

// callMap translates what is done to the map in r1.
func (t *translator) callMap(fn asm.BuiltinFunc, i int) error {
	known := &t.before[i]
	if known.regs[1].kind != aMap {
		return fmt.Errorf("helper %v: the map is not the same on every way", fn)
	}
	m, err := t.env.mapOf(&t.list[known.regs[1].n])
	if err != nil {
		return err
	}
	r := t.env.Routines
	array := m.Kind == shm.Array || m.Kind == shm.PerCPUArray
	routines := map[asm.BuiltinFunc]map[string]uint64{
		asm.FnMapLookupElem: r.Lookup, asm.FnMapUpdateElem: r.Update, asm.FnMapDeleteElem: r.Delete,
		asm.FnRingbufOutput: r.Output, asm.FnRingbufQuery: r.Query, asm.FnRingbufReserve: r.Reserve,
	}
	addr, ok := routines[fn][m.Name]
	switch {
	case fn == asm.FnMapLookupElem && array:
		t.element(m, i)
	case fn == asm.FnMapDeleteElem && array:
		t.MovImm(x86.RAX, 1<<64-22) // EINVAL: arrays have all their elements
	case fn == asm.FnTaskStorageGet && m.Kind == shm.Storage:
		t.inPlace(i, there, func(x86.Label) { t.Lea(x86.RAX, x86.At(slotReg, shm.SlotStorage)) }, nil)
	case !ok:
		return fmt.Errorf("helper %v is not offered on map %s", fn, m.Name)
	case m.FrontDepth > 0 && t.onNewest(fn, m, i, addr):
	case fn == asm.FnMapLookupElem || fn == asm.FnRingbufQuery:
		t.CallTo(addr)
	default:
		t.routine(addr)
	}
	return nil
}

// perfOutput sends a record through a perf event array, which is a ring here: r2 the map, r4 and r5 the bytes. Where there is no room the kernel says
// ENOSPC.
func (t *translator) perfOutput(known *facts) error {
	if known.regs[2].kind != aMap {
		return fmt.Errorf("helper %v: the map is not the same on every way", asm.FnPerfEventOutput)
	}
	m, err := t.env.mapOf(&t.list[known.regs[2].n])
	if err != nil {
		return err
	}
	addr, ok := t.env.Routines.Output[m.Name]
	if !ok {
		return fmt.Errorf("helper %v is not offered on map %s", asm.FnPerfEventOutput, m.Name)
	}
	sent := t.Label()
	t.Mov(x86.Quad, x86.RSI, x86.RCX)
	t.Mov(x86.Word, x86.RDX, x86.R8)
	t.routine(addr)
	t.Test(x86.Word, x86.RAX, x86.RAX)
	t.Jcc(x86.NoSign, sent)
	t.MovImm(x86.RAX, 1<<64-28)
	t.Bind(sent)
	return nil
}

// line writes a line.
func (t *translator) line(fn asm.BuiltinFunc) error {
	addr := t.env.Routines.Print
	if fn == asm.FnTraceVprintk {
		addr = t.env.Routines.PrintAll
	}
	if addr == 0 {
		return fmt.Errorf("helper %v is not offered", fn)
	}
	t.routine(addr)
	return nil
}
