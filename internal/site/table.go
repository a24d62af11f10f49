package site

import "golang.org/x/arch/x86/x86asm"

// switchTable is a switch whose every target is known:
//
//	cmp $7,%r12d                     the guard's comparison
//	ja default                       the guard
//	lea table(%rip),%rcx
//	mov %r12d,%eax
//	movslq (%rcx,%rax,4),%rax        or mov table(,%rax,8),%rax
//	add %rcx,%rax
//	jmp *%rax
type switchTable struct {
	guard, jump int
	index       uint8 // the register that the guard compares; noRegister: it is none, or of less than four bytes
	cases       map[int][]int
}

const (
	maxCases  = 1024
	maxGuard  = 4  // instructions from a guard back to its comparison
	maxSwitch = 12 // and from there to the jump
)

// casesOf gives the cases that lead to an instruction; false: more than a Switch can hold.
func (t *switchTable) casesOf(i int) (bits uint64, few bool) {
	for _, n := range t.cases[i] {
		if n > 63 {
			return 0, false
		}
		bits |= 1 << n
	}
	return bits, true
}

// asmOf gives the operands of an indirect jump, and whether it says of itself that it is a switch.
func asmOf(in Inst) (inst x86asm.Inst, notrack bool) {
	if in.code[0] == 0x3e {
		in.code, in.Len, notrack = in.code[1:], in.Len-1, true
	}
	inst, _ = in.asm()
	return inst, notrack
}

// switched reads the switch that jumps at i.
func (w *ways) switched(i int) (*switchTable, bool) {
	guard, compared, ok := w.guard(i)
	if !ok {
		return nil, false
	}
	cmp, ok := w.insts[compared].asm()
	most, isImm := cmp.Args[1].(x86asm.Imm)
	if !ok || cmp.Op != x86asm.CMP || !isImm || most < 0 || most >= maxCases {
		return nil, false
	}
	s := &indexing{compared: cmp.Args[0]}
	t := &switchTable{guard: guard, jump: i, index: noRegister, cases: map[int][]int{}}
	if reg, size := general(cmp.Args[0]); reg != noRegister {
		s.regs[reg].index = true
		if size >= 4 {
			t.index = reg
		}
	}
	for _, in := range w.insts[compared+1 : i] {
		if in.Flow == Next {
			s.step(in)
		}
	}
	jump, _ := asmOf(w.insts[i])
	at, scale, ok := s.target(jump.Args[0])
	if !ok {
		return nil, false
	}
	if scale == 8 {
		at -= int64(w.fn.Addr)
	}
	return t, w.fill(t, at, scale, int(most)+1)
}

// guard finds the conditional jump that bounds the index of a switch, and its comparison. Nothing may lead in between.
func (w *ways) guard(jump int) (guard, compared int, ok bool) {
	i := jump
	for ; i > 0 && jump-i < maxSwitch; i-- {
		if len(w.from[i]) > 0 || w.entered[i] || w.first(i) {
			return 0, 0, false
		}
		if in := w.insts[i-1]; in.Flow == CondJump && in.condition() == 0x77 { // ja
			guard = i - 1
			break
		} else if in.Flow != Next {
			return 0, 0, false
		}
	}
	for i = guard; i > 0 && guard-i < maxGuard; i-- {
		if len(w.from[i]) > 0 || w.entered[i] || w.first(i) {
			return 0, 0, false
		}
		inst, ok := w.insts[i-1].asm()
		switch {
		case !ok:
			return 0, 0, false
		case inst.Op == x86asm.CMP:
			return guard, i - 1, true
		case inst.Op != x86asm.MOV && inst.Op != x86asm.LEA && inst.Op != x86asm.MOVZX:
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// fill reads the table.
func (w *ways) fill(t *switchTable, at int64, scale uint8, n int) bool {
	if w.fn.Read == nil {
		return false
	}
	entries := make([]byte, n*int(scale))
	if !w.fn.Read(at, entries) {
		return false
	}
	for c := range n {
		to := signed(entries[c*int(scale):], 0, scale)
		if scale == 4 {
			to += at
		} else {
			to -= int64(w.fn.Addr)
		}
		i, ok := w.find(to)
		if !ok {
			return false
		}
		t.cases[i] = append(t.cases[i], c)
	}
	return true
}

// indexing follows the registers of a switch.
type indexing struct {
	compared x86asm.Arg
	regs     [16]indexed
}

// indexed is what is known of a register: it holds the index, or a table's place, or an entry of it, or that entry's target.
type indexed struct {
	index, base, entry, target bool
	at                         int64
	scale                      uint8
}

func (s *indexing) step(in Inst) {
	inst, ok := in.asm()
	reg, _ := general(inst.Args[0])
	if !ok || reg == noRegister {
		if !ok || inst.Op != x86asm.CMP && inst.Op != x86asm.TEST && inst.Op != x86asm.NOP {
			s.regs = [16]indexed{}
		}
		return
	}
	s.regs[reg] = s.value(in, inst, reg)
}

func (s *indexing) value(in Inst, inst x86asm.Inst, reg uint8) indexed {
	from, _ := general(inst.Args[1])
	mem, isMem := inst.Args[1].(x86asm.Mem)
	switch {
	case inst.Op == x86asm.LEA && isMem && mem.Base == x86asm.RIP:
		return indexed{base: true, at: int64(in.End()) + mem.Disp}
	case inst.Op == x86asm.ADD && from != noRegister:
		a, b := s.regs[reg], s.regs[from]
		if (a.entry && b.base || a.base && b.entry) && a.at == b.at {
			return indexed{target: true, at: a.at, scale: 4}
		}
	case (inst.Op == x86asm.MOV || inst.Op == x86asm.MOVZX) && from != noRegister:
		return s.regs[from]
	case (inst.Op == x86asm.MOV || inst.Op == x86asm.MOVZX) && isMem && inst.Args[1] == s.compared:
		return indexed{index: true}
	case inst.Op == x86asm.MOVSXD && isMem:
		base, _ := general(mem.Base)
		index, _ := general(mem.Index)
		if base != noRegister && index != noRegister && mem.Disp == 0 && mem.Scale == 4 && s.regs[base].base && s.regs[index].index {
			return indexed{entry: true, at: s.regs[base].at}
		}
	case inst.Op == x86asm.MOV && isMem:
		if at, ok := s.absolute(mem); ok {
			return indexed{target: true, at: at, scale: 8}
		}
	}
	return indexed{}
}

// absolute gives the place of a table of addresses whose entry is at mem.
func (s *indexing) absolute(mem x86asm.Mem) (int64, bool) {
	index, _ := general(mem.Index)
	return mem.Disp, mem.Base == 0 && mem.Segment == 0 && mem.Scale == 8 && index != noRegister && s.regs[index].index
}

// target gives the table that a jump goes through, by an operand.
func (s *indexing) target(arg x86asm.Arg) (at int64, scale uint8, ok bool) {
	switch a := arg.(type) {
	case x86asm.Mem:
		at, ok = s.absolute(a)
		return at, 8, ok
	case x86asm.Reg:
		if reg, _ := general(a); reg != noRegister && s.regs[reg].target {
			return s.regs[reg].at, s.regs[reg].scale, true
		}
	}
	return 0, 0, false
}
