package shm

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// arrayRoutine writes the routine of one array.
type arrayRoutine struct {
	*routine
	m *Map
}

// update stores the value at RDX at the index at RSI; of an array with several values, those of the slot. RCX says whether it must not be
// there, and it always is.
func (a *arrayRoutine) update() {
	invalid, exists, beyond := a.Label(), a.Label(), a.Label()
	a.OpImm(x86.Cmp, x86.Quad, x86.RCX, updateExist)
	a.Jcc(x86.Above, invalid)
	a.Load(x86.Word, x86.RDI, x86.At(x86.RSI, 0))
	a.OpImm(x86.Cmp, x86.Word, x86.RDI, int32(a.m.Entries-1))
	a.Jcc(x86.Above, beyond)
	a.OpImm(x86.Cmp, x86.Word, x86.RCX, updateNoExist)
	a.Jcc(x86.Equal, exists)
	a.IMulImm(x86.Quad, x86.RDI, x86.RDI, int32(a.m.Stride))
	address := a.data + uint64(a.m.Data)
	if a.m.Kind == PerCPUArray {
		have := a.Label()
		a.slot()
		a.Load(x86.Word, x86.RAX, x86.At(x86.R9, SlotStripe))
		a.Test(x86.Word, x86.RAX, x86.RAX)
		a.Jcc(x86.NotEqual, have)
		a.Call(a.stripes)
		a.Bind(have)
		a.IMulImm(x86.Quad, x86.RAX, x86.RAX, int32(a.m.PerCPU))
		a.Op(x86.Add, x86.Quad, x86.RDI, x86.RAX)
		address -= uint64(a.m.PerCPU) // stripes count from 1
	}
	a.MovImm(x86.R11, address)
	a.Op(x86.Add, x86.Quad, x86.RDI, x86.R11)
	a.Mov(x86.Quad, x86.RSI, x86.RDX)
	a.MovImm(x86.RCX, uint64(a.m.Value))
	a.Call(a.move)
	a.MovImm(x86.RAX, 0)
	a.Ret()
	a.Bind(exists)
	a.fail(errExists)
	a.Bind(beyond)
	a.fail(errTooBig)
	a.Bind(invalid)
	a.fail(errInvalid)
}
