package codegen

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/plan"
)

// logical reports whether an operator gives 0 or 1.
func logical(op string) bool {
	switch op {
	case "==", "!=", "<", "<=", ">", ">=", "&&", "||":
		return true
	}
	return false
}

// truth leaves 0 or 1 in R0.
func (x *code) truth(e plan.Expr) {
	yes, end := x.label(), x.label()
	x.branch(e, yes, true)
	x.imm(asm.R0, 0)
	x.jump(end)
	x.place(yes)
	x.imm(asm.R0, 1)
	x.place(end)
	x.blur()
}

// branch jumps to the label if the truth of e is as wanted, and goes on otherwise. R0 to R5 are lost.
func (x *code) branch(e plan.Expr, to label, wanted bool) {
	switch e := e.(type) {
	case *plan.Unary:
		if e.Op == "!" {
			x.branch(e.X, to, !wanted)
			return
		}
	case *plan.StrCmp:
		// strncmp: true is different.
		x.branchText(e.X, e.Y, max(e.N, 0), to, !wanted)
		return
	case *plan.Binary:
		if logical(e.Op) {
			x.branchLogical(e, to, wanted)
			return
		}
	}
	x.eval(e)
	if wanted {
		x.jumpImm(asm.JNE, asm.R0, 0, to)
	} else {
		x.jumpImm(asm.JEq, asm.R0, 0, to)
	}
}

func (x *code) branchLogical(e *plan.Binary, to label, wanted bool) {
	switch {
	case e.Op == "&&" || e.Op == "||":
		x.branchBoth(e, to, wanted)
	case e.X.Type().Kind == plan.StrType:
		if e.Op != "==" && e.Op != "!=" {
			x.fail("strings are not ordered by %q", e.Op)
		}
		x.branchText(e.X, e.Y, -1, to, wanted == (e.Op == "=="))
	default:
		x.branchCompare(e, to, wanted)
	}
}

// branchBoth is && and ||: the right side is evaluated only when the left one does not decide.
func (x *code) branchBoth(e *plan.Binary, to label, wanted bool) {
	if decides := e.Op == "||"; decides == wanted {
		x.branch(e.X, to, wanted)
		x.branch(e.Y, to, wanted)
		return
	}
	past := x.label()
	x.branch(e.X, past, !wanted)
	x.branch(e.Y, to, wanted)
	x.place(past)
}

func (x *code) branchCompare(e *plan.Binary, to label, wanted bool) {
	value, constant := x.operands(e.X, e.Y)
	op := comparison(e.Op, e.Signed, wanted)
	if constant {
		x.jumpImm(op, asm.R0, value, to)
	} else {
		x.jumpReg(op, asm.R0, asm.R1, to)
	}
}

// comparison gives the jump for an operator, or for its opposite.
func comparison(op string, signed, wanted bool) asm.JumpOp {
	if !wanted {
		op = map[string]string{"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}[op]
	}
	pick := func(unsignedOp, signedOp asm.JumpOp) asm.JumpOp {
		if signed {
			return signedOp
		}
		return unsignedOp
	}
	switch op {
	case "==":
		return asm.JEq
	case "!=":
		return asm.JNE
	case "<":
		return pick(asm.JLT, asm.JSLT)
	case "<=":
		return pick(asm.JLE, asm.JSLE)
	case ">":
		return pick(asm.JGT, asm.JSGT)
	}
	return pick(asm.JGE, asm.JSGE)
}

// branchText jumps to the label if the equality of two strings is as wanted: of their first n bytes, or of all when n < 0.
func (x *code) branchText(left, right plan.Expr, n int, to label, wanted bool) {
	mark := x.used
	a, b := x.textPlace(left), x.textPlace(right)
	differ := to
	if wanted {
		differ = x.label()
	}
	if n < 0 {
		n = max(a.size, b.size)
	}
	x.compareText(a, b, n, differ)
	if wanted {
		x.jump(to)
		x.place(differ)
	}
	x.release(mark)
}

// compareText jumps if the first n bytes differ. Texts end where their memory ends, as if zeros followed.
func (x *code) compareText(a, b textPlace, n int, differ label) {
	for at := 0; at < n; at += 8 {
		left := x.loadWord(asm.R1, a, at)
		right := x.loadWord(asm.R2, b, at)
		if !left && !right {
			return
		}
		if rest := n - at; rest < 8 {
			x.op(asm.Xor, asm.R1, asm.R2)
			x.opImm(asm.LSh, asm.R1, int64(64-8*rest))
			x.jumpImm(asm.JNE, asm.R1, 0, differ)
		} else {
			x.jumpReg(asm.JNE, asm.R1, asm.R2, differ)
		}
	}
}

// loadWord loads 8 bytes of a text, 0 and false beyond its end.
func (x *code) loadWord(dst asm.Register, t textPlace, at int) bool {
	switch {
	case at >= t.size:
		x.imm(dst, 0)
		return false
	case t.literal != nil:
		x.imm(dst, word(*t.literal, at))
	default:
		x.load(dst, t.place.plus(at), asm.DWord)
	}
	return true
}
