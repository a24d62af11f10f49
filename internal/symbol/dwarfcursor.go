package symbol

import (
	"bytes"
	"encoding/binary"
)

// dwarfCursor reads little-endian numbers from a section. Past the end it gives zeros and remembers that it was asked: the
// caller looks at bad when it matters, and no claim of a hostile file is followed further than its bytes reach.
type dwarfCursor struct {
	data []byte
	at   int
	bad  bool
}

func (c *dwarfCursor) bytes(n int) []byte {
	if n < 0 || n > len(c.data)-c.at {
		c.bad = true
		c.at = len(c.data)
		return nil
	}
	b := c.data[c.at : c.at+n]
	c.at += n
	return b
}

func (c *dwarfCursor) skip(n uint64) {
	if n > uint64(len(c.data)-c.at) {
		c.bad = true
		c.at = len(c.data)
		return
	}
	c.at += int(n)
}

func (c *dwarfCursor) u8() uint8 {
	if c.at >= len(c.data) {
		c.bad = true
		return 0
	}
	b := c.data[c.at]
	c.at++
	return b
}

func (c *dwarfCursor) u16() uint16 { return uint16(c.fixed(2)) }
func (c *dwarfCursor) u32() uint32 { return uint32(c.fixed(4)) }
func (c *dwarfCursor) u64() uint64 { return c.fixed(8) }

// fixed reads a number of 1 to 8 bytes.
func (c *dwarfCursor) fixed(size int) uint64 {
	b := c.bytes(size)
	if b == nil {
		return 0
	}
	switch size {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	case 8:
		return binary.LittleEndian.Uint64(b)
	}
	var v uint64
	for i := min(size, 8) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

func (c *dwarfCursor) uleb() uint64 {
	var v uint64
	for shift := uint(0); ; shift += 7 {
		b := c.u8()
		if shift < 64 {
			v |= uint64(b&0x7f) << shift
		}
		if b < 0x80 {
			return v
		}
	}
}

func (c *dwarfCursor) sleb() int64 {
	var v int64
	for shift := uint(0); ; {
		b := c.u8()
		if shift < 64 {
			v |= int64(b&0x7f) << shift
		}
		shift += 7
		if b < 0x80 {
			if b&0x40 != 0 && shift < 64 {
				v |= -1 << shift
			}
			return v
		}
	}
}

// text reads up to a NUL.
func (c *dwarfCursor) text() []byte {
	n := bytes.IndexByte(c.data[c.at:], 0)
	if n < 0 {
		c.bad = true
		c.at = len(c.data)
		return nil
	}
	b := c.data[c.at : c.at+n]
	c.at += n + 1
	return b
}

// textAt reads a string of a string section.
func textAt(data []byte, offset uint64) []byte {
	if offset >= uint64(len(data)) {
		return nil
	}
	c := dwarfCursor{data: data, at: int(offset)}
	return c.text()
}

// offsetSize is the size of a section offset in 32-bit and 64-bit DWARF.
func offsetSize(dwarf64 bool) int {
	if dwarf64 {
		return 8
	}
	return 4
}

// unitLength reads the length that begins every unit, and tells which DWARF it is. Source: DWARF 5, section 7.4.
func (c *dwarfCursor) unitLength() (length uint64, dwarf64 bool) {
	length = uint64(c.u32())
	if length == 0xffffffff {
		return c.u64(), true
	}
	if length >= 0xfffffff0 {
		c.bad = true
	}
	return length, false
}
