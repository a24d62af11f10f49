package codegen

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// Every change of a value is one atomic instruction: a program can be preempted, and another thread's program on the same CPU
// works on the same value then.

// mapAggregate feeds a number to a map.
func (x *code) mapAggregate(s *plan.MapAggregate) {
	desc := &x.c.p.Maps[s.Map]
	fields := desc.Fields()
	if desc.Kind == event.AggValue || s.X == nil && desc.Kind != event.AggCount {
		x.fail("map %s has nothing to aggregate", desc.Name)
		return
	}
	mark := x.used
	defer x.release(mark)
	done := x.label()
	var amount func(asm.Register)
	if s.X != nil && desc.Kind != event.AggCount {
		amount = x.amount(s.X)
	}
	bucket := place{}
	if fields.Buckets >= 0 {
		bucket = x.allocStack(8)
		amount(asm.R0)
		x.bucket(desc)
		x.store(bucket, asm.R0, asm.DWord)
	}
	x.cell(s.Map, s.Key, done)
	x.mov(asm.R3, asm.R0)
	if fields.Count >= 0 {
		x.imm(asm.R1, 1)
		x.atomicAdd(place{asm.R3, fields.Count}, asm.R1)
	}
	if fields.Sum >= 0 {
		amount(asm.R1)
		x.atomicAdd(place{asm.R3, fields.Sum}, asm.R1)
	}
	if fields.Buckets >= 0 {
		x.fill(bucket, fields.Buckets, desc.Buckets())
	}
	if fields.Min >= 0 {
		x.raise(desc, amount, fields.Min, true)
	}
	if fields.Max >= 0 {
		x.raise(desc, amount, fields.Max, false)
	}
	x.place(done)
}

// fill adds 1 to a bucket of the value at R3.
func (x *code) fill(bucket place, at, n int) {
	outside := x.label()
	x.load(asm.R1, bucket, asm.DWord)
	x.jumpImm(asm.JGE, asm.R1, int64(n), outside) // for the verifier; never
	x.opImm(asm.LSh, asm.R1, 3)
	x.mov(asm.R2, asm.R3)
	x.op(asm.Add, asm.R2, asm.R1)
	x.imm(asm.R1, 1)
	x.atomicAdd(place{asm.R2, at}, asm.R1)
	x.place(outside)
}

// raiseTries bounds the loop that stores a larger number: it repeats only when another thread was let in between two
// instructions and stored a larger one itself.
const raiseTries = 8

// raise stores the number of a min or max (plan.Map.Order) in the value at R3 if it is larger than what is there.
func (x *code) raise(m *plan.Map, amount func(asm.Register), at int, least bool) {
	stored, done := place{asm.R3, at}, x.label()
	amount(asm.R1)
	if m.Value.Signed {
		x.opImm(asm.Xor, asm.R1, -1<<63)
	}
	if least {
		x.opImm(asm.Xor, asm.R1, -1)
	}
	x.load(asm.R0, stored, asm.DWord)
	for range raiseTries {
		x.jumpReg(asm.JGE, asm.R0, asm.R1, done)
		x.mov(asm.R2, asm.R0)
		x.compareExchange(stored, asm.R1)
		x.jumpReg(asm.JEq, asm.R0, asm.R2, done)
	}
	x.place(done)
}

// bucket turns the number in R0 into the bucket that plan.Map.BucketOf gives; R1 to R5 are lost.
func (x *code) bucket(m *plan.Map) {
	end := x.label()
	if !m.Value.Signed {
		x.bucketIf(asm.JSLT, 0, m.Buckets()-1, end)
	}
	if m.Kind == event.AggLhist {
		x.linearBucket(m, end)
	} else {
		x.powerBucket(m, end)
	}
	x.place(end)
}

// bucketIf settles the bucket of numbers with R0 op bound.
func (x *code) bucketIf(op asm.JumpOp, bound int64, bucket int, end label) {
	inside, outside := x.label(), x.label()
	x.imm(asm.R1, bound)
	x.jumpReg(op, asm.R0, asm.R1, outside)
	x.jump(inside)
	x.place(outside)
	x.imm(asm.R0, int64(bucket))
	x.jump(end)
	x.place(inside)
}

func (x *code) linearBucket(m *plan.Map, end label) {
	low, high, step := m.LinearBuckets()
	x.bucketIf(asm.JSLT, low, 0, end)
	x.bucketIf(asm.JSGE, high, m.Buckets()-1, end)
	x.opImm(asm.Sub, asm.R0, low)
	x.imm(asm.R1, step)
	x.op(asm.Div, asm.R0, asm.R1)
	x.opImm(asm.Add, asm.R0, 1)
}

// powerBucket computes over<<cut + v>>over + 1 with over = max(log2(v)-cut, 0). It has no branches beyond the ends of the scale: the
// verifier would follow each of them through the rest of the program.
func (x *code) powerBucket(m *plan.Map, end label) {
	top, cut := m.PowerBuckets()
	if m.Value.Signed {
		x.bucketIf(asm.JSLT, 0, 0, end)
	}
	if top < 62 {
		x.bucketIf(asm.JSGE, 2<<top, m.Buckets()-1, end)
	}
	x.mov(asm.R1, asm.R0)
	x.opImm(asm.Or, asm.R1, 1<<cut)
	x.bitLength()
	x.opImm(asm.Sub, asm.R1, int64(cut)+1)
	x.mov(asm.R2, asm.R1)
	x.opImm(asm.LSh, asm.R2, int64(cut))
	x.op(asm.RSh, asm.R0, asm.R1)
	x.op(asm.Add, asm.R0, asm.R2)
	x.opImm(asm.Add, asm.R0, 1)
}

// BitLengthOf is the register that BitLength works on.
const BitLengthOf = asm.R1

// BitLength is what bitLength writes: engines that translate programs know it again.
func BitLength() asm.Instructions {
	x := &code{emitter: &emitter{}}
	x.bitLength()
	return x.ins
}

// bitLength replaces R1 by the number of bits it takes: all bits below the highest are set, then counted in
// pairs, nibbles and bytes. R2 is lost.
func (x *code) bitLength() {
	for shift := int64(1); shift < 64; shift *= 2 {
		x.mov(asm.R2, asm.R1)
		x.opImm(asm.RSh, asm.R2, shift)
		x.op(asm.Or, asm.R1, asm.R2)
	}
	x.mov(asm.R2, asm.R1)
	x.opImm(asm.RSh, asm.R2, 1)
	x.opImm(asm.And, asm.R2, 0x5555555555555555)
	x.op(asm.Sub, asm.R1, asm.R2)
	x.mov(asm.R2, asm.R1)
	x.opImm(asm.RSh, asm.R2, 2)
	x.opImm(asm.And, asm.R2, 0x3333333333333333)
	x.opImm(asm.And, asm.R1, 0x3333333333333333)
	x.op(asm.Add, asm.R1, asm.R2)
	x.mov(asm.R2, asm.R1)
	x.opImm(asm.RSh, asm.R2, 4)
	x.op(asm.Add, asm.R1, asm.R2)
	x.opImm(asm.And, asm.R1, 0x0f0f0f0f0f0f0f0f)
	x.opImm(asm.Mul, asm.R1, 0x0101010101010101)
	x.opImm(asm.RSh, asm.R1, 56)
}
