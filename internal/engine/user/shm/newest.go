package shm

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// Newest writes code in the place of calls. Most calls that return are the newest of their thread: this is what is done to their entry. The slot's address
// is in R12. The code goes to other where the entry is not the newest one of the slot's front, and nothing has been done. RAX, R8, R10 and R11
// are lost.
type Newest struct {
	*x86.Code
	Map        *Map
	Key, Value x86.Mem
	// Fronted says that the slot has a front, which those have that have values of arrays for themselves: see Fronts.
	Fronted bool
}

// Fronts reports whether each of so many slots has a front, those that came first.
func Fronts(slots int) bool { return slots <= frontThreads }

func (n *Newest) routine() *frontRoutine {
	return &frontRoutine{hashRoutine: &hashRoutine{&routine{Code: n.Code}, n.Map}, keyAt: n.Key, valueAt: n.Value, fronted: n.Fronted}
}

// Lookup leaves the address of the value in RAX, which is not 0.
func (n *Newest) Lookup(other x86.Label) {
	f := n.routine()
	f.begin(other, other)
	f.compare(other, other, other)
	f.Lea(x86.RAX, f.entry(nestKey))
}

// Delete takes the entry out.
func (n *Newest) Delete(other x86.Label) {
	f := n.routine()
	f.begin(other, other)
	f.compare(other, other, other)
	f.drop(other)
}

// DeleteFound takes the entry out whose value a register has the address of.
func (n *Newest) DeleteFound(value x86.Reg, other x86.Label) {
	f := n.routine()
	f.front(other)
	f.Load(x86.Word, x86.R10, x86.At(x86.R8, frontTop))
	f.Op(x86.Add, x86.Quad, x86.R10, x86.R8)
	f.Lea(x86.RAX, f.entry(nestKey))
	f.Op(x86.Cmp, x86.Quad, x86.RAX, value)
	f.Jcc(x86.NotEqual, other)
	f.drop(other)
}

// drop takes out the newest entry, which ends at R10.
func (f *frontRoutine) drop(other x86.Label) {
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

// Push adds an entry whose place is below that of the newest one. The caller does not mind whether the key is there already.
func (n *Newest) Push(other x86.Label) {
	f := n.routine()
	push := f.Label()
	f.beginUnless(x86.AboveEqual, other, other)
	f.Op(x86.Cmp, x86.Quad, x86.R10, x86.R8)
	f.Jcc(x86.BelowEqual, push)
	f.OpTo(x86.Cmp, x86.Quad, f.entry(f.m.Nest.Place), x86.R11)
	f.Jcc(x86.BelowEqual, other)
	f.Bind(push)
	f.spilled(other)
	f.store()
}

// PushesNewest reports whether Push is short enough to be written in place.
func (m *Map) PushesNewest() bool { return m.FrontDepth > 0 && m.Value <= line }
