package site

// shape says what follows an opcode.
type shape uint8

const (
	none  shape = 0
	modRM shape = 0x80
	bad   shape = 0x7f
)

const (
	imm8 shape = iota + 1
	imm16
	imm24  // enter
	rel32  // four bytes whatever the prefixes say (on Intel; nobody writes the 16-bit form)
	immZ   // 2 bytes with an operand size prefix, else 4
	immV   // 2, 4 or 8
	moffs  // 8, or 4 with an address size prefix
	group3 // f6, f7
	sse4a  // 0f 78
)

func (e *encoding) shape() shape {
	switch {
	case e.opmap == map0F38, e.opmap == mapOther:
		return modRM
	case e.opmap == map0F3A:
		return modRM | imm8
	case e.opmap == map0F && e.vector:
		return vectorShape(e.op)
	case e.opmap == map0F:
		return shape0F(e.op)
	}
	return shapeOneByte(e.op)
}

// vectorShape is the 0f map under VEX and EVEX.
func vectorShape(op byte) shape {
	switch {
	case op == 0x77:
		return none // vzeroupper, vzeroall
	case op >= 0x70 && op <= 0x73, op == 0xc2, op >= 0xc4 && op <= 0xc6:
		return modRM | imm8
	}
	return modRM
}

// shapeOneByte is table A-2 of the SDM, 64-bit mode.
func shapeOneByte(op byte) shape {
	switch {
	case op < 0x40:
		return [8]shape{modRM, modRM, modRM, modRM, imm8, immZ, bad, bad}[op&7]
	case op >= 0x70 && op < 0x80, op >= 0xb0 && op < 0xb8, op >= 0xe0 && op < 0xe8:
		return imm8
	case op >= 0xb8 && op < 0xc0:
		return immV
	case op >= 0xa0 && op < 0xa4:
		return moffs
	case op >= 0x84 && op < 0x90, op >= 0xd0 && op < 0xd4, op >= 0xd8 && op < 0xe0:
		return modRM
	}
	switch op {
	case 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd5, 0xd6, 0xea:
		return bad
	case 0x63, 0xfe, 0xff:
		return modRM
	case 0x68, 0xa9:
		return immZ
	case 0x69, 0x81, 0xc7:
		return modRM | immZ
	case 0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6:
		return modRM | imm8
	case 0x6a, 0xa8, 0xcd, 0xeb:
		return imm8
	case 0xc2, 0xca:
		return imm16
	case 0xc8:
		return imm24
	case 0xe8, 0xe9:
		return rel32
	case 0xf6, 0xf7:
		return modRM | group3
	}
	return none
}

// shape0F is table A-3.
func shape0F(op byte) shape {
	switch {
	case op >= 0x80 && op < 0x90:
		return rel32
	case op >= 0x70 && op <= 0x73:
		return modRM | imm8
	case op >= 0x30 && op <= 0x35, op >= 0xc8 && op < 0xd0, op >= 0x05 && op <= 0x09:
		return none
	case op >= 0x24 && op <= 0x27, op >= 0x3b && op <= 0x3f:
		return bad
	}
	switch op {
	case 0x04, 0x0a, 0x0c, 0x36, 0x39, 0x7a, 0x7b:
		return bad
	case 0x0b, 0x0e, 0x37, 0x77, 0xa0, 0xa1, 0xa2, 0xa8, 0xa9, 0xaa:
		return none
	case 0x0f, 0xa4, 0xac, 0xba, 0xc2, 0xc4, 0xc5, 0xc6:
		return modRM | imm8
	case 0x78:
		return modRM | sse4a
	}
	return modRM
}
