package interp

import (
	"encoding/binary"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// Captured is what a slot took: a number, or bytes with the code of the slot's high half.
type Captured struct {
	Kind   plan.SlotKind
	Number uint64
	Bytes  []byte
	Code   uint32 // a Slot code, or the length with SlotCut
}

// Header is what a record says besides its slots.
type Header struct {
	Emission, Function int
	Time               uint64
	PID, TID           int
	Duration           uint64
	Goroutine          uint64
	Depth              int
	Outcome            event.Outcome
	Callee             int // function ID + 1
	Comm               string
}

// Capture fills slots at a hit of no run in particular; saved are those of the call's frame. It says how many reads failed.
func Capture(h *Hit, saved []Captured, slots []plan.Slot) (list []Captured, unreadable int) {
	m := New(&plan.Plan{}, 0, nil)
	x := &thread{Hit: h, m: m, body: &plan.Body{}, frame: &frame{slots: saved}}
	list = x.capture(nil, slots)
	return list, int(m.Counts[plan.CountUnreadable])
}

// Eval gives the value of a number at a hit of no run in particular.
func Eval(h *Hit, saved []Captured, e plan.Expr) (v uint64, unreadable int) {
	m := New(&plan.Plan{}, 0, nil)
	x := &thread{Hit: h, m: m, body: &plan.Body{}, frame: &frame{slots: saved}}
	v = x.eval(e)
	return v, int(m.Counts[plan.CountUnreadable])
}

func (x *thread) saved(i int) Captured {
	if x.frame == nil || i < 0 || i >= len(x.frame.slots) {
		return Captured{}
	}
	return x.frame.slots[i]
}

// capture fills slots after those that a record has already.
func (x *thread) capture(have []Captured, slots []plan.Slot) []Captured {
	used := 0
	for i := range have {
		used += align8(len(have[i].Bytes))
	}
	most := limit(x.m.plan.Limits.Capture, plan.DefaultLimits().Capture)
	for i := range slots {
		c := x.captureOne(&slots[i], used > most)
		used += align8(len(c.Bytes))
		have = append(have, c)
	}
	return have
}

func align8(n int) int { return (n + 7) &^ 7 }

func (x *thread) captureOne(s *plan.Slot, full bool) Captured {
	c := Captured{Kind: s.Kind}
	isNumber := s.Kind == plan.SlotInt || s.Kind == plan.SlotSym
	switch {
	case x.m.Unavailable[s]:
		c.Code = plan.SlotUnavailable
	case s.If != nil && x.eval(s.If) == 0:
		if !isNumber {
			c.Code = plan.SlotSkipped
		}
	case isNumber:
		c.Number = x.eval(s.X)
	default:
		x.captureData(s, &c, full)
	}
	return c
}

func (c *Captured) hold(b []byte) {
	c.Bytes, c.Code = b, uint32(len(b))
}

// captureData fills a slot of memory. That the record has no room is found when there is something to be put into it.
func (x *thread) captureData(s *plan.Slot, c *Captured, full bool) {
	switch s.Kind {
	case plan.SlotText, plan.SlotTuple:
		b := x.part(s.X, s.X.Type())
		if s.Kind == plan.SlotText && s.X.Type().Kind == plan.StrType {
			b = b[:s.X.Type().TextSize()]
		}
		if !x.full(c, full) {
			c.hold(b)
		}
	case plan.SlotStack:
		x.captureStack(s, c, full)
	default:
		x.captureMemory(s, c, full)
	}
}

// full says so in a slot for which there is no room.
func (x *thread) full(c *Captured, full bool) bool {
	if full {
		x.m.Counts[plan.CountTruncated]++
		c.Code = plan.SlotFull
	}
	return full
}

func (x *thread) captureStack(s *plan.Slot, c *Captured, full bool) {
	c.Code = plan.SlotUnreadable
	if x.Site == nil && len(x.Stack) == 0 || x.full(c, full) {
		return
	}
	if len(x.Stack) == 0 {
		x.m.Counts[plan.CountUnreadable]++
		return
	}
	var b []byte
	for _, pc := range x.Stack[:min(len(x.Stack), max(s.Size/8, 1))] {
		b = binary.LittleEndian.AppendUint64(b, pc)
	}
	c.hold(b)
}

// slotSize is the largest length of a slot's data.
func slotSize(s *plan.Slot) int { return min(max(s.Size, 1), plan.SlotMaxLen) }

func (x *thread) captureMemory(s *plan.Slot, c *Captured, full bool) {
	size, cut := slotSize(s), uint32(0)
	if s.Kind == plan.SlotBuf && s.Len != nil {
		wanted := int64(x.eval(s.Len))
		if wanted > int64(size) {
			cut = plan.SlotCut
		} else {
			size = int(max(wanted, 0))
		}
	}
	addr := x.eval(s.X)
	if addr == 0 { // a null pointer is no failure
		c.Code = plan.SlotUnreadable
		return
	}
	if cut != 0 {
		x.m.Counts[plan.CountTruncated]++
	}
	if x.full(c, full) {
		return
	}
	if s.Kind == plan.SlotStr {
		text, cut, ok := x.untilNUL(addr, size)
		x.countText(cut, ok)
		c.hold(text)
		if cut {
			c.Code |= plan.SlotCut
		}
		if !ok {
			c.Code = plan.SlotUnreadable
		}
		return
	}
	b, ok := x.read(addr, size)
	if !ok {
		c.Code = plan.SlotUnreadable
		return
	}
	c.hold(b)
	c.Code |= cut
}

// Record lays out a record: the header of an emission of this kind, the slots, and their data.
func Record(kind plan.EmissionKind, h Header, slots []Captured) []byte {
	b := make([]byte, (&plan.Emission{Kind: kind}).Header())
	binary.LittleEndian.PutUint32(b[plan.RecordEmission:], uint32(h.Emission))
	binary.LittleEndian.PutUint32(b[plan.RecordFunction:], uint32(h.Function))
	binary.LittleEndian.PutUint64(b[plan.RecordTime:], h.Time)
	binary.LittleEndian.PutUint64(b[plan.RecordPID:], uint64(h.PID)<<32|uint64(uint32(h.TID)))
	if kind == plan.EmitCall {
		binary.LittleEndian.PutUint64(b[plan.RecordDuration:], h.Duration)
		binary.LittleEndian.PutUint64(b[plan.RecordGoid:], h.Goroutine)
		binary.LittleEndian.PutUint32(b[plan.RecordDepth:], uint32(h.Depth))
		binary.LittleEndian.PutUint32(b[plan.RecordOutcome:], uint32(h.Outcome)|uint32(h.Callee)<<8)
		copy(b[plan.RecordComm:plan.RecordComm+plan.CommSize], h.Comm)
	}
	header := len(b)
	b = append(b, make([]byte, 8*len(slots))...)
	for i, c := range slots {
		word := c.Number
		if c.Kind != plan.SlotInt && c.Kind != plan.SlotSym {
			word = uint64(c.Code) << 32
			if c.Code < plan.SlotUnavailable {
				word |= uint64(len(b))
				b = append(b, c.Bytes...)
				b = append(b, make([]byte, -len(b)&7)...)
			}
		}
		binary.LittleEndian.PutUint64(b[header+8*i:], word)
	}
	return b
}
