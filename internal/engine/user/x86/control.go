package x86

// JmpReg and CallReg go to the address in a register, JmpMem and CallMem to the one in memory.
func (c *Code) JmpReg(r Reg)  { c.regReg(form{size: Word, opcode: []byte{0xff}}, 4, r) }
func (c *Code) CallReg(r Reg) { c.regReg(form{size: Word, opcode: []byte{0xff}}, 2, r) }
func (c *Code) JmpMem(m Mem)  { c.regMem(form{size: Word, opcode: []byte{0xff}}, 4, m) }
func (c *Code) CallMem(m Mem) { c.regMem(form{size: Word, opcode: []byte{0xff}}, 2, m) }

func (c *Code) Ret() { c.Raw(0xc3) }

// Leave undoes a frame: RSP = RBP, pop RBP.
func (c *Code) Leave() { c.Raw(0xc9) }

// Pushf and Popf keep the flags.
func (c *Code) Pushf() { c.Raw(0x9c) }
func (c *Code) Popf()  { c.Raw(0x9d) }

// Cld clears the direction flag; the string instructions rely on it.
func (c *Code) Cld() { c.Raw(0xfc) }

// RepMovs copies RCX units from RSI to RDI, RepStos fills them with RAX. The units are bytes or quads.
func (c *Code) RepMovs(size Size) { c.repeat(size, 0xa5) }
func (c *Code) RepStos(size Size) { c.repeat(size, 0xab) }

func (c *Code) repeat(size Size, opcode byte) {
	c.Raw(0xf3)
	switch size {
	case Quad:
		c.Raw(rexW, opcode)
	case Word:
		c.Raw(opcode)
	default:
		c.Raw(opcode - 1)
	}
}

// Syscall loses RCX and R11.
func (c *Code) Syscall() { c.Raw(0x0f, 0x05) }

// Rdtsc reads the time stamp counter into EDX:EAX.
func (c *Code) Rdtsc() { c.Raw(0x0f, 0x31) }

// Lsl reads a segment's limit: that of the vDSO's segment holds the CPU's number.
func (c *Code) Lsl(dst, selector Reg) {
	c.regReg(form{size: Word, opcode: []byte{0x0f, 0x03}}, dst, selector)
}

func (c *Code) Pause() { c.Raw(0xf3, 0x90) }
func (c *Code) Int3()  { c.Raw(0xcc) }
func (c *Code) Ud2()   { c.Raw(0x0f, 0x0b) }

// Nop pads with n bytes, in nops of at most 9, as the SDM recommends them (NOP, table 4-12).
func (c *Code) Nop(n int) {
	forms := []string{"\x90", "\x66\x90", "\x0f\x1f\x00", "\x0f\x1f\x40\x00", "\x0f\x1f\x44\x00\x00", "\x66\x0f\x1f\x44\x00\x00",
		"\x0f\x1f\x80\x00\x00\x00\x00", "\x0f\x1f\x84\x00\x00\x00\x00\x00", "\x66\x0f\x1f\x84\x00\x00\x00\x00\x00"}
	for n > 0 {
		k := min(n, len(forms))
		c.Raw([]byte(forms[k-1])...)
		n -= k
	}
}

// ReadFS reads the FS base; the CPU and the kernel must have FSGSBASE.
func (c *Code) ReadFS(dst Reg) {
	c.regReg(form{size: Quad, rep: 0xf3, opcode: []byte{0x0f, 0xae}}, 0, dst)
}
