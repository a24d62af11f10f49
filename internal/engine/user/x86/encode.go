package x86

// An instruction is: legacy prefixes, REX, opcode, ModRM, SIB, displacement, immediate (SDM volume 2, 2.1). REX is
// 0100WRXB: W 64-bit operands, R, X and B the fourth bits of the register, the index and the base.
const (
	rexW = 0x48
	rexR = 0x44
	rexX = 0x42
	rexB = 0x41
	rex  = 0x40
)

// form is what an instruction needs beside its operands.
type form struct {
	size   Size
	lock   bool
	rep    byte // a mandatory or repeat prefix
	opcode []byte
	reg8   bool // the reg field is a byte register
	rm8    bool // so is the other operand, if a register
	tail   int  // bytes of immediate behind it
}

// op is the opcode of an instruction that has a byte form one below.
func op(size Size, opcode ...byte) form {
	if size == Byte {
		opcode[len(opcode)-1]--
	}
	return form{size: size, opcode: opcode, reg8: size == Byte, rm8: size == Byte}
}

// digit is op with a part of the opcode in the reg field.
func digit(size Size, opcode byte) form {
	f := op(size, opcode)
	f.reg8 = false
	return f
}

func (f form) with(tail int) form { f.tail = tail; return f }

// needsREX tells byte registers that without REX are others: AH for SPL.
func needsREX(r Reg) bool { return r >= RSP && r <= RDI }

// prefixes writes everything before the opcode.
func (c *Code) prefixes(f form, fs bool, bits byte) {
	if fs {
		c.Raw(0x64)
	}
	if f.lock {
		c.Raw(0xf0)
	}
	if f.size == Half {
		c.Raw(0x66)
	}
	if f.rep != 0 {
		c.Raw(f.rep)
	}
	if f.size == Quad {
		bits |= rexW
	}
	if bits != 0 {
		c.Raw(bits)
	}
	c.Raw(f.opcode...)
}

// regReg writes an instruction on two registers; reg is in the reg field (or a digit of the opcode), rm in the other.
func (c *Code) regReg(f form, reg, rm Reg) {
	var bits byte
	if reg >= R8 {
		bits |= rexR
	}
	if rm >= R8 {
		bits |= rexB
	}
	if f.reg8 && needsREX(reg) || f.rm8 && needsREX(rm) {
		bits |= rex
	}
	c.prefixes(f, false, bits)
	c.Raw(0xc0 | byte(reg&7)<<3 | byte(rm&7))
}

// regMem writes an instruction on a register and memory.
func (c *Code) regMem(f form, reg Reg, m Mem) {
	var bits byte
	if reg >= R8 {
		bits |= rexR
	}
	if f.reg8 && needsREX(reg) {
		bits |= rex
	}
	if m.kind == based && m.base >= R8 {
		bits |= rexB
	}
	if m.scale != 0 && m.index >= R8 {
		bits |= rexX
	}
	c.prefixes(f, m.fs, bits)
	c.address(f, byte(reg&7)<<3, m)
}

// address writes ModRM, SIB and displacement.
func (c *Code) address(f form, reg byte, m Mem) {
	switch m.kind {
	case absolute:
		c.Raw(reg|4, 0x25)
		c.imm32(m.disp)
		return
	case relative:
		c.Raw(reg | 5)
		c.rips = append(c.rips, rip{at: len(c.buf), gaps: len(c.gaps), tail: f.tail, to: m.label, disp: m.disp})
		c.imm32(0)
		return
	}
	var mod byte
	switch {
	case m.disp == 0 && m.base&7 != RBP: // a base of RBP or R13 without displacement means something else
	case fits8(m.disp):
		mod = 0x40
	default:
		mod = 0x80
	}
	switch {
	case m.scale != 0:
		c.Raw(mod|reg|4, c.scale(m)|byte(m.index&7)<<3|byte(m.base&7))
	case m.base&7 == RSP: // RSP and R12 as base take a SIB
		c.Raw(mod|reg|4, 0x24)
	default:
		c.Raw(mod | reg | byte(m.base&7))
	}
	switch mod {
	case 0x40:
		c.Raw(byte(m.disp))
	case 0x80:
		c.imm32(m.disp)
	}
}

func (c *Code) scale(m Mem) byte {
	if m.index == RSP {
		c.fail("RSP is no index")
	}
	switch m.scale {
	case 1:
		return 0
	case 2:
		return 0x40
	case 4:
		return 0x80
	case 8:
		return 0xc0
	}
	c.fail("a scale of %d", m.scale)
	return 0
}
