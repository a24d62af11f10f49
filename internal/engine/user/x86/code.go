package x86

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Label is a place in the code, known before or after it is bound.
type Label int

// Code is a piece of machine code under construction. Jumps have no bytes until Assemble, which gives each the short form where
// that reaches.
type Code struct {
	buf    []byte
	gaps   []gap
	labels []bound
	rips   []rip
	err    error
}

// bound is where a label is: behind so many bytes of buf and so many gaps; bytes is -1 as long as nobody knows.
type bound struct{ bytes, gaps int }

// gap is a jump or call that is filled in at the end.
type gap struct {
	at    int // in buf
	kind  gapKind
	cond  Cond
	to    Label
	abs   uint64 // the target where far is set
	far   bool
	long  bool
	start int // in the finished code
}

type gapKind uint8

const (
	jump gapKind = iota
	jumpIf
	call
)

// size is the number of bytes that a gap takes.
func (g *gap) size() int {
	switch {
	case g.kind == call:
		return 5
	case !g.long:
		return 2
	case g.kind == jumpIf:
		return 6
	}
	return 5
}

// rip is a displacement relative to the end of its instruction.
type rip struct {
	at, gaps int // of the four bytes
	tail     int // bytes of the instruction behind them
	to       Label
	disp     int32
}

func (c *Code) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("machine code: "+format, args...)
	}
}

// Label makes a label that is not bound yet.
func (c *Code) Label() Label {
	c.labels = append(c.labels, bound{bytes: -1})
	return Label(len(c.labels) - 1)
}

// Bind puts a label here.
func (c *Code) Bind(l Label) {
	if c.labels[l].bytes >= 0 {
		c.fail("label %d is bound twice", l)
	}
	c.labels[l] = bound{len(c.buf), len(c.gaps)}
}

// Here is a new label at this place.
func (c *Code) Here() Label {
	l := c.Label()
	c.Bind(l)
	return l
}

// Raw appends bytes as they are: relocated instructions, data.
func (c *Code) Raw(b ...byte) { c.buf = append(c.buf, b...) }

// Quad64 appends a word of data.
func (c *Code) Quad64(v uint64) { c.buf = binary.LittleEndian.AppendUint64(c.buf, v) }

// Assemble gives the code for an address. It may be called again, for another one.
func (c *Code) Assemble(base uint64) ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	for l, b := range c.labels {
		if b.bytes < 0 {
			return nil, fmt.Errorf("machine code: label %d is nowhere", l)
		}
	}
	for i := range c.gaps {
		c.gaps[i].long = false
	}
	for c.grow(base) {
	}
	return c.write(base)
}

// grow lays the gaps out and reports whether one had to become longer.
func (c *Code) grow(base uint64) (grown bool) {
	shift := 0
	for i := range c.gaps {
		g := &c.gaps[i]
		g.start = g.at + shift
		shift += g.size()
	}
	for i := range c.gaps {
		g := &c.gaps[i]
		if d := c.distance(g, base); g.kind != call && !g.long && d != int64(int8(d)) {
			g.long, grown = true, true
		}
	}
	return grown
}

func (c *Code) distance(g *gap, base uint64) int64 {
	end := g.start + g.size()
	if g.far {
		return int64(g.abs - base - uint64(end))
	}
	return int64(c.Offset(g.to) - end)
}

// Offset is where a label is in the code that Assemble gave last.
func (c *Code) Offset(l Label) int {
	b := c.labels[l]
	return c.place(b.bytes, b.gaps)
}

// place turns a place behind bytes and gaps into one of the finished code.
func (c *Code) place(bytes, gaps int) int {
	if gaps == 0 {
		return bytes
	}
	g := &c.gaps[gaps-1]
	return bytes - g.at + g.start + g.size()
}

func (c *Code) write(base uint64) ([]byte, error) {
	out := make([]byte, 0, c.place(len(c.buf), len(c.gaps)))
	done := 0
	for i := range c.gaps {
		g := &c.gaps[i]
		out = append(out, c.buf[done:g.at]...)
		done = g.at
		d := c.distance(g, base)
		if d != int64(int32(d)) {
			return nil, fmt.Errorf("machine code: a jump over %d bytes", d)
		}
		out = g.append(out, int32(d))
	}
	out = append(out, c.buf[done:]...)
	for _, r := range c.rips {
		at := c.place(r.at, r.gaps)
		d := int64(c.Offset(r.to)) + int64(r.disp) - int64(at+4+r.tail)
		if d != int64(int32(d)) {
			return nil, fmt.Errorf("machine code: data %d bytes away", d)
		}
		binary.LittleEndian.PutUint32(out[at:], uint32(d))
	}
	return out, nil
}

func (g *gap) append(out []byte, d int32) []byte {
	switch {
	case g.kind == call:
		out = append(out, 0xe8)
	case g.kind == jump && !g.long:
		return append(out, 0xeb, byte(d))
	case g.kind == jump:
		out = append(out, 0xe9)
	case !g.long:
		return append(out, 0x70|byte(g.cond), byte(d))
	default:
		out = append(out, 0x0f, 0x80|byte(g.cond))
	}
	return binary.LittleEndian.AppendUint32(out, uint32(d))
}

// Jmp jumps to a label, Jcc under a condition, Call calls what is there.
func (c *Code) Jmp(l Label)            { c.gap(gap{kind: jump, to: l}) }
func (c *Code) Jcc(cond Cond, l Label) { c.gap(gap{kind: jumpIf, cond: cond, to: l}) }
func (c *Code) Call(l Label)           { c.gap(gap{kind: call, to: l}) }
func (c *Code) JmpTo(a uint64)         { c.gap(gap{kind: jump, abs: a, far: true}) }
func (c *Code) JccTo(d Cond, a uint64) { c.gap(gap{kind: jumpIf, cond: d, abs: a, far: true}) }
func (c *Code) CallTo(addr uint64)     { c.gap(gap{kind: call, abs: addr, far: true}) }
func (c *Code) gap(g gap)              { g.at = len(c.buf); c.gaps = append(c.gaps, g) }
func fits8(v int32) bool               { return v == int32(int8(v)) }
func fits32(v int64) bool              { return v >= math.MinInt32 && v <= math.MaxInt32 }
func (c *Code) imm32(v int32)          { c.buf = binary.LittleEndian.AppendUint32(c.buf, uint32(v)) }
func (c *Code) immediate(s Size, v int32) {
	switch s {
	case Byte:
		c.Raw(byte(v))
	case Half:
		c.Raw(byte(v), byte(v>>8))
	default:
		c.imm32(v)
	}
}
