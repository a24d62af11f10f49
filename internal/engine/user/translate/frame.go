package translate

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// survey finds out what must be saved and kept.
func (t *translator) survey() {
	var used [frameRegister + 1]bool
	t.saved, t.helpers, t.loops, t.slots = nil, false, false, false
	for i := t.from; i < t.to; i++ {
		in := &t.list[i]
		if !t.before[i].seen {
			continue
		}
		used[in.dst], used[in.src] = true, true
		t.helpers = t.helpers || in.isCall()
		t.slots = t.slots || in.isCall() && !in.callsOwn() && wantedBy(asm.BuiltinFunc(in.imm))&word(shm.ContextSlot) != 0
		t.loops = t.loops || in.isJump() && in.code() == opMayGoto
	}
	for r := 6; r <= 9; r++ {
		if used[r] {
			t.saved = append(t.saved, t.reg[r])
		}
	}
	if t.slots && !t.handed() {
		t.saved = append(t.saved, slotReg)
	}
}

// handed reports whether the slot's address is in its register from the beginning.
func (t *translator) handed() bool { return t.env.Gated && t.from == 0 }

func (t *translator) enter() {
	t.out = t.Label()
	t.Push(x86.RBP)
	for _, r := range t.saved {
		t.Push(r)
	}
	context := x86.RDI
	if t.from > 0 {
		context = x86.R9 // as callOwn hands it on
	}
	if t.helpers {
		t.Push(context)
	}
	if t.slots && !t.handed() {
		t.Load(x86.Quad, slotReg, x86.At(context, shm.ContextSlot))
	}
	if t.loops {
		t.PushImm(rounds)
	}
	t.Mov(x86.Quad, x86.RBP, x86.RSP)
	t.OpImm(x86.Sub, x86.Quad, x86.RSP, int32(t.stack))
}

func (t *translator) leave() {
	t.Bind(t.out)
	t.restore()
}

// restore returns.
func (t *translator) restore() {
	words := 0
	for _, kept := range []bool{t.helpers, t.loops} {
		if kept {
			words++
		}
	}
	t.Lea(x86.RSP, x86.At(x86.RBP, int32(8*words)))
	for i := len(t.saved) - 1; i >= 0; i-- {
		t.Pop(t.saved[i])
	}
	t.Pop(x86.RBP)
	t.Ret()
}

// context is where the frame keeps the context.
func (t *translator) context() x86.Mem {
	if t.loops {
		return x86.At(x86.RBP, 8)
	}
	return x86.At(x86.RBP, 0)
}
