package x86

// Arith is one of the eight operations that share their encodings.
type Arith uint8

const (
	Add Arith = iota
	Or
	Adc
	Sbb
	And
	Sub
	Xor
	Cmp
)

// Op computes dst = dst op src and sets the flags; Cmp sets only those.
func (c *Code) Op(o Arith, size Size, dst, src Reg) { c.regReg(op(size, byte(o)<<3|1), src, dst) }

// OpImm is Op with a constant, extended by its sign.
func (c *Code) OpImm(o Arith, size Size, dst Reg, v int32) {
	if size != Byte && fits8(v) {
		c.regReg(form{size: size, opcode: []byte{0x83}}, Reg(o), dst)
		c.Raw(byte(v))
		return
	}
	f := digit(size, 0x81)
	c.regReg(f, Reg(o), dst)
	c.immediate(size, v)
}

// OpFrom is Op with memory as src.
func (c *Code) OpFrom(o Arith, size Size, dst Reg, m Mem) { c.regMem(op(size, byte(o)<<3|3), dst, m) }

// OpTo is Op with memory as dst, OpToImm that with a constant.
func (c *Code) OpTo(o Arith, size Size, m Mem, src Reg) { c.regMem(op(size, byte(o)<<3|1), src, m) }

func (c *Code) OpToImm(o Arith, size Size, m Mem, v int32) { c.opToImm(o, size, m, v, false) }

func (c *Code) opToImm(o Arith, size Size, m Mem, v int32, lock bool) {
	if size != Byte && fits8(v) {
		c.regMem(form{size: size, opcode: []byte{0x83}, tail: 1, lock: lock}, Reg(o), m)
		c.Raw(byte(v))
		return
	}
	f := digit(size, 0x81).with(min(int(size), 4))
	f.lock = lock
	c.regMem(f, Reg(o), m)
	c.immediate(size, v)
}

// Test sets the flags as And would.
func (c *Code) Test(size Size, a, b Reg) { c.regReg(op(size, 0x85), b, a) }

// TestImm is Test with a constant, extended by its sign.
func (c *Code) TestImm(size Size, r Reg, v int32) {
	c.regReg(digit(size, 0xf7), 0, r)
	c.immediate(size, v)
}

// TestMemImm is TestImm on memory.
func (c *Code) TestMemImm(size Size, m Mem, v int32) {
	c.regMem(digit(size, 0xf7).with(min(int(size), 4)), 0, m)
	c.immediate(size, v)
}

// Shift is a shift or rotation, as instructions number them.
type Shift uint8

const (
	Rol Shift = 0
	Ror Shift = 1
	Shl Shift = 4
	Shr Shift = 5
	Sar Shift = 7
)

// ShiftImm shifts by a constant, ShiftCL by CL; the machine takes the count modulo 64, or 32.
func (c *Code) ShiftImm(s Shift, size Size, r Reg, count uint8) {
	c.regReg(digit(size, 0xc1), Reg(s), r)
	c.Raw(count)
}

func (c *Code) ShiftCL(s Shift, size Size, r Reg) { c.regReg(digit(size, 0xd3), Reg(s), r) }

// Shrd shifts dst to the right and fills it up from src.
func (c *Code) Shrd(size Size, dst, src Reg, count uint8) {
	c.regReg(form{size: size, opcode: []byte{0x0f, 0xac}}, src, dst)
	c.Raw(count)
}

// Neg and Not change a register.
func (c *Code) Neg(size Size, r Reg) { c.regReg(digit(size, 0xf7), 3, r) }
func (c *Code) Not(size Size, r Reg) { c.regReg(digit(size, 0xf7), 2, r) }

// Mul and IMul1 multiply RAX into RDX:RAX; Div and IDiv divide RDX:RAX into RAX, with the rest in RDX.
func (c *Code) Mul(size Size, r Reg)   { c.regReg(digit(size, 0xf7), 4, r) }
func (c *Code) IMul1(size Size, r Reg) { c.regReg(digit(size, 0xf7), 5, r) }
func (c *Code) Div(size Size, r Reg)   { c.regReg(digit(size, 0xf7), 6, r) }
func (c *Code) IDiv(size Size, r Reg)  { c.regReg(digit(size, 0xf7), 7, r) }

// IMul multiplies, IMulImm with a constant.
func (c *Code) IMul(size Size, dst, src Reg) {
	c.regReg(form{size: size, opcode: []byte{0x0f, 0xaf}}, dst, src)
}

func (c *Code) IMulImm(size Size, dst, src Reg, v int32) {
	if fits8(v) {
		c.regReg(form{size: size, opcode: []byte{0x6b}}, dst, src)
		c.Raw(byte(v))
		return
	}
	c.regReg(form{size: size, opcode: []byte{0x69}}, dst, src)
	c.imm32(v)
}

// SignExtendA fills RDX with the sign of RAX: cdq, cqo.
func (c *Code) SignExtendA(size Size) {
	if size == Quad {
		c.Raw(rexW)
	}
	c.Raw(0x99)
}

// Bswap reverses the bytes of a register, of 32 or 64 bits.
func (c *Code) Bswap(size Size, r Reg) {
	var bits byte
	if size == Quad {
		bits = rexW
	}
	if r >= R8 {
		bits |= rexB
	}
	if bits != 0 {
		c.Raw(bits)
	}
	c.Raw(0x0f, 0xc8|byte(r&7))
}

// Bsr finds the highest bit that is set; without one dst is undefined and the flags say Equal.
func (c *Code) Bsr(size Size, dst, src Reg) {
	c.regReg(form{size: size, opcode: []byte{0x0f, 0xbd}}, dst, src)
}

// Bsf finds the lowest bit that is set, likewise.
func (c *Code) Bsf(size Size, dst, src Reg) {
	c.regReg(form{size: size, opcode: []byte{0x0f, 0xbc}}, dst, src)
}

// The locked forms change memory atomically.

func (c *Code) LockOp(o Arith, size Size, m Mem, src Reg) {
	f := op(size, byte(o)<<3|1)
	f.lock = true
	c.regMem(f, src, m)
}

func (c *Code) LockOpImm(o Arith, size Size, m Mem, v int32) { c.opToImm(o, size, m, v, true) }

// LockXadd adds src to memory and leaves in src what was there.
func (c *Code) LockXadd(size Size, m Mem, src Reg) {
	f := op(size, 0x0f, 0xc1)
	f.lock = true
	c.regMem(f, src, m)
}

// LockCmpxchg stores src if RAX is there (Equal), else loads RAX from there.
func (c *Code) LockCmpxchg(size Size, m Mem, src Reg) {
	f := op(size, 0x0f, 0xb1)
	f.lock = true
	c.regMem(f, src, m)
}

// XchgMem exchanges memory and a register; it is always locked.
func (c *Code) XchgMem(size Size, m Mem, src Reg) { c.regMem(op(size, 0x87), src, m) }
