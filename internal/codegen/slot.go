package codegen

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/plan"
)

// draft is a record under construction:
//
//	rec           header
//	rec + header  slots
//	rec + fixed   tail
//	cursor        u32 beside it: bytes of the record so far
//
// The cursor is in memory and not in a register on purpose: the verifier then forgets what each way through a slot added to it, and
// follows one way from slot to slot instead of two to the power of slots.
type draft struct {
	rec    place
	cursor place
	header int
	fixed  int
	tail   tailSize
}

// tailSize is how much memory the tail of a record gets. A slot may begin at the last byte of the limit and go on
// behind it.
type tailSize struct {
	sum   int // if all slots are as large as they may be
	most  int // the largest
	limit int
}

func (t tailSize) size() int {
	if t.sum <= t.limit {
		return t.sum
	}
	return t.limit + t.most
}

// start is the last place where a slot may begin.
func (t tailSize) start(need int) int {
	if t.sum <= t.limit {
		return t.sum - need
	}
	return t.limit
}

func (t tailSize) add(slots []plan.Slot) tailSize {
	for i := range slots {
		need := tailNeed(&slots[i])
		t.sum += need
		t.most = max(t.most, need)
	}
	return t
}

// tailNeed is the memory that the data of a slot may take.
func tailNeed(s *plan.Slot) int {
	switch s.Kind {
	case plan.SlotInt, plan.SlotSym:
		return 0
	case plan.SlotStr:
		return (slotSize(s) + 2 + 7) &^ 7
	case plan.SlotText:
		return (s.X.Type().TextSize() + 7) &^ 7
	case plan.SlotTuple:
		return s.X.Type().PartSize()
	}
	return (slotSize(s) + 7) &^ 7
}

// slotSize is the largest length of a slot's data.
func slotSize(s *plan.Slot) int { return min(max(s.Size, 1), plan.SlotMaxLen) }

// capture fills slot i of a record.
func (x *code) capture(d *draft, i int, s *plan.Slot) {
	mark := x.used
	defer x.release(mark)
	at := d.rec.plus(d.header + 8*i)
	skip, end := x.label(), x.label()
	if s.If != nil {
		x.branch(s.If, skip, false)
	}
	number := s.Kind == plan.SlotInt || s.Kind == plan.SlotSym
	if number {
		x.eval(s.X)
		x.store(at, asm.R0, asm.DWord)
	} else {
		x.captureMemory(d, at, s)
	}
	if s.If == nil {
		return
	}
	x.jump(end)
	x.place(skip)
	if number {
		x.storeImm(at, 0, asm.DWord)
	} else {
		x.slotCode(at, plan.SlotSkipped)
	}
	x.place(end)
}

func (x *code) slotCode(at place, code int64) { x.storeImm(at, code<<32, asm.DWord) }

// captureMemory appends data to the tail and writes where it is into the slot.
func (x *code) captureMemory(d *draft, at place, s *plan.Slot) {
	full, bad, null, done := x.label(), x.label(), x.label(), x.label()
	address := func(dst asm.Register) {
		x.load(dst, d.cursor, asm.Word)
		x.jumpImm(asm.JGT, dst, int64(d.fixed+d.tail.start(tailNeed(s))), full)
		x.addr(asm.R5, d.rec)
		x.op(asm.Add, dst, asm.R5)
	}
	x.captureData(s, address, null, bad)
	x.advance(d, at)
	x.jump(done)
	x.place(full)
	x.count(plan.CountTruncated)
	x.slotCode(at, plan.SlotFull)
	x.jump(done)
	x.place(bad)
	x.count(plan.CountUnreadable)
	x.place(null)
	x.slotCode(at, plan.SlotUnreadable)
	x.place(done)
}

// advance writes the slot: R0 is the length of the data, with plan.SlotCut if more was there. The cursor goes to the next
// multiple of 8.
func (x *code) advance(d *draft, at place) {
	x.load(asm.R1, d.cursor, asm.Word)
	x.mov(asm.R2, asm.R0)
	x.opImm(asm.LSh, asm.R2, 32)
	x.op(asm.Or, asm.R2, asm.R1)
	x.store(at, asm.R2, asm.DWord)
	x.opImm(asm.And, asm.R0, plan.SlotMaxLen)
	x.op(asm.Add, asm.R0, asm.R1)
	x.opImm(asm.Add, asm.R0, 7)
	x.opImm(asm.And, asm.R0, -8)
	x.store(d.cursor, asm.R0, asm.Word)
}

// captureData writes data to where address says and leaves its length in R0. It jumps to null when the address to
// read from is 0, which is no failure.
func (x *code) captureData(s *plan.Slot, address func(asm.Register), null, bad label) {
	switch s.Kind {
	case plan.SlotMem, plan.SlotStr:
		x.eval(s.X)
		x.jumpImm(asm.JEq, asm.R0, 0, null)
		x.mov(asm.R3, asm.R0)
		if s.Kind == plan.SlotStr {
			x.captureString(slotSize(s), address, bad)
			return
		}
		address(asm.R1)
		x.imm(asm.R2, int64(slotSize(s)))
		x.readUser()
		x.jumpImm(asm.JNE, asm.R0, 0, bad)
		x.imm(asm.R0, int64(slotSize(s)))
	case plan.SlotBuf:
		x.captureBuffer(s, address, null, bad)
	case plan.SlotStack:
		if x.u.part == RunPart {
			x.jump(null)
			return
		}
		if stack, ok := s.X.(*plan.UserStack); ok && stack.Caller {
			x.captureCalled(slotSize(s)/8, address, bad)
			return
		}
		x.stackInto(address, slotSize(s)&^7)
		x.jumpImm(asm.JSLE, asm.R0, 0, bad)
	case plan.SlotText, plan.SlotTuple:
		x.captureValue(s, address)
	default:
		x.fail("slot kind %d", s.Kind)
	}
}

// captureCalled captures a stack of at most so many frames, the direct caller among them.
func (x *code) captureCalled(frames int, address func(asm.Register), bad label) {
	pcs, size := x.allocScratch(8*(frames+2)), x.allocStack(8) // addCaller looks at the third word
	x.stackInto(func(dst asm.Register) { x.addr(dst, pcs.plus(8)) }, 8*frames)
	x.jumpImm(asm.JSLE, asm.R0, 0, bad)
	x.addCaller(pcs, frames)
	fits := x.label()
	x.jumpImm(asm.JLE, asm.R0, int64(8*frames), fits)
	x.imm(asm.R0, int64(8*frames))
	x.place(fits)
	x.store(size, asm.R0, asm.DWord)
	address(asm.R1)
	x.load(asm.R2, size, asm.DWord)
	x.addr(asm.R3, pcs)
	x.call(asm.FnProbeReadKernel)
	x.load(asm.R0, size, asm.DWord)
}

// captureString reads text from user address R3. To tell a text that just fits from one that was cut, one byte more than
// wanted is asked for, and one for the NUL.
func (x *code) captureString(size int, address func(asm.Register), bad label) {
	cut, done := x.label(), x.label()
	x.readStringAt(func() { address(asm.R1) }, size+2, 0)
	x.jumpImm(asm.JSLT, asm.R0, 0, bad)
	x.jumpImm(asm.JSGT, asm.R0, int64(size+1), cut)
	x.opImm(asm.Sub, asm.R0, 1)
	x.jump(done)
	x.place(cut)
	x.count(plan.CountTruncated)
	x.imm(asm.R0, int64(size)|plan.SlotCut)
	x.place(done)
}

// captureBuffer reads as many bytes as Len says, at most Size. Nothing, when Len is negative: functions that fail return it.
func (x *code) captureBuffer(s *plan.Slot, address func(asm.Register), null, bad label) {
	size := int64(slotSize(s))
	length := x.amountOr(s.Len, size)
	x.eval(s.X)
	x.jumpImm(asm.JEq, asm.R0, 0, null)
	x.mov(asm.R3, asm.R0)
	keep := x.allocStack(8)
	length(asm.R0)
	positive, cut, read := x.label(), x.label(), x.label()
	x.jumpImm(asm.JSGE, asm.R0, 0, positive)
	x.imm(asm.R0, 0)
	x.place(positive)
	x.jumpImm(asm.JGT, asm.R0, size, cut)
	x.mov(asm.R2, asm.R0)
	x.store(keep, asm.R0, asm.DWord)
	x.jump(read)
	x.place(cut)
	x.count(plan.CountTruncated)
	x.imm(asm.R2, size)
	x.imm(asm.R0, size|plan.SlotCut)
	x.store(keep, asm.R0, asm.DWord)
	x.place(read)
	address(asm.R1)
	x.readUser()
	x.jumpImm(asm.JNE, asm.R0, 0, bad)
	x.load(asm.R0, keep, asm.DWord)
}

// amountOr is amount for an expression that may not be there.
func (x *code) amountOr(e plan.Expr, otherwise int64) func(asm.Register) {
	if e == nil {
		return func(dst asm.Register) { x.imm(dst, otherwise) }
	}
	return x.amount(e)
}

// captureValue copies a value that is not in user memory.
func (x *code) captureValue(s *plan.Slot, address func(asm.Register)) {
	t := s.X.Type()
	size := t.PartSize()
	temp := x.alloc(size)
	x.into(s.X, temp, t)
	address(asm.R4)
	x.copy(place{asm.R4, 0}, temp, size)
	if t.Kind == plan.StrType {
		size = t.TextSize()
	}
	x.imm(asm.R0, int64(size))
}
