package plantest

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

// Capture fills slots.
func (m *Machine) Capture(slots []plan.Slot) []Captured {
	var out []Captured
	for i := range slots {
		out = append(out, m.capture(&slots[i]))
	}
	return out
}

func (m *Machine) capture(s *plan.Slot) Captured {
	c := Captured{Kind: s.Kind}
	switch {
	case s.Kind == plan.SlotInt || s.Kind == plan.SlotSym:
		c.Number = m.Eval(s.X)
		return c
	case s.If != nil && m.Eval(s.If) == 0:
		c.Code = plan.SlotSkipped
		return c
	case s.Kind == plan.SlotText:
		c.Bytes = []byte(m.text(s.X))
		c.Code = uint32(len(c.Bytes))
		return c
	case s.Kind == plan.SlotStack:
		c.Bytes = Words(0x401000, 0x401105)
		c.Code = uint32(len(c.Bytes))
		return c
	}
	return m.captureMemory(s, c)
}

func (m *Machine) captureMemory(s *plan.Slot, c Captured) Captured {
	addr, size, cut := m.Eval(s.X), uint64(s.Size), uint32(0)
	if addr == 0 { // a null pointer is no failure
		c.Code = plan.SlotUnreadable
		return c
	}
	switch s.Kind {
	case plan.SlotBuf:
		if n := m.Eval(s.Len); n > size {
			cut = plan.SlotCut
		} else {
			size = n
		}
	case plan.SlotStr:
		size, cut = m.stringLength(addr, size)
	}
	b, ok := m.read(addr, size)
	if s.Kind == plan.SlotStr && size == 0 {
		_, ok = m.read(addr, 1)
	}
	if !ok {
		c.Code = plan.SlotUnreadable
		return c
	}
	c.Bytes, c.Code = b, uint32(len(b))|cut
	return c
}

// stringLength is the number of bytes before a NUL.
func (m *Machine) stringLength(addr, size uint64) (uint64, uint32) {
	for i := range size {
		if c, ok := m.byteAt(addr + i); ok && c == 0 {
			return i, 0
		}
	}
	return size, plan.SlotCut
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

// Record lays out a record: the header of an emission of this kind, the slots, and their data.
func Record(kind plan.EmissionKind, h Header, slots []Captured) []byte {
	b := make([]byte, (&plan.Emission{Kind: kind}).Header())
	binary.LittleEndian.PutUint32(b[plan.RecordEmission:], uint32(h.Emission))
	binary.LittleEndian.PutUint32(b[plan.RecordFunction:], uint32(h.Function))
	binary.LittleEndian.PutUint64(b[plan.RecordTime:], h.Time)
	binary.LittleEndian.PutUint64(b[plan.RecordPID:], uint64(h.PID)<<32|uint64(h.TID))
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
			if len(c.Bytes) > 0 {
				word |= uint64(len(b))
				b = append(b, c.Bytes...)
				b = append(b, make([]byte, -len(b)&7)...)
			}
		}
		binary.LittleEndian.PutUint64(b[header+8*i:], word)
	}
	return b
}
