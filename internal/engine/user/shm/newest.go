package shm

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// Most calls that return are the newest of their thread: what is done to their entry is written in place. The key is at RSI, the slot's address in R12;
// it goes to other where the key's entry is not the newest one of the slot's front, and nothing has been done. RAX, R8, R10 and R11 are lost.

// LookupNewest leaves the address of the value in RAX.
func (m *Map) LookupNewest(c *x86.Code, other x86.Label) {
	f := m.newest(c, other)
	f.Lea(x86.RAX, f.entry(nestKey))
}

// DeleteNewest takes the entry out.
func (m *Map) DeleteNewest(c *x86.Code, other x86.Label) {
	f := m.newest(c, other)
	last := f.Label()
	f.OpImm(x86.Sub, x86.Quad, x86.R10, f.stride())
	f.Op(x86.Cmp, x86.Quad, x86.R10, x86.R8)
	f.Jcc(x86.BelowEqual, last)
	f.OpToImm(x86.Cmp, x86.Quad, f.entry(f.m.Nest.What), -1) // gone: it goes with this one
	f.Jcc(x86.Equal, other)
	f.Bind(last)
	f.Op(x86.Sub, x86.Quad, x86.R10, x86.R8)
	f.Store(x86.Word, x86.At(x86.R8, frontTop), x86.R10)
}

// newest leaves the end of the newest entry in R10 as frontRoutine has it, and the front in R8.
func (m *Map) newest(c *x86.Code, other x86.Label) *frontRoutine {
	f := &frontRoutine{hashRoutine: &hashRoutine{&routine{Code: c}, m}}
	f.begin(other, other)
	f.compare(other, other, other)
	return f
}

// PushNewest adds an entry with the value at RDX whose place is below that of the newest one. The caller does not mind whether the key is there already.
func (m *Map) PushNewest(c *x86.Code, other x86.Label) {
	f := &frontRoutine{hashRoutine: &hashRoutine{&routine{Code: c}, m}}
	push := f.Label()
	f.begin(other, other)
	f.Op(x86.Cmp, x86.Quad, x86.R10, x86.R8)
	f.Jcc(x86.BelowEqual, push)
	f.OpTo(x86.Cmp, x86.Quad, f.entry(f.m.Nest.Place), x86.R11)
	f.Jcc(x86.BelowEqual, other)
	f.Bind(push)
	f.spilled(other)
	f.Lea(x86.RAX, x86.At(x86.R8, f.limit()))
	f.Op(x86.Cmp, x86.Quad, x86.R10, x86.RAX)
	f.Jcc(x86.AboveEqual, other)
	f.store()
}

// PushesNewest reports whether it is short enough to be written in place.
func (m *Map) PushesNewest() bool { return m.FrontDepth > 0 && m.Value <= line }
