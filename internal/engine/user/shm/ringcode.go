package shm

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// ringRoutine writes the routines of a ring.
type ringRoutine struct {
	*routine
	m *Map
}

// output appends the EDX bytes at RSI as a record. Room is taken by one exchange, so that writers never wait for each other, and a
// record that is being written says by whom.
//
//	r8  the thread   r10  room taken   r11  the ring's head, then the record
func (o *ringRoutine) output() {
	full, large, wraps, done := o.Label(), o.Label(), o.Label(), o.Label()
	o.Mov(x86.Word, x86.RDX, x86.RDX)
	o.OpImm(x86.Cmp, x86.Quad, x86.RDX, int32(min(o.m.Entries/2, ringLongest)))
	o.Jcc(x86.Above, large)
	o.slot()
	o.Call(o.ids)
	o.Mov(x86.Word, x86.R8, x86.RAX)
	o.Lea(x86.R10, x86.At(x86.RDX, ringHeader+ringAlign-1))
	o.OpImm(x86.And, x86.Quad, x86.R10, -ringAlign)
	o.MovImm(x86.R11, o.data+uint64(o.m.Off))
	o.Load(x86.Quad, x86.RAX, x86.At(x86.R11, ringProduced))
	again := o.Here()
	o.Lea(x86.RCX, x86.AtIndex(x86.RAX, x86.R10, 1, 0))
	o.Mov(x86.Quad, x86.RDI, x86.RCX)
	o.OpFrom(x86.Sub, x86.Quad, x86.RDI, x86.At(x86.R11, ringConsumed))
	o.OpImm(x86.Cmp, x86.Quad, x86.RDI, int32(o.m.Entries))
	o.Jcc(x86.Above, full)
	o.LockCmpxchg(x86.Quad, x86.At(x86.R11, ringProduced), x86.RCX)
	o.Jcc(x86.NotEqual, again)
	o.rouse()
	o.Mov(x86.Word, x86.R10, x86.RAX)
	o.OpImm(x86.And, x86.Word, x86.R10, int32(o.m.Entries-1))
	o.MovImm(x86.R11, o.data+uint64(o.m.Data))
	o.Op(x86.Add, x86.Quad, x86.R11, x86.R10)
	o.MovImm(x86.RCX, ringMagic)
	o.Op(x86.Xor, x86.Quad, x86.RAX, x86.RCX)
	o.Store(x86.Quad, x86.At(x86.R11, ringCheck), x86.RAX)
	o.ShiftImm(x86.Shl, x86.Quad, x86.R8, 32)
	o.Op(x86.Or, x86.Quad, x86.R8, x86.RDX)
	o.MovImm(x86.RAX, ringBusy)
	o.Op(x86.Or, x86.Quad, x86.RAX, x86.R8)
	o.Store(x86.Quad, x86.At(x86.R11, 0), x86.RAX)
	o.Lea(x86.RDI, x86.At(x86.R11, ringHeader))
	// Up to the end of the ring, then from its start.
	o.OpImm(x86.Add, x86.Word, x86.R10, ringHeader)
	o.MovImm(x86.RCX, uint64(o.m.Entries))
	o.Op(x86.Sub, x86.Quad, x86.RCX, x86.R10)
	o.Op(x86.Cmp, x86.Quad, x86.RCX, x86.RDX)
	o.Jcc(x86.Below, wraps)
	o.Mov(x86.Word, x86.RCX, x86.RDX)
	o.Call(o.move)
	o.Bind(done)
	o.OpImm(x86.Or, x86.Word, x86.R8, ringDone)
	o.Store(x86.Word, x86.At(x86.R11, 0), x86.R8)
	o.MovImm(x86.RAX, 0)
	o.Ret()
	o.Bind(wraps)
	o.Op(x86.Sub, x86.Quad, x86.RDX, x86.RCX)
	o.Call(o.move)
	o.MovImm(x86.RDI, o.data+uint64(o.m.Data))
	o.Mov(x86.Word, x86.RCX, x86.RDX)
	o.Call(o.move)
	o.Jmp(done)
	o.Bind(full)
	o.lost()
	o.fail(errAgain)
	o.Bind(large)
	o.lost()
	o.fail(errTooBig)
}

// lost counts a record that there is no room for. R11 is lost.
func (o *ringRoutine) lost() {
	o.MovImm(x86.R11, o.data+uint64(o.m.Off)+ringLost)
	o.LockOpImm(x86.Add, x86.Quad, x86.At(x86.R11, 0), 1)
}

// reserve takes room for a record of RSI bytes, in one piece, and gives the address of the bytes, 0 where there is no room. RDX would be flags.
//
//	rdx  bytes          r8  the thread, then the record's first word
//	r10  room           rsi what is left before the ring's end, if the room does not fit there
//	rax  the position   r11 the ring's head, then the record
func (o *ringRoutine) reserve() {
	full, fits, whole := o.Label(), o.Label(), o.Label()
	o.OpImm(x86.Cmp, x86.Quad, x86.RSI, int32(min(o.m.Entries/2, ringLongest)))
	o.Jcc(x86.Above, full)
	o.Mov(x86.Quad, x86.RDX, x86.RSI)
	o.slot()
	o.Call(o.ids)
	o.Mov(x86.Word, x86.R8, x86.RAX)
	o.Lea(x86.R10, x86.At(x86.RDX, ringHeader+ringAlign-1))
	o.OpImm(x86.And, x86.Quad, x86.R10, -ringAlign)
	o.MovImm(x86.R11, o.data+uint64(o.m.Off))
	o.Load(x86.Quad, x86.RAX, x86.At(x86.R11, ringProduced))
	again := o.Here()
	o.MovImm(x86.RSI, 0)
	o.Mov(x86.Word, x86.RCX, x86.RAX)
	o.OpImm(x86.And, x86.Word, x86.RCX, int32(o.m.Entries-1))
	o.Lea(x86.RDI, x86.AtIndex(x86.RCX, x86.R10, 1, 0))
	o.OpImm(x86.Cmp, x86.Quad, x86.RDI, int32(o.m.Entries))
	o.Jcc(x86.BelowEqual, fits)
	o.MovImm(x86.RSI, uint64(o.m.Entries))
	o.Op(x86.Sub, x86.Quad, x86.RSI, x86.RCX)
	o.Bind(fits)
	o.Lea(x86.RCX, x86.AtIndex(x86.RAX, x86.R10, 1, 0))
	o.Op(x86.Add, x86.Quad, x86.RCX, x86.RSI)
	o.Mov(x86.Quad, x86.RDI, x86.RCX)
	o.OpFrom(x86.Sub, x86.Quad, x86.RDI, x86.At(x86.R11, ringConsumed))
	o.OpImm(x86.Cmp, x86.Quad, x86.RDI, int32(o.m.Entries))
	o.Jcc(x86.Above, full)
	o.LockCmpxchg(x86.Quad, x86.At(x86.R11, ringProduced), x86.RCX)
	o.Jcc(x86.NotEqual, again)
	o.rouse()
	o.Test(x86.Quad, x86.RSI, x86.RSI)
	o.Jcc(x86.Equal, whole)
	o.Lea(x86.RCX, x86.At(x86.RSI, -ringHeader))
	o.OpImm(x86.Or, x86.Word, x86.RCX, ringDone|ringDropped)
	o.header(x86.RCX)
	o.Op(x86.Add, x86.Quad, x86.RAX, x86.RSI)
	o.Bind(whole)
	o.ShiftImm(x86.Shl, x86.Quad, x86.R8, 32)
	o.Op(x86.Or, x86.Quad, x86.R8, x86.RDX)
	o.MovImm(x86.RCX, ringBusy)
	o.Op(x86.Or, x86.Quad, x86.R8, x86.RCX)
	o.header(x86.R8)
	o.Lea(x86.RAX, x86.At(x86.R11, ringHeader))
	o.Ret()
	o.Bind(full)
	o.lost()
	o.MovImm(x86.RAX, 0)
	o.Ret()
}

// header writes the header of the record at the position in RAX, whose first word is in a register; R11 is its address. RDI is lost.
func (o *ringRoutine) header(first x86.Reg) {
	o.Mov(x86.Word, x86.RDI, x86.RAX)
	o.OpImm(x86.And, x86.Word, x86.RDI, int32(o.m.Entries-1))
	o.MovImm(x86.R11, o.data+uint64(o.m.Data))
	o.Op(x86.Add, x86.Quad, x86.R11, x86.RDI)
	o.MovImm(x86.RDI, ringMagic)
	o.Op(x86.Xor, x86.Quad, x86.RDI, x86.RAX)
	o.Store(x86.Quad, x86.At(x86.R11, ringCheck), x86.RDI)
	o.Store(x86.Quad, x86.At(x86.R11, 0), first)
}

// finish ends a record whose bytes are at RDI and were reserved: it is read, or dropped.
func (w *routine) finish(flags int32) {
	w.Load(x86.Word, x86.RAX, x86.At(x86.RDI, -ringHeader))
	w.OpImm(x86.And, x86.Word, x86.RAX, ringLength)
	w.OpImm(x86.Or, x86.Word, x86.RAX, flags)
	w.Store(x86.Word, x86.At(x86.RDI, -ringHeader), x86.RAX)
	w.MovImm(x86.RAX, 0)
	w.Ret()
}

// query tells about the ring by the number in RSI: bytes that wait, its size, what was consumed and produced (BPF_RB_AVAIL_DATA and those that
// follow).
func (o *ringRoutine) query() {
	none := o.Label()
	o.MovImm(x86.R11, o.data+uint64(o.m.Off))
	answer := func(number int32, give func()) {
		next := o.Label()
		o.OpImm(x86.Cmp, x86.Quad, x86.RSI, number)
		o.Jcc(x86.NotEqual, next)
		give()
		o.Ret()
		o.Bind(next)
	}
	answer(0, func() {
		o.Load(x86.Quad, x86.RCX, x86.At(x86.R11, ringConsumed)) // first: it never overtakes the other
		o.Load(x86.Quad, x86.RAX, x86.At(x86.R11, ringProduced))
		o.Op(x86.Sub, x86.Quad, x86.RAX, x86.RCX)
	})
	answer(1, func() { o.MovImm(x86.RAX, uint64(o.m.Entries)) })
	answer(2, func() { o.Load(x86.Quad, x86.RAX, x86.At(x86.R11, ringConsumed)) })
	answer(3, func() { o.Load(x86.Quad, x86.RAX, x86.At(x86.R11, ringProduced)) })
	o.Bind(none)
	o.MovImm(x86.RAX, 0)
	o.Ret()
}
