package symbol

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"sort"
)

// frame is what .eh_frame says of one function, symbols or not: where it is, and where its exception table is.
type frame struct {
	span
	lsda uint64 // 0 none
}

// Pointer encodings. Source: LSB, "DWARF Exception Header Encoding".
const (
	peOmit     = 0xff
	peULEB     = 0x1
	peData2    = 0x2
	peData4    = 0x3
	peData8    = 0x4
	peSigned   = 0x8
	pePCRel    = 0x10
	peIndirect = 0x80

	maxFrames  = 4 << 20
	maxEHFrame = 512 << 20
)

var errFrame = errors.New(".eh_frame is damaged")

// frames reads .eh_frame, sorted by address. What is damaged ends the list.
func (f *File) frames() []frame {
	f.framesOnce.Do(func() {
		s := f.image.section(".eh_frame")
		if s == nil {
			return
		}
		data, err := f.image.contents(s, maxEHFrame)
		if err != nil {
			return
		}
		r := frameReader{data: data, addr: s.Addr, common: map[uint64]commonInfo{}}
		f.frameList = r.all()
		slices.SortFunc(f.frameList, func(a, b frame) int { return cmp.Compare(a.from, b.from) })
	})
	return f.frameList
}

// frameAt gives the frame that covers an address.
func (f *File) frameAt(addr Addr) (frame, bool) {
	all := f.frames()
	i := sort.Search(len(all), func(i int) bool { return all[i].from > uint64(addr) }) - 1
	if i < 0 || uint64(addr) >= all[i].to {
		return frame{}, false
	}
	return all[i], true
}

// frameReader goes through .eh_frame: records {u32 length, u32 CIE, ...}, where CIE is 0 in a common record, and in others the way
// back from this field to theirs.
type frameReader struct {
	data   []byte
	addr   uint64 // of data
	common map[uint64]commonInfo
}

// commonInfo is what a CIE says of the encodings of its FDEs.
type commonInfo struct {
	sized    bool // augmentation data has its length in front
	pointer  byte
	lsda     byte
	hasError bool
}

func (r *frameReader) all() []frame {
	var frames []frame
	for at := uint64(0); at+4 <= uint64(len(r.data)) && len(frames) < maxFrames; {
		length := uint64(binary.LittleEndian.Uint32(r.data[at:]))
		if length == 0 || length == 1<<32-1 || length < 4 || at+4+length > uint64(len(r.data)) {
			break // the end, or a 64-bit record, which no compiler writes here
		}
		body := at + 4
		record := cursor{data: r.data[:body+length], at: body + 4, addr: r.addr}
		if back := uint64(binary.LittleEndian.Uint32(r.data[body:])); back != 0 && back <= body {
			if one, ok := r.description(record, r.commonAt(body-back)); ok {
				frames = append(frames, one)
			}
		}
		at = body + length
	}
	return frames
}

// commonAt reads the CIE whose length field is at a position, once.
func (r *frameReader) commonAt(at uint64) commonInfo {
	if info, known := r.common[at]; known {
		return info
	}
	info := r.readCommon(at)
	r.common[at] = info
	return info
}

// readCommon: {u32 length, u32 0, u8 version, augmentation string, uleb code align, sleb data align, return register, then by the
// letters of the string: z length, R encoding of pointers, P personality, L encoding of the exception table, S, B}.
func (r *frameReader) readCommon(at uint64) commonInfo {
	info := commonInfo{lsda: peOmit, hasError: true}
	if at+8 > uint64(len(r.data)) {
		return info
	}
	length := uint64(binary.LittleEndian.Uint32(r.data[at:]))
	if at+4+length > uint64(len(r.data)) || binary.LittleEndian.Uint32(r.data[at+4:]) != 0 {
		return info
	}
	c := cursor{data: r.data[:at+4+length], at: at + 8, addr: r.addr}
	version := c.u8()
	letters := c.text()
	c.uleb()
	c.uleb() // sleb: as long
	if version == 1 {
		c.u8()
	} else {
		c.uleb()
	}
	for _, letter := range letters {
		switch letter {
		case 'z':
			info.sized = true
			c.uleb()
		case 'R':
			info.pointer = c.u8()
		case 'P':
			c.pointer(c.u8())
		case 'L':
			info.lsda = c.u8()
		case 'S', 'B':
		default:
			return info
		}
	}
	info.hasError = c.err != nil
	return info
}

// description reads the rest of an FDE: {pointer start, size, [uleb length, pointer exception table]}.
func (r *frameReader) description(c cursor, info commonInfo) (frame, bool) {
	start := c.pointer(info.pointer)
	size := c.pointer(info.pointer & 0x0f)
	one := frame{span: span{start, start + size}}
	if info.sized {
		c.uleb()
		if info.lsda != peOmit {
			// A null pointer means none, whatever it is relative to.
			before := c.at
			if c.raw(info.lsda) != 0 {
				c.at = before
				one.lsda = c.pointer(info.lsda &^ peIndirect)
			}
		}
	}
	return one, c.err == nil && !info.hasError && size > 0 && one.to > one.from
}

// cursor reads numbers of a section one after the other; the first that is not there sets err.
type cursor struct {
	data []byte
	at   uint64
	addr uint64 // of data[0]
	err  error
}

func (c *cursor) take(n uint64) []byte {
	if c.err != nil || c.at > uint64(len(c.data)) || n > uint64(len(c.data))-c.at {
		c.err = errFrame
		return make([]byte, 8)
	}
	b := c.data[c.at : c.at+n]
	c.at += n
	return b
}

func (c *cursor) u8() byte { return c.take(1)[0] }

func (c *cursor) uleb() uint64 {
	var value uint64
	for shift := 0; shift < 70; shift += 7 {
		b := c.u8()
		value |= uint64(b&0x7f) << shift
		if b&0x80 == 0 {
			break
		}
	}
	return value
}

func (c *cursor) text() string {
	from := c.at
	for c.err == nil && c.u8() != 0 {
	}
	if c.err != nil {
		return ""
	}
	return string(c.data[from : c.at-1])
}

// raw reads a pointer's number without what it is relative to.
func (c *cursor) raw(encoding byte) uint64 {
	if encoding == peOmit {
		return 0
	}
	var value uint64
	switch encoding & 0x07 {
	case peULEB:
		return c.uleb()
	case peData2:
		value = uint64(binary.LittleEndian.Uint16(c.take(2)))
		if encoding&peSigned != 0 {
			value = uint64(int64(int16(value)))
		}
	case peData4:
		value = uint64(binary.LittleEndian.Uint32(c.take(4)))
		if encoding&peSigned != 0 {
			value = uint64(int64(int32(value)))
		}
	case 0, peData8:
		value = binary.LittleEndian.Uint64(c.take(8))
	default:
		c.err = errFrame
	}
	return value
}

// pointer reads an address; of an indirect one, where it is kept.
func (c *cursor) pointer(encoding byte) uint64 {
	place := c.addr + c.at
	value := c.raw(encoding)
	if encoding != peOmit && encoding&0x70 == pePCRel {
		value += place
	}
	return value
}
