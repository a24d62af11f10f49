package site

import "errors"

// opmap is the opcode map that an opcode byte belongs to (Intel SDM vol. 2, appendix A).
type opmap uint8

const (
	oneByte opmap = iota
	map0F
	map0F38
	map0F3A
	mapOther // EVEX maps 5 and 6, XOP maps 8, 9, 10
)

// encoding is where the parts of one instruction lie in its bytes.
//
//	prefixes  REX | VEX | EVEX | XOP  opcode  ModRM  SIB  displacement  immediate
type encoding struct {
	len      uint8
	legacy   uint8 // number of legacy prefix bytes, all at the start
	rex      uint8 // the REX byte that counts, 0 none
	vector   bool  // VEX, EVEX or XOP
	opmap    opmap
	op       uint8
	hasModRM bool
	modrm    uint8
	dispOff  uint8
	dispLen  uint8
	immOff   uint8
	immLen   uint8
	data16   bool // operand size prefix
	addr32   bool // address size prefix
	rep      bool // f3
	repne    bool // f2
	refused  bool // es, cs, ss, ds or lock: kernels refuse a uprobe on such an instruction
}

var (
	errShort   = errors.New("instruction is cut off")
	errInvalid = errors.New("not an instruction")
)

// maxInst is the longest instruction the processor accepts.
const maxInst = 15

// reader walks the bytes of one instruction; reading past the end sets short and gives zeros.
type reader struct {
	code  []byte
	pos   int
	short bool
}

func (r *reader) next() byte {
	if r.pos >= len(r.code) || r.pos >= maxInst {
		r.short = true
		return 0
	}
	r.pos++
	return r.code[r.pos-1]
}

// parse finds the parts of the instruction at the start of code. It needs no operand tables: what decides the
// length in 64-bit mode is the map, the opcode, ModRM and three prefixes.
func parse(code []byte) (encoding, error) {
	r := &reader{code: code}
	e := encoding{}
	op := e.prefixes(r)
	var err error
	switch {
	case op == 0xc4 || op == 0xc5 || op == 0x62 || op == 0x8f && r.pos < len(code) && code[r.pos]&0x1f >= 8:
		err = e.vectorPrefix(r, op)
	case op == 0x0f:
		e.opmap, e.op = map0F, r.next()
		switch e.op {
		case 0x38:
			e.opmap, e.op = map0F38, r.next()
		case 0x3a:
			e.opmap, e.op = map0F3A, r.next()
		}
	default:
		e.op = op
	}
	if err != nil {
		return e, err
	}
	shape := e.shape()
	if shape == bad && !r.short {
		return e, errInvalid
	}
	if shape&modRM != 0 {
		e.memory(r)
	}
	e.immediate(r, shape)
	if r.short {
		if len(code) >= maxInst {
			return e, errInvalid
		}
		return e, errShort
	}
	e.len = uint8(r.pos)
	return e, nil
}

// prefixes reads legacy prefixes and REX and returns the byte after them. A REX that is followed by a legacy
// prefix has no effect.
func (e *encoding) prefixes(r *reader) byte {
	for {
		b := r.next()
		switch b {
		case 0x66:
			e.data16 = true
		case 0x67:
			e.addr32 = true
		case 0xf2:
			e.repne = true
		case 0xf3:
			e.rep = true
		case 0xf0, 0x26, 0x2e, 0x36, 0x3e:
			e.refused = true
		case 0x64, 0x65:
		default:
			if b&0xf0 != 0x40 || r.short {
				return b
			}
			e.rex = b
			continue
		}
		e.rex = 0
		e.legacy = uint8(r.pos)
	}
}

// vectorPrefix reads what follows c5, c4, 62 and 8f, and the opcode.
func (e *encoding) vectorPrefix(r *reader, first byte) error {
	e.vector = true
	if e.rex != 0 {
		return errInvalid
	}
	m := byte(1)
	payload := r.next()
	switch first {
	case 0xc4, 0x8f:
		m = payload & 0x1f
		e.rex = r.next() & 0x80 >> 4 // W, where REX has it
	case 0x62:
		m = payload & 7
		r.next()
		r.next()
	}
	e.op = r.next()
	switch {
	case m >= 1 && m <= 3 && first != 0x8f:
		e.opmap = opmap(m)
	case first == 0x62 && (m == 5 || m == 6), first == 0x8f && m >= 8 && m <= 10:
		e.opmap = mapOther
		if m == 8 || m == 10 {
			e.immLen = map[byte]uint8{8: 1, 10: 4}[m]
		}
	default:
		if !r.short {
			return errInvalid
		}
	}
	return nil
}

// memory reads ModRM, SIB and the displacement (SDM vol. 2, tables 2-2 and 2-3).
func (e *encoding) memory(r *reader) {
	e.hasModRM, e.modrm = true, r.next()
	mod, rm := e.modrm>>6, e.modrm&7
	if mod == 3 || e.opmap == map0F && !e.vector && e.op >= 0x20 && e.op <= 0x23 {
		return // a register; moves to control registers ignore mod
	}
	base := rm
	if rm == 4 {
		base = r.next() & 7
	}
	switch {
	case mod == 1:
		e.dispLen = 1
	case mod == 2, mod == 0 && base == 5:
		e.dispLen = 4
	}
	e.dispOff = uint8(r.pos)
	for range e.dispLen {
		r.next()
	}
}

// immediate reads what comes last.
func (e *encoding) immediate(r *reader, s shape) {
	wide := e.rex&8 != 0
	switch s &^ modRM {
	case imm8:
		e.immLen = 1
	case imm16:
		e.immLen = 2
	case imm24:
		e.immLen = 3
	case rel32:
		e.immLen = 4
	case immZ:
		e.immLen = 4
		if e.data16 && !wide {
			e.immLen = 2
		}
	case immV:
		e.immLen = 4
		if wide {
			e.immLen = 8
		} else if e.data16 {
			e.immLen = 2
		}
	case moffs:
		e.immLen = 8
		if e.addr32 {
			e.immLen = 4
		}
	case group3: // test has an immediate, not, neg, mul, div have none
		if e.modrm>>3&7 < 2 {
			e.immLen = 1
			if e.op == 0xf7 {
				e.immLen = 4
				if e.data16 && !wide {
					e.immLen = 2
				}
			}
		}
	case sse4a: // extrq and insertq with two immediate bytes; vmread has none
		if e.data16 || e.repne {
			e.immLen = 2
		}
	}
	e.immOff = uint8(r.pos)
	for range e.immLen {
		r.next()
	}
}

// ripRelative reports whether the displacement counts from the end of the instruction.
func (e *encoding) ripRelative() bool {
	return e.hasModRM && e.modrm&0xc7 == 0x05
}

// signed reads n little-endian bytes at off.
func signed(code []byte, off, n uint8) int64 {
	var v uint64
	for i := range n {
		v |= uint64(code[off+i]) << (8 * i)
	}
	shift := 64 - 8*uint(n)
	return int64(v<<shift) >> shift
}
