package translate

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// arithmetic translates an operation on 32 bits, which clears the upper half of its register, or on 64.
func (t *translator) arithmetic(in *inst, size x86.Size) {
	dst, src := t.reg[in.dst], t.reg[in.src]
	simple := map[uint8]x86.Arith{opAdd: x86.Add, opSub: x86.Sub, opOr: x86.Or, opAnd: x86.And, opXor: x86.Xor}
	switch code := in.code(); code {
	case opAdd, opSub, opOr, opAnd, opXor:
		if in.fromReg() {
			t.Op(simple[code], size, dst, src)
		} else {
			t.OpImm(simple[code], size, dst, in.imm)
		}
	case opMul:
		if in.fromReg() {
			t.IMul(size, dst, src)
		} else {
			t.IMulImm(size, dst, dst, in.imm)
		}
	case opMov:
		t.move(in, size)
	case opNeg:
		t.Neg(size, dst)
	case opLsh:
		t.shift(in, x86.Shl, size)
	case opRsh:
		t.shift(in, x86.Shr, size)
	case opArsh:
		t.shift(in, x86.Sar, size)
	case opDiv, opMod:
		t.divide(in, size)
	case opEnd:
		t.swap(in)
	}
}

func (t *translator) move(in *inst, size x86.Size) {
	dst, src := t.reg[in.dst], t.reg[in.src]
	switch {
	case in.fromReg() && in.off == 0:
		t.Mov(size, dst, src)
	case in.fromReg():
		t.MovSigned(x86.Size(in.off/8), size, dst, src)
	case size == x86.Word:
		t.MovImm(dst, uint64(uint32(in.imm)))
	default:
		t.MovImm(dst, uint64(int64(in.imm)))
	}
}

// shift: the machine takes the count from CL, which is part of r4, and modulo the width, as eBPF does.
func (t *translator) shift(in *inst, op x86.Shift, size x86.Size) {
	dst, src := t.reg[in.dst], t.reg[in.src]
	switch {
	case !in.fromReg():
		t.ShiftImm(op, size, dst, uint8(in.imm))
		if in.imm == 0 && size == x86.Word {
			t.Mov(x86.Word, dst, dst)
		}
	case src == x86.RCX && dst != x86.RCX:
		t.ShiftCL(op, size, dst)
	case dst == x86.RCX:
		t.Mov(x86.Quad, temp, x86.RCX)
		t.Mov(x86.Word, x86.RCX, src)
		t.ShiftCL(op, size, temp)
		t.Mov(size, x86.RCX, temp)
	case !t.behind[t.at].has(4):
		t.Mov(x86.Word, x86.RCX, src)
		t.ShiftCL(op, size, dst)
	default:
		t.Mov(x86.Quad, temp, x86.RCX)
		t.Mov(x86.Word, x86.RCX, src)
		t.ShiftCL(op, size, dst)
		t.Mov(x86.Quad, x86.RCX, temp)
	}
}

// divide: the machine divides RDX:RAX and traps on what eBPF defines: x/0 is 0, x%0 is x, and the lowest number divided by -1 is
// itself, with rest 0.
func (t *translator) divide(in *inst, size x86.Size) {
	dst := t.reg[in.dst]
	signed, rest := in.off == 1, in.code() == opMod
	if in.fromReg() {
		t.Mov(size, temp, t.reg[in.src])
	} else {
		t.MovImm(temp, immediate(in.imm, size))
	}
	if dst != x86.RAX {
		t.Mov(x86.Quad, spare2, x86.RAX)
		t.Mov(x86.Quad, x86.RAX, dst)
	}
	if dst != x86.RDX {
		t.Mov(x86.Quad, spare, x86.RDX)
	}
	zero, minus, done := t.Label(), t.Label(), t.Label()
	if in.fromReg() {
		t.Test(size, temp, temp)
		t.Jcc(x86.Equal, zero)
	}
	if signed {
		t.OpImm(x86.Cmp, size, temp, -1)
		t.Jcc(x86.Equal, minus)
		t.SignExtendA(size)
		t.IDiv(size, temp)
	} else {
		t.Op(x86.Xor, x86.Word, x86.RDX, x86.RDX)
		t.Div(size, temp)
	}
	if rest {
		t.Mov(size, temp, x86.RDX)
	} else {
		t.Mov(size, temp, x86.RAX)
	}
	t.Jmp(done)
	t.Bind(zero)
	if in.fromReg() {
		if rest {
			t.Mov(size, temp, x86.RAX)
		} else {
			t.MovImm(temp, 0)
		}
		t.Jmp(done)
	}
	t.Bind(minus)
	if signed {
		t.Mov(size, temp, x86.RAX)
		t.Neg(size, temp)
		if rest {
			t.MovImm(temp, 0)
		}
	}
	t.Bind(done)
	if dst != x86.RAX {
		t.Mov(x86.Quad, x86.RAX, spare2)
	}
	if dst != x86.RDX {
		t.Mov(x86.Quad, x86.RDX, spare)
	}
	t.Mov(x86.Quad, dst, temp)
}

// immediate is a constant as an operation of a size sees it.
func immediate(v int32, size x86.Size) uint64 {
	if size == x86.Word {
		return uint64(uint32(v))
	}
	return uint64(int64(v))
}

// swap changes the order of bytes, or cuts off what does not belong to the width.
func (t *translator) swap(in *inst) {
	dst := t.reg[in.dst]
	keep := in.class() == classALU && !in.fromReg() // to little-endian, which the machine is
	switch in.imm {
	case 16:
		if !keep {
			t.ShiftImm(x86.Rol, x86.Half, dst, 8)
		}
		t.MovZero(x86.Half, dst, dst)
	case 32:
		if keep {
			t.Mov(x86.Word, dst, dst)
		} else {
			t.Bswap(x86.Word, dst)
		}
	case 64:
		if !keep {
			t.Bswap(x86.Quad, dst)
		}
	}
}
