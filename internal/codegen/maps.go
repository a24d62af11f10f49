package codegen

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// mapKey builds a key in memory that lasts until the caller releases it.
func (x *code) mapKey(m int, key []plan.Expr) place {
	desc := &x.c.p.Maps[m]
	if len(key) != len(desc.Keys) {
		x.fail("map %s has %d key parts, not %d", desc.Name, len(desc.Keys), len(key))
		return place{asm.R10, -8}
	}
	if x.c.arrays[m] {
		return x.arrayKey(key)
	}
	offsets, size := desc.KeyLayout()
	to := x.alloc(size)
	if len(key) == 0 {
		x.zero(to, size)
	}
	for i, part := range key {
		x.into(part, to.plus(offsets[i]), desc.Keys[i])
	}
	return to
}

// arrayKey is the function ID, or 0 for a map without key.
func (x *code) arrayKey(key []plan.Expr) place {
	to := x.alloc(8)
	if len(key) == 0 {
		x.storeImm(to, 0, asm.Word)
		return to
	}
	x.eval(key[0])
	x.store(to, asm.R0, asm.Word)
	return to
}

// cell leaves the address of a map's value in R0, made new where there is none; jumps when there is no room.
func (x *code) cell(m int, key []plan.Expr, full label) {
	striped := x.stripe(m)
	at := x.mapKey(m, key)
	if x.c.arrays[m] {
		x.lookup(MapName(m), at)
		x.jumpImm(asm.JEq, asm.R0, 0, full) // for the verifier: an array has every function
		return
	}
	there := x.label()
	x.findOrCreate(MapName(m), at)
	x.jumpImm(asm.JNE, asm.R0, 0, there)
	x.count(plan.CountLostMap)
	x.jump(full)
	x.place(there)
	striped(asm.R0)
}

// stripe chooses this CPU's value of a cell, and says how to get to it from the first one. R1 is lost then.
func (x *code) stripe(m int) func(asm.Register) {
	stripes := x.c.stripes(m)
	if stripes.Count == 1 {
		return func(asm.Register) {}
	}
	keep := x.allocStack(8)
	x.call(asm.FnGetSmpProcessorId)
	x.opImm(asm.And, asm.R0, int64(stripes.Count-1))
	x.opImm(asm.Mul, asm.R0, int64(stripes.Stride))
	x.store(keep, asm.R0, asm.DWord)
	return func(cell asm.Register) {
		x.load(asm.R1, keep, asm.DWord)
		x.op(asm.Add, cell, asm.R1)
	}
}

func (x *code) onlyValue(m int) {
	if desc := &x.c.p.Maps[m]; desc.Kind != event.AggValue {
		x.fail("map %s aggregates: it has no value to read or assign", desc.Name)
	}
}

// mapGet leaves a number in R0.
func (x *code) mapGet(e *plan.MapGet) {
	x.copyOut(e, func(value place) { x.load(asm.R0, value, asm.DWord) }, func() { x.imm(asm.R0, 0) })
}

// copyOut finds a value and does something with it, at R1, or with its absence.
func (x *code) copyOut(e *plan.MapGet, found func(place), missing func()) {
	x.onlyValue(e.Map)
	mark := x.used
	defer x.release(mark)
	none, end := x.label(), x.label()
	key := x.mapKey(e.Map, e.Key)
	x.lookup(MapName(e.Map), key)
	x.jumpImm(asm.JEq, asm.R0, 0, none)
	x.mov(asm.R1, asm.R0)
	found(place{asm.R1, 0})
	x.jump(end)
	x.place(none)
	missing()
	x.place(end)
}

func (x *code) mapHas(e *plan.MapHas) {
	mark := x.used
	defer x.release(mark)
	key := x.mapKey(e.Map, e.Key)
	x.lookup(MapName(e.Map), key)
	end := x.label()
	x.jumpImm(asm.JEq, asm.R0, 0, end)
	x.imm(asm.R0, 1)
	x.place(end)
}

func (x *code) mapSet(s *plan.MapSet) {
	x.onlyValue(s.Map)
	mark := x.used
	defer x.release(mark)
	t := x.c.p.Maps[s.Map].Value
	value := x.alloc(t.PartSize())
	x.into(s.X, value, t)
	key := x.mapKey(s.Map, s.Key)
	x.update(MapName(s.Map), key, updateAny, func() { x.addr(asm.R3, value) })
	done := x.label()
	x.jumpImm(asm.JEq, asm.R0, 0, done)
	x.count(plan.CountLostMap)
	x.place(done)
}

func (x *code) mapAdd(s *plan.MapAdd) {
	x.onlyValue(s.Map)
	mark := x.used
	defer x.release(mark)
	done := x.label()
	amount := x.amount(s.X)
	x.cell(s.Map, s.Key, done)
	amount(asm.R1)
	x.atomicAdd(place{asm.R0, 0}, asm.R1)
	x.place(done)
}

// amount evaluates a number and says how to get it into a register later, when the map's value has been found.
func (x *code) amount(e plan.Expr) func(asm.Register) {
	if simple(e) {
		return func(dst asm.Register) { x.evalTo(e, dst) }
	}
	keep := x.alloc(8)
	x.eval(e)
	x.store(keep, asm.R0, asm.DWord)
	return func(dst asm.Register) { x.load(dst, keep, asm.DWord) }
}

// mapDelete removes a key. That it was not there is no matter; that the table did not let us is.
func (x *code) mapDelete(s *plan.MapDelete) {
	const busy = -16 // EBUSY
	mark := x.used
	defer x.release(mark)
	key := x.mapKey(s.Map, s.Key)
	x.remove(MapName(s.Map), key)
	if x.c.arrays[s.Map] {
		return
	}
	done := x.label()
	x.extend(asm.R0, plan.Type{Kind: plan.IntType, Size: 4, Signed: true})
	x.jumpImm(asm.JNE, asm.R0, busy, done)
	x.count(plan.CountLostMap)
	x.place(done)
}
