package shm

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// frontRoutine writes the routines of a hash that has fronts.
//
//	rsi  key           rdx  value        rcx  flags
//	r8   the front     r9   the context  r10  end of the entry that is looked at, less frontEntries
//	r11  place of the key  r12  the slot
type frontRoutine struct {
	*hashRoutine
	// The hash's own routines.
	lookupHash, updateHash, removeHash x86.Label
	// spill moves the last entry into the hash.
	spill x86.Label
	// Where the key and the value are.
	keyAt, valueAt x86.Mem
	// fronted: the slot has a front.
	fronted bool
}

// entry is a word of the entry that ends at R10.
func (f *frontRoutine) entry(off int) x86.Mem {
	return x86.At(x86.R10, int32(frontEntries-f.m.FrontStride+off))
}

func (f *frontRoutine) stride() int32 { return int32(f.m.FrontStride) }

// key is a word of the key.
func (f *frontRoutine) key(off int) x86.Mem { return f.keyAt.Plus(int32(off)) }

// ofSlot is a word of the slot.
func ofSlot(off int32) x86.Mem { return x86.At(x86.R12, off) }

// begin finds the slot's front, and goes to none when it has none or a damaged one, and to other with the key's owner in RAX when it is not his.
func (f *frontRoutine) begin(none, other x86.Label) {
	f.beginUnless(x86.Above, none, other)
}

// beginUnless is begin, which goes to none also where the bytes of entries compare so with the most that there may be.
func (f *frontRoutine) beginUnless(full x86.Cond, none, other x86.Label) {
	f.front(none)
	f.Load(x86.Quad, x86.RAX, f.key(f.m.Nest.Owner))
	f.OpFrom(x86.Cmp, x86.Quad, x86.RAX, x86.At(x86.R8, frontOwner))
	f.Jcc(x86.NotEqual, other)
	f.Load(x86.Word, x86.R10, x86.At(x86.R8, frontTop))
	f.OpImm(x86.Cmp, x86.Word, x86.R10, f.limit())
	f.Jcc(full, none)
	f.Op(x86.Add, x86.Quad, x86.R10, x86.R8)
	f.Load(x86.Quad, x86.R11, f.key(f.m.Nest.Place))
}

// front finds the slot's front, or goes to none.
func (f *frontRoutine) front(none x86.Label) {
	f.Load(x86.Quad, x86.R8, ofSlot(int32(f.m.InSlot)))
	if !f.fronted {
		f.Test(x86.Quad, x86.R8, x86.R8)
		f.Jcc(x86.Equal, none)
	}
}

func (f *frontRoutine) limit() int32 { return int32(f.m.FrontDepth) * f.stride() }

// search looks for the key from the last entry on, and goes to missing when it is not in the front, else on with the entry's end at R10. RAX is
// lost. The last entry is the most likely one: what writes the rest of the search, for behind the routine, is given back.
func (f *frontRoutine) search(missing x86.Label) (rest func()) {
	step, differs, next := f.Label(), f.Label(), f.Label()
	f.Bind(step)
	f.compare(missing, differs, next)
	return func() {
		f.Bind(differs)
		f.Jcc(x86.Above, missing)
		f.Bind(next)
		f.OpImm(x86.Sub, x86.Quad, x86.R10, f.stride())
		f.Jmp(step)
	}
}

// compare goes on where the entry that ends at R10 is the one that the key asks for; else none is left, or its place or its function is another.
func (f *frontRoutine) compare(none, place, what x86.Label) {
	f.Op(x86.Cmp, x86.Quad, x86.R10, x86.R8)
	f.Jcc(x86.BelowEqual, none)
	f.OpTo(x86.Cmp, x86.Quad, f.entry(f.m.Nest.Place), x86.R11)
	f.Jcc(x86.NotEqual, place)
	f.Load(x86.Quad, x86.RAX, f.key(f.m.Nest.What))
	f.OpFrom(x86.Cmp, x86.Quad, x86.RAX, f.entry(f.m.Nest.What))
	f.Jcc(x86.NotEqual, what)
}

// spilled goes to a label when the hash may have entries of the thread.
func (f *frontRoutine) spilled(to x86.Label) {
	f.OpToImm(x86.Cmp, x86.Word, ofSlot(SlotSpilled), 0)
	f.Jcc(x86.NotEqual, to)
}

// lookup leaves the address of the value in RAX, or 0.
func (f *frontRoutine) lookup() {
	missing := f.Label()
	f.begin(f.lookupHash, f.lookupHash)
	rest := f.search(missing)
	f.Lea(x86.RAX, f.entry(nestKey))
	f.Ret()
	rest()
	f.Bind(missing)
	f.spilled(f.lookupHash)
	f.MovImm(x86.RAX, 0)
	f.Ret()
}

// update looks through the front as search does, but moves what lies below the new entry out of the way.
func (f *frontRoutine) update() {
	invalid, again, step, next, found, missing := f.Label(), f.Label(), f.Label(), f.Label(), f.Label(), f.Label()
	none, other, apart, push, full, look, check := f.Label(), f.Label(), f.Label(), f.Label(), f.Label(), f.Label(), f.Label()
	f.OpImm(x86.Cmp, x86.Quad, x86.RCX, updateExist)
	f.Jcc(x86.Above, invalid)
	f.Bind(again)
	f.begin(none, other)
	f.Bind(step)
	f.Op(x86.Cmp, x86.Quad, x86.R10, x86.R8)
	f.Jcc(x86.Above, look)
	f.Bind(missing)
	f.spilled(check)
	f.Bind(push)
	f.push(full)
	f.Bind(look)
	f.OpTo(x86.Cmp, x86.Quad, f.entry(f.m.Nest.Place), x86.R11)
	f.Jcc(x86.Above, missing)
	f.Jcc(x86.Below, next)
	f.Load(x86.Quad, x86.RAX, f.key(f.m.Nest.What))
	f.OpFrom(x86.Cmp, x86.Quad, x86.RAX, f.entry(f.m.Nest.What))
	f.Jcc(x86.Equal, found)
	f.OpImm(x86.Sub, x86.Quad, x86.R10, f.stride())
	f.Jmp(step)
	f.Bind(check)
	f.inHash(push)
	f.Bind(found)
	f.replace()
	f.Bind(full)
	f.Load(x86.Word, x86.R10, x86.At(x86.R8, frontTop))
	f.Op(x86.Add, x86.Quad, x86.R10, x86.R8)
	f.MovImm(x86.R11, 1<<64-1) // all of them
	f.Bind(next)
	f.Call(f.spill)
	f.Test(x86.Word, x86.RAX, x86.RAX)
	f.Jcc(x86.Equal, step)
	f.Jmp(apart)
	f.Bind(none)
	f.ticket(again)
	f.Bind(apart)
	f.updateApart()
	f.Bind(other)
	f.takeOver(again, apart)
	f.Bind(invalid)
	f.fail(errInvalid)
}

// inHash leaves the work to the hash when it has the key, and goes to a label when it has not.
func (f *frontRoutine) inHash(not x86.Label) {
	kept := []x86.Reg{x86.RSI, x86.RDX, x86.RCX, x86.R8, x86.R9}
	f.keep(kept, func() { f.Call(f.lookupHash) })
	f.Test(x86.Quad, x86.RAX, x86.RAX)
	f.Jcc(x86.NotEqual, f.updateHash)
	f.Jmp(not)
}

// keep writes code that may lose registers.
func (f *frontRoutine) keep(list []x86.Reg, code func()) {
	for _, r := range list {
		f.Push(r)
	}
	code()
	for i := len(list) - 1; i >= 0; i-- {
		f.Pop(list[i])
	}
}

// push adds the entry, or goes to full.
func (f *frontRoutine) push(full x86.Label) {
	absent := f.Label()
	f.OpImm(x86.Cmp, x86.Word, x86.RCX, updateExist)
	f.Jcc(x86.Equal, absent)
	f.Load(x86.Word, x86.R10, x86.At(x86.R8, frontTop))
	f.OpImm(x86.Cmp, x86.Word, x86.R10, f.limit())
	f.Jcc(x86.AboveEqual, full)
	f.Op(x86.Add, x86.Quad, x86.R10, x86.R8)
	f.store()
	f.MovImm(x86.RAX, 0)
	f.Ret()
	f.Bind(absent)
	f.fail(errNoEntry)
}

// store writes the entry behind R10, and then says that it is there.
func (f *frontRoutine) store() {
	f.OpImm(x86.Add, x86.Quad, x86.R10, f.stride())
	for off := 0; off < nestKey; off += 8 {
		f.Load(x86.Quad, x86.RAX, f.key(off))
		f.Store(x86.Quad, f.entry(off), x86.RAX)
	}
	f.value()
	f.Op(x86.Sub, x86.Quad, x86.R10, x86.R8)
	f.Store(x86.Word, x86.At(x86.R8, frontTop), x86.R10)
}

// replace stores the value in the entry that has the key already.
func (f *frontRoutine) replace() {
	exists := f.Label()
	f.OpImm(x86.Cmp, x86.Word, x86.RCX, updateNoExist)
	f.Jcc(x86.Equal, exists)
	f.value()
	f.MovImm(x86.RAX, 0)
	f.Ret()
	f.Bind(exists)
	f.fail(errExists)
}

// value copies the value into the entry. RAX is lost, of large values RCX, RSI and RDI too.
func (f *frontRoutine) value() { f.copyTo(f.entry(nestKey), f.valueAt) }

// ticket gives a slot its number that has none, and tries again.
func (f *frontRoutine) ticket(again x86.Label) {
	has := f.Label()
	f.OpToImm(x86.Cmp, x86.Word, ofSlot(SlotTicket), 0)
	f.Jcc(x86.NotEqual, has)
	f.keep([]x86.Reg{x86.R9}, func() {
		f.Mov(x86.Quad, x86.R9, x86.R12)
		f.Call(f.stripes)
	})
	f.Jmp(again)
	f.Bind(has)
}

// updateApart leaves the work to the hash, and counts an entry of the thread that is there.
func (f *frontRoutine) updateApart() {
	done := f.Label()
	f.OpToImm(x86.Cmp, x86.Quad, f.key(f.m.Nest.Owner), 0)
	f.Jcc(x86.Less, f.updateHash)
	f.keep([]x86.Reg{x86.R9}, func() { f.Call(f.updateHash) })
	f.Test(x86.Word, x86.RAX, x86.RAX)
	f.Jcc(x86.NotEqual, done)
	f.OpToImm(x86.Add, x86.Word, ofSlot(SlotSpilled), 1)
	f.Bind(done)
	f.Ret()
}

// takeOver makes the front that of the key's owner, in RAX, and moves what is in it into the hash: its thread has ended.
func (f *frontRoutine) takeOver(again, apart x86.Label) {
	next, failed := f.Label(), f.Label()
	f.Test(x86.Quad, x86.RAX, x86.RAX)
	f.Jcc(x86.LessEqual, apart)
	f.Mov(x86.Quad, x86.R11, x86.RAX)
	f.Load(x86.Quad, x86.RAX, x86.At(x86.R8, frontOwner))
	f.OpImm(x86.Cmp, x86.Quad, x86.RAX, -1) // claimed
	f.Jcc(x86.Equal, apart)
	f.LockCmpxchg(x86.Quad, x86.At(x86.R8, frontOwner), x86.R11)
	f.Jcc(x86.NotEqual, apart)
	f.Push(x86.RAX)
	f.Load(x86.Word, x86.R10, x86.At(x86.R8, frontTop))
	f.OpImm(x86.Cmp, x86.Word, x86.R10, f.limit())
	f.Jcc(x86.Above, failed)
	f.Op(x86.Add, x86.Quad, x86.R10, x86.R8)
	f.Bind(next)
	f.Op(x86.Cmp, x86.Quad, x86.R10, x86.R8)
	done := f.Label()
	f.Jcc(x86.BelowEqual, done)
	f.Call(f.spill)
	f.Test(x86.Word, x86.RAX, x86.RAX)
	f.Jcc(x86.Equal, next)
	f.Bind(failed)
	f.Pop(x86.RAX)
	f.Store(x86.Quad, x86.At(x86.R8, frontOwner), x86.RAX)
	f.Jmp(apart)
	f.Bind(done)
	f.Pop(x86.RAX)
	f.Jmp(again)
}

// writeSpill moves the entry that ends at R10, the last one, into the hash, unless it is gone. RAX is 0, and R10 the end of the one before, or it
// is an error. RDI is lost.
func (f *frontRoutine) writeSpill() {
	there, moved, out := f.Label(), f.Label(), f.Label()
	f.keep([]x86.Reg{x86.RSI, x86.RDX, x86.RCX, x86.R8, x86.R9, x86.R10, x86.R11}, func() {
		f.MovImm(x86.RAX, 0)
		f.Lea(x86.RSI, f.entry(0))
		f.OpToImm(x86.Cmp, x86.Quad, f.key(f.m.Nest.What), -1) // gone
		f.Jcc(x86.Equal, moved)
		f.Lea(x86.RDX, f.key(nestKey))
		f.MovImm(x86.RCX, updateNoExist)
		f.Push(x86.R9)
		f.Call(f.updateHash)
		f.Pop(x86.R9)
		f.OpImm(x86.Cmp, x86.Word, x86.RAX, errExists) // it was being moved when the thread was stopped for good
		f.Jcc(x86.Equal, there)
		f.Test(x86.Word, x86.RAX, x86.RAX)
		f.Jcc(x86.NotEqual, moved)
		f.OpToImm(x86.Add, x86.Word, ofSlot(SlotSpilled), 1)
		f.Bind(there)
		f.MovImm(x86.RAX, 0)
		f.Bind(moved)
	})
	f.Test(x86.Word, x86.RAX, x86.RAX)
	f.Jcc(x86.NotEqual, out)
	f.OpImm(x86.Sub, x86.Quad, x86.R10, f.stride())
	f.Mov(x86.Quad, x86.RDI, x86.R10)
	f.Op(x86.Sub, x86.Quad, x86.RDI, x86.R8)
	f.Store(x86.Word, x86.At(x86.R8, frontTop), x86.RDI)
	f.Bind(out)
	f.Ret()
}

// remove takes the key at RSI out.
func (f *frontRoutine) remove() {
	missing, apart, middle, lower, below, done := f.Label(), f.Label(), f.Label(), f.Label(), f.Label(), f.Label()
	f.begin(apart, apart)
	rest := f.search(missing)
	f.Load(x86.Word, x86.RAX, x86.At(x86.R8, frontTop))
	f.Op(x86.Add, x86.Quad, x86.RAX, x86.R8)
	f.Op(x86.Cmp, x86.Quad, x86.R10, x86.RAX)
	f.Jcc(x86.NotEqual, middle)
	f.Bind(lower)
	f.OpImm(x86.Sub, x86.Quad, x86.R10, f.stride())
	f.Op(x86.Cmp, x86.Quad, x86.R10, x86.R8)
	f.Jcc(x86.Above, below)
	f.Bind(done)
	f.Op(x86.Sub, x86.Quad, x86.R10, x86.R8)
	f.Store(x86.Word, x86.At(x86.R8, frontTop), x86.R10)
	f.MovImm(x86.RAX, 0)
	f.Ret()
	f.Bind(below)
	f.OpToImm(x86.Cmp, x86.Quad, f.entry(f.m.Nest.What), -1) // gone
	f.Jcc(x86.Equal, lower)
	f.Jmp(done)
	rest()
	f.Bind(middle)
	f.StoreImm(x86.Quad, f.entry(f.m.Nest.What), -1) // gone
	f.MovImm(x86.RAX, 0)
	f.Ret()
	f.Bind(missing)
	f.spilled(apart)
	f.fail(errNoEntry)
	f.Bind(apart)
	f.removeApart()
}

// removeApart leaves the work to the hash, and counts that an entry of the thread is not there any more.
func (f *frontRoutine) removeApart() {
	done := f.Label()
	f.OpToImm(x86.Cmp, x86.Quad, f.key(f.m.Nest.Owner), 0)
	f.Jcc(x86.Less, f.removeHash)
	f.keep([]x86.Reg{x86.R9}, func() { f.Call(f.removeHash) })
	f.Test(x86.Word, x86.RAX, x86.RAX)
	f.Jcc(x86.NotEqual, done)
	f.OpToImm(x86.Cmp, x86.Word, ofSlot(SlotSpilled), 0)
	f.Jcc(x86.Equal, done)
	f.OpToImm(x86.Sub, x86.Word, ofSlot(SlotSpilled), 1)
	f.Bind(done)
	f.Ret()
}
