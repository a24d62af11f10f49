package site

import "golang.org/x/arch/x86/x86asm"

// repeats reports whether something that came in rdi may be copied to rax and stay there until a return. Where things are kept between is
// not followed in time: a register or slot of the frame that once got it may always have it.
func (x *arguments) repeats(size int64) bool {
	c := copies{regs: map[x86asm.Reg]bool{x86asm.RDI: true}, slots: map[int64]bool{}}
	const most = 16 // compilers do not copy on and on
	changed := true
	for round := 0; changed; round++ {
		if changed = false; round == most {
			return true
		}
		for _, in := range x.insts {
			away := in.Target < 0 || in.Target >= size
			if in.Flow == JumpIndirect || away && (in.Flow == Jump || in.Flow == CondJump) {
				return true // what goes on there may do so
			}
			if inst, ok := in.asm(); ok {
				changed = c.copied(inst) || changed
			}
		}
	}
	if !c.regs[x86asm.RAX] {
		return false
	}
	return x.returns(&c)
}

// returns follows such copies in rax to a return.
func (x *arguments) returns(c *copies) bool {
	seen := make([]bool, len(x.insts))
	var work []int
	for i, in := range x.insts {
		if inst, ok := in.asm(); ok && c.copiesTo(inst) {
			work = append(work, i)
		}
	}
	for len(work) > 0 {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		for _, next := range x.next(i) {
			in := x.insts[next]
			if in.Flow == Return {
				return true
			}
			if !seen[next] && in.Flow != Call && in.Flow != CallIndirect && !replaces(in) {
				work = append(work, next)
			}
			seen[next] = true
		}
	}
	return false
}

// replaces reports whether an instruction is sure to write something else to rax.
func replaces(in Inst) bool {
	inst, ok := in.asm()
	if !ok || !known(inst.Op) || !changes(inst.Op) {
		return false
	}
	return inst.Args[0] == x86asm.RAX || inst.Args[0] == x86asm.EAX
}

type copies struct {
	regs  map[x86asm.Reg]bool
	slots map[int64]bool // below rbp
	stack bool           // somewhere else on the stack
}

// copied notes what an instruction copies; false when it was known.
func (c *copies) copied(inst x86asm.Inst) bool {
	if to, from := copying(inst); inst.Op == x86asm.XCHG && c.has(to) && c.put(from) {
		return true
	} else if from != nil {
		return c.has(from) && c.put(to)
	}
	return false
}

// copiesTo reports a copy to rax.
func (c *copies) copiesTo(inst x86asm.Inst) bool {
	to, from := copying(inst)
	return from != nil && (to == x86asm.RAX && c.has(from) || inst.Op == x86asm.XCHG && from == x86asm.RAX && c.has(to))
}

// copying is where an instruction copies to and from; nil for one that copies nothing.
func copying(inst x86asm.Inst) (to, from x86asm.Arg) {
	switch inst.Op {
	case x86asm.MOV, x86asm.XCHG, x86asm.CMOVE, x86asm.CMOVNE, x86asm.CMOVA, x86asm.CMOVAE, x86asm.CMOVB, x86asm.CMOVBE, x86asm.CMOVG, x86asm.CMOVGE, x86asm.CMOVL, x86asm.CMOVLE,
		x86asm.CMOVS, x86asm.CMOVNS:
		return inst.Args[0], inst.Args[1]
	case x86asm.PUSH:
		return x86asm.Mem{Base: x86asm.RSP}, inst.Args[0]
	case x86asm.POP:
		return inst.Args[0], x86asm.Mem{Base: x86asm.RSP}
	case x86asm.LEA:
		if mem, ok := inst.Args[1].(x86asm.Mem); ok && mem.Index == 0 && mem.Base != 0 {
			return inst.Args[0], mem.Base // what is added may be taken off again
		}
	}
	return nil, nil
}

func (c *copies) has(arg x86asm.Arg) bool {
	switch a := arg.(type) {
	case x86asm.Reg:
		return c.regs[a]
	case x86asm.Mem:
		if a.Base == x86asm.RBP && a.Index == 0 {
			return c.slots[a.Disp] || c.stack
		}
		return a.Base == x86asm.RSP && c.stack
	}
	return false
}

func (c *copies) put(arg x86asm.Arg) bool {
	switch a := arg.(type) {
	case x86asm.Reg:
		if a < x86asm.RAX || a > x86asm.R15 || a == x86asm.RSP || c.regs[a] {
			return false
		}
		c.regs[a] = true
		return true
	case x86asm.Mem:
		switch {
		case a.Base == x86asm.RBP && a.Index == 0 && !c.slots[a.Disp]:
			c.slots[a.Disp] = true
			return true
		case a.Base == x86asm.RSP && !c.stack:
			c.stack = true
			return true
		}
	}
	return false
}
