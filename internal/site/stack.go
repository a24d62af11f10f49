package site

import "golang.org/x/arch/x86/x86asm"

// step changes the state as the instruction does.
func (s *state) step(in Inst) {
	e := &in.enc
	if e.vector || e.opmap != oneByte {
		return // none of these writes %rsp or %rbp, but for cmov and xadd, which nobody uses on them
	}
	switch {
	case e.op&0xf8 == 0x50, e.op == 0x68, e.op == 0x6a, e.op == 0x9c, e.op == 0xff && e.modrm>>3&7 == 6:
		s.sp = s.sp.plus(-8) // push
	case e.op&0xf8 == 0x58, e.op == 0x8f, e.op == 0x9d:
		s.sp = s.sp.plus(8) // pop
		if e.op == 0x5d && e.rex&1 == 0 {
			s.bp = place{}
		}
	case e.op == 0xc9: // leave: mov %rbp,%rsp; pop %rbp
		s.sp, s.bp = s.bp.plus(8), place{}
	case in.Flow == Next && e.namesStack():
		s.compute(in)
	}
}

// namesStack reports whether an operand may be %rsp or %rbp (numbers 4 and 5) as a register.
func (e *encoding) namesStack() bool {
	reg, rm := e.modrm>>3&6 == 4 && e.rex&4 == 0, e.modrm&6 == 4 && e.modrm>>6 == 3 && e.rex&1 == 0
	return e.hasModRM && (reg || rm) || !e.hasModRM && e.op&6 == 4 && e.rex&1 == 0
}

// compute follows mov, lea, add and sub with %rsp or %rbp as destination; anything else that writes one loses it.
func (s *state) compute(in Inst) {
	inst, ok := in.asm()
	if !ok || inst.Op == x86asm.CMP || inst.Op == x86asm.TEST {
		return
	}
	if dest := s.register(inst.Args[0]); dest != nil {
		*dest = s.result(inst, *dest)
	}
	if other := s.register(inst.Args[1]); other != nil && inst.Op == x86asm.XCHG {
		*other = place{}
	}
}

// register gives the place that an operand names, nil when it is neither stack nor frame pointer.
func (s *state) register(arg x86asm.Arg) *place {
	switch arg {
	case x86asm.RSP, x86asm.ESP, x86asm.SP, x86asm.SPB:
		return &s.sp
	case x86asm.RBP, x86asm.EBP, x86asm.BP, x86asm.BPB:
		return &s.bp
	}
	return nil
}

// result is what the instruction leaves in its destination, which held old.
func (s *state) result(inst x86asm.Inst, old place) place {
	if inst.DataSize != 64 {
		return place{}
	}
	switch source := inst.Args[1].(type) {
	case x86asm.Imm:
		switch inst.Op {
		case x86asm.ADD:
			return old.plus(int64(source))
		case x86asm.SUB:
			return old.plus(-int64(source))
		}
	case x86asm.Reg:
		if from := s.register(source); from != nil && inst.Op == x86asm.MOV {
			return *from
		}
	case x86asm.Mem:
		if inst.Op != x86asm.LEA || source.Index != 0 {
			return place{}
		}
		if from := s.register(source.Base); from != nil {
			return from.plus(source.Disp)
		}
		// lea -8(%r10),%rsp ends a function that aligned its stack: %r10 holds the entry's %rsp + 8 (GCC's DRAP).
		if source.Disp == -8 && inst.Args[0] == x86asm.RSP {
			return place{0, true}
		}
	}
	return place{}
}
