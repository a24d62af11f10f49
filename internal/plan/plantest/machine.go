// Package plantest runs captures against registers and memory that a test made up, as an engine would against a process.
//
// In: slots and a Machine. Out: records as a plan's layout has them, so that capture and Decoder are tested together
// without a kernel; what expressions and slots mean is interp's. Tests only.
package plantest

import (
	"encoding/binary"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/interp"
)

// Machine is one thread of a process that stands at a probe.
type Machine struct {
	Regs [16]uint64
	// EntrySP is the stack pointer that the function was entered with.
	EntrySP uint64
	Comm    string
	// Saved are the slots of the frame.
	Saved []Captured
	// Unreadable counts reads of memory that is not there.
	Unreadable int

	memory []segment
	next   uint64
}

type segment struct {
	addr  uint64
	bytes []byte
}

// NewMachine gives a machine with a stack of some words and nothing else.
func NewMachine() *Machine {
	m := &Machine{EntrySP: 0x7ffd00001000, next: 0x555500001000}
	m.Put(m.EntrySP, make([]byte, 512))
	return m
}

// Put places bytes at an address; what was put last wins.
func (m *Machine) Put(addr uint64, bytes []byte) {
	m.memory = append([]segment{{addr, append([]byte(nil), bytes...)}}, m.memory...)
}

// Alloc places bytes somewhere, with room to neither side, and gives the address.
func (m *Machine) Alloc(bytes ...byte) uint64 {
	addr := m.next
	m.next += uint64(len(bytes)+0x1000) &^ 0xfff
	m.next += 0x1000
	m.Put(addr, bytes)
	return addr
}

// Text places text with the NUL that ends it.
func (m *Machine) Text(s string) uint64 { return m.Alloc(append([]byte(s), 0)...) }

// Words places 64-bit numbers.
func (m *Machine) Words(words ...uint64) uint64 { return m.Alloc(Words(words...)...) }

// Page places 64-bit numbers at the start of a page of zeros.
func (m *Machine) Page(words ...uint64) uint64 {
	return m.Alloc(append(Words(words...), make([]byte, 4096-8*len(words))...)...)
}

// Words gives the bytes of 64-bit numbers.
func Words(words ...uint64) []byte {
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// Set gives a register a value.
func (m *Machine) Set(r ctype.Register, v uint64) *Machine {
	m.Regs[r] = v
	return m
}

func (m *Machine) byteAt(addr uint64) (byte, bool) {
	for _, s := range m.memory {
		if addr >= s.addr && addr-s.addr < uint64(len(s.bytes)) {
			return s.bytes[addr-s.addr], true
		}
	}
	return 0, false
}

// Bytes gives n bytes from the address on, or as many as there are.
func (m *Machine) Bytes(addr uint64, n int) []byte {
	var b []byte
	for len(b) < n {
		c, ok := m.byteAt(addr + uint64(len(b)))
		if !ok {
			break
		}
		b = append(b, c)
	}
	return b
}

// hit is the thread as an engine sees it.
func (m *Machine) hit() *interp.Hit {
	return &interp.Hit{Regs: m.Regs, SP: m.EntrySP, PID: 42, TID: 42, Comm: m.Comm, Memory: m, Stack: []uint64{0x401000, 0x401105}}
}

// Eval gives the value of an integer expression.
func (m *Machine) Eval(e plan.Expr) uint64 {
	v, unreadable := interp.Eval(m.hit(), m.Saved, e)
	m.Unreadable += unreadable
	return v
}

// Capture fills slots.
func (m *Machine) Capture(slots []plan.Slot) []Captured {
	list, unreadable := interp.Capture(m.hit(), m.Saved, slots)
	m.Unreadable += unreadable
	return list
}

// Captured is what a slot took.
type Captured = interp.Captured

// Header is what a record says besides its slots.
type Header = interp.Header

// Record lays out a record.
func Record(kind plan.EmissionKind, h Header, slots []Captured) []byte {
	return interp.Record(kind, h, slots)
}
