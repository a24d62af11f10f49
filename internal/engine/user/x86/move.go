package x86

import "encoding/binary"

// Mov copies a register.
func (c *Code) Mov(size Size, dst, src Reg) { c.regReg(op(size, 0x89), src, dst) }

// MovImm sets all of a register, in the shortest form. Flags stay.
func (c *Code) MovImm(dst Reg, v uint64) {
	switch {
	case v>>32 == 0:
		if dst >= R8 {
			c.Raw(rexB)
		}
		c.Raw(0xb8 | byte(dst&7))
		c.imm32(int32(v))
	case fits32(int64(v)):
		c.regReg(form{size: Quad, opcode: []byte{0xc7}}, 0, dst)
		c.imm32(int32(v))
	default:
		c.MovImm64(dst, v)
	}
}

// MovImm64 sets a register in the form whose last 8 bytes are the value, to be changed later.
func (c *Code) MovImm64(dst Reg, v uint64) {
	bits := byte(rexW)
	if dst >= R8 {
		bits |= rexB
	}
	c.Raw(bits, 0xb8|byte(dst&7))
	c.buf = binary.LittleEndian.AppendUint64(c.buf, v)
}

// Load reads memory; what is narrower than a register is extended by zeros.
func (c *Code) Load(size Size, dst Reg, m Mem) {
	switch size {
	case Byte:
		c.regMem(form{size: Word, opcode: []byte{0x0f, 0xb6}}, dst, m)
	case Half:
		c.regMem(form{size: Word, opcode: []byte{0x0f, 0xb7}}, dst, m)
	default:
		c.regMem(form{size: size, opcode: []byte{0x8b}}, dst, m)
	}
}

// LoadSigned reads memory and extends it by its sign to 64 bits.
func (c *Code) LoadSigned(size Size, dst Reg, m Mem) {
	c.regMem(signed(size, Quad), dst, m)
}

// MovSigned extends the lower part of a register by its sign, to 32 or 64 bits.
func (c *Code) MovSigned(from, to Size, dst, src Reg) {
	f := signed(from, to)
	f.rm8 = from == Byte
	c.regReg(f, dst, src)
}

func signed(from, to Size) form {
	switch from {
	case Byte:
		return form{size: to, opcode: []byte{0x0f, 0xbe}}
	case Half:
		return form{size: to, opcode: []byte{0x0f, 0xbf}}
	case Word:
		return form{size: Quad, opcode: []byte{0x63}}
	}
	return form{size: Quad, opcode: []byte{0x8b}}
}

// MovZero extends the lower byte or half of a register by zeros.
func (c *Code) MovZero(from Size, dst, src Reg) {
	f := form{size: Word, opcode: []byte{0x0f, 0xb7}}
	if from == Byte {
		f.opcode[1], f.rm8 = 0xb6, true
	}
	c.regReg(f, dst, src)
}

// Store writes the lower part of a register.
func (c *Code) Store(size Size, m Mem, src Reg) { c.regMem(op(size, 0x89), src, m) }

// StoreImm writes a constant, extended by its sign to the size.
func (c *Code) StoreImm(size Size, m Mem, v int32) {
	c.regMem(digit(size, 0xc7).with(min(int(size), 4)), 0, m)
	c.immediate(size, v)
}

// Lea computes an address.
func (c *Code) Lea(dst Reg, m Mem) { c.regMem(form{size: Quad, opcode: []byte{0x8d}}, dst, m) }

// Xchg exchanges two registers.
func (c *Code) Xchg(size Size, a, b Reg) { c.regReg(op(size, 0x87), a, b) }

// Cmov copies under a condition; the upper half of dst is cleared by the 32-bit form in any case.
func (c *Code) Cmov(cond Cond, size Size, dst, src Reg) {
	c.regReg(form{size: size, opcode: []byte{0x0f, 0x40 | byte(cond)}}, dst, src)
}

// Setcc sets the lowest byte of a register to 0 or 1.
func (c *Code) Setcc(cond Cond, dst Reg) {
	c.regReg(form{size: Byte, opcode: []byte{0x0f, 0x90 | byte(cond)}, rm8: true}, 0, dst)
}

// Push and Pop are 64 bits wide.
func (c *Code) Push(r Reg) { c.short(0x50, r) }
func (c *Code) Pop(r Reg)  { c.short(0x58, r) }

// short is an instruction with its register in the opcode.
func (c *Code) short(opcode byte, r Reg) {
	if r >= R8 {
		c.Raw(rexB)
	}
	c.Raw(opcode | byte(r&7))
}

// PushMem and PopMem are 64 bits wide.
func (c *Code) PushMem(m Mem) { c.regMem(form{size: Word, opcode: []byte{0xff}}, 6, m) }
func (c *Code) PopMem(m Mem)  { c.regMem(form{size: Word, opcode: []byte{0x8f}}, 0, m) }

// PushImm pushes a constant, extended by its sign to 64 bits.
func (c *Code) PushImm(v int32) {
	if fits8(v) {
		c.Raw(0x6a, byte(v))
		return
	}
	c.Raw(0x68)
	c.imm32(v)
}
