// Package plantest runs captures against registers and memory that a test made up, as an engine would against a process.
//
// In: slots and a Machine. Out: records as a plan's layout has them, so that capture and Decoder are tested together
// without a kernel; it is the meaning of expressions and slots, spelled out in the plainest way. Tests only.
package plantest

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
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

// read gives size bytes, all or none.
func (m *Machine) read(addr, size uint64) ([]byte, bool) {
	b := make([]byte, 0, size)
	for i := range size {
		c, ok := m.byteAt(addr + i)
		if !ok {
			m.Unreadable++
			return nil, false
		}
		b = append(b, c)
	}
	return b, true
}

// Eval gives the value of an integer expression.
func (m *Machine) Eval(e plan.Expr) uint64 {
	switch e := e.(type) {
	case *plan.Const:
		return uint64(e.V)
	case *plan.Reg:
		return m.Regs[e.R]
	case *plan.Value:
		return m.builtin(e.B)
	case *plan.Load:
		b, ok := m.read(m.Eval(e.Addr), uint64(e.Size))
		if !ok {
			return 0
		}
		return extend(binary.LittleEndian.Uint64(append(b, make([]byte, 8)...)), e.T)
	case *plan.Saved:
		return m.Saved[e.Slot].Number
	case *plan.Unary:
		return m.unary(e)
	case *plan.Binary:
		return m.binary(e)
	case *plan.Choose:
		if m.Eval(e.C) != 0 {
			return m.Eval(e.X)
		}
		return m.Eval(e.Y)
	case *plan.Cast:
		return extend(m.Eval(e.X), e.T)
	case *plan.SymOf:
		return m.Eval(e.X)
	}
	panic("plantest: no such expression")
}

// extend keeps T.Size bytes and extends them by its sign.
func extend(v uint64, t plan.Type) uint64 {
	if t.Size <= 0 || t.Size >= 8 {
		return v
	}
	shift := 64 - 8*t.Size
	if t.Signed {
		return uint64(int64(v<<shift) >> shift)
	}
	return v << shift >> shift
}

func (m *Machine) builtin(b plan.Builtin) uint64 {
	switch b {
	case plan.SP:
		return m.EntrySP
	case plan.PID, plan.TID:
		return 42
	}
	return 0
}

func (m *Machine) unary(e *plan.Unary) uint64 {
	x := m.Eval(e.X)
	switch e.Op {
	case "-":
		return -x
	case "~":
		return ^x
	}
	return truth(x == 0)
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (m *Machine) binary(e *plan.Binary) uint64 {
	x := m.Eval(e.X)
	switch e.Op {
	case "&&":
		return truth(x != 0 && m.Eval(e.Y) != 0)
	case "||":
		return truth(x != 0 || m.Eval(e.Y) != 0)
	}
	y := m.Eval(e.Y)
	if e.Signed {
		if v, ok := signedOp(e.Op, int64(x), int64(y)); ok {
			return v
		}
	}
	return unsignedOp(e.Op, x, y)
}

func signedOp(op string, x, y int64) (uint64, bool) {
	switch op {
	case "<":
		return truth(x < y), true
	case "<=":
		return truth(x <= y), true
	case ">":
		return truth(x > y), true
	case ">=":
		return truth(x >= y), true
	case ">>":
		return uint64(x >> uint64(y)), true
	case "/", "%":
		if y == 0 || x == math.MinInt64 && y == -1 {
			return 0, true
		}
		if op == "/" {
			return uint64(x / y), true
		}
		return uint64(x % y), true
	}
	return 0, false
}

func unsignedOp(op string, x, y uint64) uint64 {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "&":
		return x & y
	case "|":
		return x | y
	case "^":
		return x ^ y
	case "<<":
		return x << y
	case ">>":
		return x >> y
	case "==":
		return truth(x == y)
	case "!=":
		return truth(x != y)
	case "<":
		return truth(x < y)
	case "<=":
		return truth(x <= y)
	case ">":
		return truth(x > y)
	case ">=":
		return truth(x >= y)
	case "/", "%":
		if y == 0 {
			return 0
		}
		if op == "/" {
			return x / y
		}
		return x % y
	}
	panic("plantest: no operator " + op)
}

// text gives the value of a string expression.
func (m *Machine) text(e plan.Expr) string {
	switch e := e.(type) {
	case *plan.Text:
		return e.S
	case *plan.Value:
		return m.Comm
	case *plan.Saved:
		return strings.TrimRight(string(m.Saved[e.Slot].Bytes), "\x00")
	}
	panic("plantest: no such string expression")
}
