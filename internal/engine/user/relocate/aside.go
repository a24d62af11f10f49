package relocate

import (
	"golang.org/x/arch/x86/x86asm"

	"github.com/sonde-project/sonde/internal/site"
)

// A kernel probe that somebody puts on a function's first instruction goes on behind it. Were there a jump on both, that would be in the
// middle of the jump; so where what a program sees allows it, the jump lies behind the first instruction, which stays where it is.

// steps says what an instruction changes that programs may look at: nothing but the stack pointer, which is lower by so many bytes behind it.
func steps(in site.Inst) (lower int64, ok bool) {
	if in.Flow != site.Next || refusal(in) != "" {
		return 0, false
	}
	one, err := x86asm.Decode(in.Bytes(), 64)
	if err != nil {
		return 0, isEndbr(in)
	}
	switch one.Op {
	case x86asm.NOP:
		return 0, true
	case x86asm.TEST, x86asm.CMP:
		return 0, inRegisters(one)
	case x86asm.PUSH:
		r, ok := one.Args[0].(x86asm.Reg)
		return 8, ok && r >= x86asm.RAX && r <= x86asm.R15
	case x86asm.SUB:
		n, fixed := one.Args[1].(x86asm.Imm)
		return int64(n), fixed && one.Args[0] == x86asm.RSP && n > 0
	}
	return 0, isEndbr(in)
}

// isEndbr recognises endbr64, which x86asm takes for a prefix.
func isEndbr(in site.Inst) bool { return string(in.Bytes()) == "\xf3\x0f\x1e\xfa" }

// inRegisters reports whether an instruction reads no memory.
func inRegisters(one x86asm.Inst) bool {
	for _, arg := range one.Args {
		if _, ok := arg.(x86asm.Mem); ok {
			return false
		}
	}
	return true
}

// aside plans a window behind the function's first instruction for all sites that are at that one, and gives the other sites.
func (p *planner) aside(sites []site.Choice, order []int) (spans []stretch, rest []int) {
	first := p.parts[0]
	if len(first.insts) < 2 || p.target(0, 1) {
		return nil, order
	}
	lower, ok := steps(first.insts[0])
	if !ok {
		return nil, order
	}
	s := stretch{from: 1, aside: true}
	for _, i := range order {
		if at := sites[i]; at.Offset == 0 && byName(p.f.Name, at.Role) == "" {
			s.sites, s.at, s.lower = append(s.sites, i), append(s.at, 1), append(s.lower, lower)
		} else {
			rest = append(rest, i)
		}
	}
	if len(s.sites) == 0 || p.fill(&s) != nil {
		return nil, order
	}
	return []stretch{s}, rest
}
