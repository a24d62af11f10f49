package codegen

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/plan"
)

// Guard is what stands before a program that is not ours: it leaves for processes that are not observed, and counts the hit.
type Guard struct {
	// Code comes before the program's own instructions. It leaves their registers and stack as the kernel hands them in, but for
	// R6 and R7, which no program may read before it wrote them.
	Code asm.Instructions
	// Maps and Progs are what Code refers to, and the programs on forks that keep the process filter up to date.
	Maps  []*ebpf.MapSpec
	Progs []Prog
}

// NewGuard writes the guard of a plan's filter. Names of maps, here and in the code, begin with the prefix: the program that is
// guarded has maps of its own.
func NewGuard(p *plan.Plan, f Features, prefix string) (*Guard, error) {
	c := &compiler{p: p, f: f, limits: limits(p), used: map[string]bool{}}
	e := &emitter{}
	out, begin := e.label(), e.label()
	e.mov(regCtx, asm.R1)
	c.filter(e, &unit{filtered: c.filtersPIDs()}, out)
	e.findStats(c, nowPlace(), out)
	e.imm(asm.R1, 1)
	e.atomicAdd(place{regStats, 8 * int(plan.CountHits)}, asm.R1)
	e.jump(begin)
	e.place(out)
	e.exit()
	e.place(begin)
	e.mov(asm.R1, regCtx)
	if err := e.finish(); err != nil {
		return nil, err
	}
	if err := c.followForks(); err != nil {
		return nil, err
	}
	g := &Guard{Code: prefixed(e.ins, prefix), Maps: c.maps(), Progs: c.progs}
	for _, m := range g.Maps {
		m.Name = prefix + m.Name
	}
	for _, prog := range g.Progs {
		prog.Spec.Instructions = prefixed(prog.Spec.Instructions, prefix)
	}
	return g, nil
}

// prefixed renames the maps that instructions refer to.
func prefixed(code asm.Instructions, prefix string) asm.Instructions {
	for i := range code {
		if name := code[i].Reference(); name != "" {
			code[i] = code[i].WithReference(prefix + name)
		}
	}
	return code
}
