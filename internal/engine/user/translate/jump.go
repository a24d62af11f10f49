package translate

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// jump translates everything of the jump classes but calls.
func (t *translator) jump(in *inst, size x86.Size, i int) {
	to := x86.Label(0)
	if in.branches() {
		to = t.labels[in.to]
	}
	switch in.code() {
	case opExit:
		if i+1 < t.to {
			t.restore()
		}
		return
	case opJa:
		if in.to != i+1 {
			t.Jmp(to)
		}
		return
	case opMayGoto:
		t.OpToImm(x86.Sub, x86.Quad, x86.At(x86.RBP, 0), 1)
		t.Jcc(x86.Below, to)
		return
	}
	dst := t.reg[in.dst]
	switch {
	case in.code() == opJset && in.fromReg():
		t.Test(size, dst, t.reg[in.src])
	case in.code() == opJset:
		t.TestImm(size, dst, in.imm)
	case in.fromReg():
		t.Op(x86.Cmp, size, dst, t.reg[in.src])
	case in.imm == 0 && (in.code() == opJeq || in.code() == opJne):
		t.Test(size, dst, dst)
	default:
		t.OpImm(x86.Cmp, size, dst, in.imm)
	}
	if t.jumpsOverJump(i) {
		t.Jcc(condition(in.code()).Not(), t.labels[t.list[i+1].to])
		return
	}
	t.Jcc(condition(in.code()), to)
}

func condition(code uint8) x86.Cond {
	switch code {
	case opJeq:
		return x86.Equal
	case opJgt:
		return x86.Above
	case opJge:
		return x86.AboveEqual
	case opJsgt:
		return x86.Greater
	case opJsge:
		return x86.GreaterEqual
	case opJlt:
		return x86.Below
	case opJle:
		return x86.BelowEqual
	case opJslt:
		return x86.Less
	case opJsle:
		return x86.LessEqual
	}
	return x86.NotEqual // opJne, opJset
}
