package codegen

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// emission sends a record.
func (x *code) emission(s *plan.Emit) {
	if s.Emission < 0 || s.Emission >= len(x.c.p.Emissions) {
		x.fail("no emission %d", s.Emission)
		return
	}
	em := &x.c.p.Emissions[s.Emission]
	if em.Frame {
		x.finishCall(s.Emission, em)
		return
	}
	mark := x.used
	defer x.release(mark)
	d := x.newDraft(em)
	x.recordStart(d, s.Emission)
	if em.Kind == plan.EmitCall {
		x.callHeader(d)
	}
	for i := range em.Slots {
		x.capture(d, i, &em.Slots[i])
	}
	x.send(d)
}

// newDraft takes memory for a record: of the stack when it is small and all its parts have their places.
func (x *code) newDraft(em *plan.Emission) *draft {
	d := &draft{header: em.Header(), fixed: em.Header() + 8*len(em.Slots), tail: x.tail(em.Slots)}
	if d.tail.sum == 0 {
		d.rec = x.alloc(d.fixed)
		return d
	}
	d.cursor = x.allocScratch(8)
	d.rec = x.allocScratch(d.fixed + d.tail.size())
	x.storeImm(d.cursor, int64(d.fixed), asm.Word)
	return d
}

func (x *code) tail(slots []plan.Slot) tailSize {
	return tailSize{limit: x.c.limits.Capture}.add(slots)
}

// recordStart writes what all records begin with.
func (x *code) recordStart(d *draft, emission int) {
	x.function(asm.R0)
	x.opImm(asm.LSh, asm.R0, 32)
	if emission != 0 {
		x.opImm(asm.Or, asm.R0, int64(emission))
	}
	x.store(d.rec, asm.R0, asm.DWord)
	if x.returns() && d.header == plan.CallHeader {
		x.load(asm.R0, place{regFrame, x.frame.time}, asm.DWord)
	} else {
		x.load(asm.R0, x.now(), asm.DWord)
	}
	x.store(d.rec.plus(plan.RecordTime), asm.R0, asm.DWord)
	x.load(asm.R0, x.identity(), asm.DWord)
	x.store(d.rec.plus(plan.RecordPID), asm.R0, asm.DWord)
}

// callHeader writes the rest of a call record's header, for a call that is not kept in a frame.
func (x *code) callHeader(d *draft) {
	if x.returns() {
		x.load(asm.R0, x.duration, asm.DWord)
		x.store(d.rec.plus(plan.RecordDuration), asm.R0, asm.DWord)
	} else {
		x.storeImm(d.rec.plus(plan.RecordDuration), 0, asm.DWord)
	}
	x.goroutineAndComm(d)
	x.have(&plan.Value{B: plan.Depth}, asm.R0)
	x.store(d.rec.plus(plan.RecordDepth), asm.R0, asm.Word)
	x.outcome(d)
}

func (x *code) goroutineAndComm(d *draft) {
	x.goid(x.body.Goid)
	x.store(d.rec.plus(plan.RecordGoid), asm.R0, asm.DWord)
	x.comm(d.rec.plus(plan.RecordComm))
}

// outcome writes how the call ended: the site knows.
func (x *code) outcome(d *draft) {
	at := d.rec.plus(plan.RecordOutcome)
	if x.u.part == EntryPart || x.u.part == RunPart {
		x.storeImm(at, int64(event.Entered), asm.Word)
		return
	}
	x.load(asm.R0, x.cookie(), asm.DWord)
	x.mov(asm.R1, asm.R0)
	x.opImm(asm.RSh, asm.R0, cookieCallee)
	x.opImm(asm.LSh, asm.R0, 8)
	x.opImm(asm.RSh, asm.R1, cookieOutcome)
	x.op(asm.Or, asm.R0, asm.R1)
	x.store(at, asm.R0, asm.Word)
}

// Flags of the ring buffer's helpers.
const (
	ringAvailable = 0 // BPF_RB_AVAIL_DATA
	ringNoWakeup  = 1
	ringWakeup    = 2
	// ringWatermark is the part of the ring that may fill up before the reader is woken. Waking costs more than storing, and the reader
	// looks by itself every few milliseconds.
	ringWatermark = 4
)

// send gives the record to the reader.
func (x *code) send(d *draft) {
	lost, done := x.label(), x.label()
	x.wakes()
	if d.tail.sum == 0 {
		x.imm(asm.R3, int64(d.fixed))
	} else {
		x.load(asm.R3, d.cursor, asm.Word)
		x.jumpImm(asm.JGT, asm.R3, int64(d.fixed+d.tail.size()), lost) // for the verifier; never
	}
	x.mapPtr(asm.R1, x.c.use(RingMap))
	x.addr(asm.R2, d.rec)
	x.call(asm.FnRingbufOutput)
	x.jumpImm(asm.JNE, asm.R0, 0, lost)
	x.count(plan.CountEvents)
	x.jump(done)
	x.place(lost)
	x.count(plan.CountLostRing)
	x.place(done)
}

// wakes leaves in R4 whether a record wakes the reader.
func (x *code) wakes() {
	if x.c.f.Polled {
		x.imm(asm.R4, ringNoWakeup)
		return
	}
	x.mapPtr(asm.R1, x.c.use(RingMap))
	x.imm(asm.R2, ringAvailable)
	x.call(asm.FnRingbufQuery)
	quiet := x.label()
	x.imm(asm.R4, ringNoWakeup)
	x.jumpImm(asm.JLE, asm.R0, int64(x.c.limits.Ring/ringWatermark), quiet)
	x.imm(asm.R4, ringWakeup)
	x.place(quiet)
}
