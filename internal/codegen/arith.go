package codegen

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/plan"
)

// operands leaves X in R0, and Y in R1 unless it is returned as a constant.
func (x *code) operands(left, right plan.Expr) (value int64, constant bool) {
	if c, ok := right.(*plan.Const); ok && fits(c.V) {
		x.eval(left)
		return c.V, true
	}
	switch {
	case simple(right):
		x.eval(left)
		x.evalTo(right, asm.R1)
	case simple(left):
		x.eval(right)
		x.mov(asm.R1, asm.R0)
		x.evalTo(left, asm.R0)
	default:
		mark := x.used
		keep := x.alloc(8)
		x.eval(left)
		x.store(keep, asm.R0, asm.DWord)
		x.eval(right)
		x.mov(asm.R1, asm.R0)
		x.load(asm.R0, keep, asm.DWord)
		x.release(mark)
	}
	return 0, false
}

func (x *code) unary(e *plan.Unary) {
	switch e.Op {
	case "-":
		x.eval(e.X)
		x.neg(asm.R0)
	case "~":
		x.eval(e.X)
		x.opImm(asm.Xor, asm.R0, -1)
	case "!":
		x.truth(e)
	default:
		x.fail("no operator %q", e.Op)
	}
}

// binary computes X op Y in R0.
func (x *code) binary(e *plan.Binary) {
	if logical(e.Op) {
		x.truth(e)
		return
	}
	value, constant := x.operands(e.X, e.Y)
	switch e.Op {
	case "/", "%":
		if constant {
			x.imm(asm.R1, value)
		}
		x.divide(e.Op == "%", e.Signed)
		return
	case "<<", ">>":
		if constant {
			value &= 63
		} else {
			x.opImm(asm.And, asm.R1, 63)
		}
	}
	op, ok := arithmetic(e)
	if !ok {
		x.fail("no operator %q", e.Op)
	}
	if constant {
		x.opImm(op, asm.R0, value)
	} else {
		x.op(op, asm.R0, asm.R1)
	}
}

func arithmetic(e *plan.Binary) (asm.ALUOp, bool) {
	switch e.Op {
	case "+":
		return asm.Add, true
	case "-":
		return asm.Sub, true
	case "*":
		return asm.Mul, true
	case "&":
		return asm.And, true
	case "|":
		return asm.Or, true
	case "^":
		return asm.Xor, true
	case "<<":
		return asm.LSh, true
	case ">>":
		if e.Signed {
			return asm.ArSh, true
		}
		return asm.RSh, true
	}
	return 0, false
}

// divide computes R0 / R1 or R0 % R1; by zero it gives 0. The machine gives 0 for a quotient itself, and the
// dividend for a remainder.
func (x *code) divide(remainder, signed bool) {
	op, signedOp := asm.Div, asm.SDiv
	if remainder {
		op, signedOp = asm.Mod, asm.SMod
	}
	end := x.label()
	if remainder {
		some := x.label()
		x.jumpImm(asm.JNE, asm.R1, 0, some)
		x.imm(asm.R0, 0)
		x.jump(end)
		x.place(some)
	}
	switch {
	case !signed:
		x.op(op, asm.R0, asm.R1)
	case x.c.f.CPUv4:
		x.op(signedOp, asm.R0, asm.R1)
	default:
		x.divideMagnitudes(op)
	}
	x.place(end)
}

// divideMagnitudes is signed division for kernels that have only the unsigned one (before 6.6): with s = v>>63, the
// magnitude of v is (v^s)-s, and so is v again from its magnitude.
func (x *code) divideMagnitudes(op asm.ALUOp) {
	sign := func(s, v asm.Register) {
		x.mov(s, v)
		x.opImm(asm.ArSh, s, 63)
	}
	flip := func(v, s asm.Register) {
		x.op(asm.Xor, v, s)
		x.op(asm.Sub, v, s)
	}
	sign(asm.R2, asm.R0)
	sign(asm.R3, asm.R1)
	flip(asm.R0, asm.R2)
	flip(asm.R1, asm.R3)
	x.op(op, asm.R0, asm.R1)
	if op == asm.Div {
		x.op(asm.Xor, asm.R2, asm.R3)
	}
	flip(asm.R0, asm.R2)
}
