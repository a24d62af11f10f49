package symbol

import (
	"debug/dwarf"

	"github.com/sonde-project/sonde/internal/ctype"
)

// located says where a value is when its function is entered.
type located struct {
	pieces []ctype.Piece
	known  bool
	absent bool // debug information names no place at all, for any part of the function
	// unlisted: it has a list of places, none of which is one at the entry.
	unlisted bool
	// whole: it is said to hold for the whole function. gcc says that of the registers that it moves a parameter's halves to
	// in the first instructions.
	whole bool
}

// whereAt reads DW_AT_location of a parameter for the first instruction of its function. What is true only behind the
// prologue (a slot of the frame) is not known.
func (e entryAt) whereAt(entry uint64, size int64, cfa bool) located {
	if _, ok := e.get(dwarf.AttrConstValue); ok {
		return located{pieces: nowhere(size), known: true}
	}
	v, ok := e.get(dwarf.AttrLocation)
	if !ok {
		return located{absent: true}
	}
	if v.isBlock() {
		x := expression{size: size, cfa: cfa}
		if !x.run(v.data) || x.framed || !fromCaller(x.pieces) {
			return located{}
		}
		return located{pieces: x.pieces, known: true, whole: true}
	}
	expr, ok := e.unit.locationAt(v, entry)
	if !ok {
		return located{unlisted: true}
	}
	x := expression{size: size, cfa: cfa}
	if !x.run(expr) {
		return located{}
	}
	return located{pieces: x.pieces, known: true}
}

func nowhere(size int64) []ctype.Piece { return []ctype.Piece{{Kind: ctype.Nowhere, Size: size}} }

// fromCaller reports whether a location that holds for all of a function can be the one at its entry: registers that
// carry arguments, and the caller's part of the stack.
func fromCaller(pieces []ctype.Piece) bool {
	for _, p := range pieces {
		switch p.Kind {
		case ctype.InRegister, ctype.InMemory:
			switch p.Reg {
			case ctype.RBX, ctype.RBP, ctype.RSP, ctype.R12, ctype.R13, ctype.R14, ctype.R15:
				return false
			}
		case ctype.Nowhere:
			return false
		}
	}
	return len(pieces) > 0
}

// locationAt finds the expression of a location list that holds at an address. Source: DWARF 4, section 2.6.2; DWARF 5,
// section 7.7.3.
func (u *unit) locationAt(v value, addr uint64) ([]byte, bool) {
	switch {
	case u.version < 5 && u.info.split:
		return u.fissionLocation(v.n, addr)
	case u.version < 5:
		return u.oldLocation(v.n, addr)
	}
	data := u.info.section(".debug_loclists")
	offset := v.n
	if v.form == formLoclistx {
		relative := u.indexed(data, u.bases().locations, v.n, u.offsetSize)
		if relative == ^uint64(0) {
			return nil, false
		}
		offset = u.bases().locations + relative
	}
	if offset >= uint64(len(data)) {
		return nil, false
	}
	c := dwarfCursor{data: data, at: int(offset)}
	l := lister{u: u, base: u.head().low}
	for range maxRanges {
		span, ok, more := l.next(&c, locationKinds)
		if !more {
			break
		}
		if !ok {
			continue
		}
		expr := c.block()
		if span.low <= addr && addr < span.high {
			return expr, !c.bad
		}
	}
	return nil, false
}

// list is where .debug_loc has a list of locations, and the address that it begins with.
func (u *unit) list(offset uint64) (c dwarfCursor, base uint64, ok bool) {
	data := u.info.section(".debug_loc")
	if offset >= uint64(len(data)) {
		return dwarfCursor{}, 0, false
	}
	return dwarfCursor{data: data, at: int(offset)}, u.head().low, true
}

func (u *unit) oldLocation(offset, addr uint64) ([]byte, bool) {
	c, base, ok := u.list(offset)
	if !ok {
		return nil, false
	}
	for range maxRanges {
		low, high := c.u64(), c.u64()
		switch {
		case c.bad || low == 0 && high == 0 || !u.info.burn():
			return nil, false
		case low == ^uint64(0):
			base = high
			continue
		}
		expr := c.bytes(int(c.u16()))
		if base+low <= addr && addr < base+high {
			return expr, !c.bad
		}
	}
	return nil, false
}

// fissionLocation reads .debug_loc.dwo: addresses are numbers in .debug_addr, lengths have four bytes. Source: gcc's wiki, DebugFission,
// "New Location List Format".
func (u *unit) fissionLocation(offset, addr uint64) ([]byte, bool) {
	c, base, ok := u.list(offset)
	if !ok {
		return nil, false
	}
	for range maxRanges {
		var low, high uint64
		known := true
		switch c.u8() {
		case 1: // another base
			base, _ = u.addressAt(c.uleb())
			continue
		case 2: // first address and last
			low, known = u.addressAt(c.uleb())
			high, _ = u.addressAt(c.uleb())
		case 3: // first address and length
			low, known = u.addressAt(c.uleb())
			high = low + uint64(c.u32())
		case 4: // offsets from the base
			low, high = base+uint64(c.u32()), base+uint64(c.u32())
		default:
			return nil, false
		}
		expr := c.bytes(int(c.u16()))
		if c.bad || !u.info.burn() {
			return nil, false
		}
		if known && low <= addr && addr < high {
			return expr, true
		}
	}
	return nil, false
}

// Operations of location expressions. Source: DWARF 5, table 7.9, and GNU's.
const (
	opAddr               = 0x03
	opDeref              = 0x06
	opConst1u            = 0x08
	opConsts             = 0x11
	opPlusUconst         = 0x23
	opLit0               = 0x30
	opReg0               = 0x50
	opBreg0              = 0x70
	opRegx               = 0x90
	opFbreg              = 0x91
	opBregx              = 0x92
	opPiece              = 0x93
	opNop                = 0x96
	opCallFrameCFA       = 0x9c
	opImplicitValue      = 0x9e
	opStackValue         = 0x9f
	opImplicitPointer    = 0xa0
	opAddrx              = 0xa1
	opEntryValue         = 0xa3
	opGNUImplicitPointer = 0xf2
	opGNUEntryValue      = 0xf3
	opGNUAddrIndex       = 0xfb
)

// expression reads a location expression as a place at a function's entry. It understands what describes parameters
// there, and gives up on anything else.
type expression struct {
	size   int64 // of the value
	cfa    bool  // the frame base is the call frame address: entry rsp + 8
	pieces []ctype.Piece
	framed bool  // it counts from the stack pointer as the function's body has it
	at     int64 // bytes of the value described so far
	dwarfCursor
	place ctype.Piece
	state place
}

// place is what the top of the expression's stack is.
type place uint8

const (
	noPlace  place = iota
	register       // the value is in place.Reg
	memory         // the value is in memory: at place
	isValue        // the value has no place: a constant
	sum            // place.Reg + place.Offset, a number as long as it is not used as an address
)

// run reads the expression; false when it is not understood.
func (x *expression) run(expr []byte) bool {
	x.dwarfCursor = dwarfCursor{data: expr}
	for x.dwarfCursor.at < len(expr) {
		if !x.operation(x.u8()) || x.bad {
			return false
		}
	}
	if x.pieces == nil {
		return x.emit(x.size)
	}
	return x.state == noPlace
}

func (x *expression) operation(op uint8) bool {
	switch {
	case op >= opReg0 && op < opReg0+32:
		return x.inRegister(uint64(op - opReg0))
	case op >= opBreg0 && op < opBreg0+32:
		return x.relative(uint64(op-opBreg0), x.sleb())
	case op >= opLit0 && op < opLit0+32:
		return x.set(isValue, ctype.Piece{})
	case op >= opConst1u && op <= opConsts:
		return x.constant(op)
	}
	switch op {
	case opRegx:
		return x.inRegister(x.uleb())
	case opBregx:
		reg := x.uleb()
		return x.relative(reg, x.sleb())
	case opFbreg:
		return x.cfa && x.set(sum, ctype.Piece{Kind: ctype.OnStack, Offset: x.sleb() + 8})
	case opCallFrameCFA:
		return x.set(sum, ctype.Piece{Kind: ctype.OnStack, Offset: 8})
	case opAddr:
		return x.set(sum, ctype.Piece{Kind: ctype.Absolute, Offset: int64(x.u64())})
	case opPlusUconst:
		x.place.Offset += int64(x.uleb())
		return x.state == sum
	case opDeref:
		return x.deref()
	case opStackValue:
		return x.stackValue()
	case opPiece:
		return x.emit(int64(x.uleb()))
	case opImplicitValue:
		x.block()
		return x.set(isValue, ctype.Piece{})
	case opImplicitPointer, opGNUImplicitPointer:
		x.skip(4)
		x.sleb()
		return x.set(isValue, ctype.Piece{})
	case opEntryValue, opGNUEntryValue:
		return x.entryValue(x.block())
	case opNop:
		return true
	}
	return false
}

func (x *expression) set(s place, p ctype.Piece) bool {
	if x.state != noPlace {
		return false
	}
	x.state, x.place = s, p
	return true
}

func (x *expression) inRegister(n uint64) bool {
	kind := ctype.InRegister
	if n == 33 { // st0: System V ABI, figure 3.36
		kind = ctype.InX87
	} else if n > uint64(ctype.XMM0)+15 || n == 16 {
		return false
	}
	return x.set(register, ctype.Piece{Kind: kind, Reg: ctype.Register(n)})
}

// relative is an address in a register. The frame pointer is still the caller's at the entry, so it means nothing.
func (x *expression) relative(reg uint64, offset int64) bool {
	switch {
	case reg == uint64(ctype.RSP):
		x.framed = true
		return x.set(sum, ctype.Piece{Kind: ctype.OnStack, Offset: offset})
	case reg == uint64(ctype.RBP) || reg > uint64(ctype.R15):
		return false
	}
	return x.set(sum, ctype.Piece{Kind: ctype.InMemory, Reg: ctype.Register(reg), Offset: offset})
}

func (x *expression) constant(op uint8) bool {
	switch op - opConst1u {
	case 0, 1:
		x.skip(1)
	case 2, 3:
		x.skip(2)
	case 4, 5:
		x.skip(4)
	case 6, 7:
		x.skip(8)
	default: // constu, consts
		x.sleb()
	}
	return x.set(isValue, ctype.Piece{})
}

// deref: the word on the stack is the value's address.
func (x *expression) deref() bool {
	if x.state != sum || x.place.Kind != ctype.OnStack {
		return false
	}
	x.place.Kind = ctype.ByStackedAddress
	return true
}

// stackValue: the number is the value itself and has no place, but for a plain register.
func (x *expression) stackValue() bool {
	switch {
	case x.state == isValue:
		return true
	case x.state == register:
		return true
	case x.state == sum && x.place.Kind == ctype.InMemory && x.place.Offset == 0:
		x.state, x.place = register, ctype.Piece{Kind: ctype.InRegister, Reg: x.place.Reg}
		return true
	}
	return false
}

// entryValue is what a register held when the function was entered: exactly what is asked for here.
func (x *expression) entryValue(expr []byte) bool {
	inner := expression{size: 8, cfa: x.cfa}
	if !inner.run(expr) || len(inner.pieces) != 1 || inner.pieces[0].Kind != ctype.InRegister {
		return false
	}
	return x.set(register, ctype.Piece{Kind: ctype.InRegister, Reg: inner.pieces[0].Reg})
}

// emit ends a piece. Below the entry's stack pointer lies the frame that is not there yet.
func (x *expression) emit(size int64) bool {
	if size < 0 || size > 1<<20 || len(x.pieces) > 64 {
		return false
	}
	p := x.place
	switch x.state {
	case noPlace, isValue:
		p = ctype.Piece{Kind: ctype.Nowhere}
	case register:
		if p.Kind == ctype.InRegister && size > 8 && !p.Reg.Vector() {
			return false // the other half goes unsaid
		}
	case sum:
		if (p.Kind == ctype.OnStack || p.Kind == ctype.ByStackedAddress) && p.Offset < 8 {
			return false
		}
	}
	p.At, p.Size = x.at, size
	x.at += size
	x.pieces = append(x.pieces, p)
	x.state, x.place = noPlace, ctype.Piece{}
	return true
}
