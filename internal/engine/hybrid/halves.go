package hybrid

import (
	"slices"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// halves are the two plans that a plan is run as.
type halves struct {
	inside  *plan.Plan // decides, in the process
	outside *plan.Plan // does the rest, in the kernel
	// pads says, by probe and site of the whole plan, through which site of the inside it is reached; beside: through none, the kernel has its probe
	// on the place itself.
	pads [][]int
	// decided is how many of the predicates the inside decides, in whole or in part; of says of how many.
	decided, of int
}

// beside is the pad of sites that cannot be patched.
const beside = -1

// halve divides a plan, but for some functions, which the kernel has to itself. Probes and functions keep their numbers in both halves.
func halve(p *plan.Plan, whole map[int]bool) *halves {
	inside, outside := *p, *p
	inside.Maps, inside.Emissions, inside.Vars, inside.Refusals = nil, nil, nil, nil
	inside.Probes, outside.Probes = make([]plan.Probe, len(p.Probes)), make([]plan.Probe, len(p.Probes))
	h := &halves{inside: &inside, outside: &outside, pads: make([][]int, len(p.Probes))}
	for i := range p.Probes {
		h.probe(i, &p.Probes[i], whole)
	}
	return h
}

// The inside has three bodies for each of the plan's: one decides and remembers the call, one decides, one lets everything pass.
const (
	pairing = iota
	deciding
	passing
	kinds
)

func (h *halves) probe(i int, p *plan.Probe, whole map[int]bool) {
	in, out := &h.inside.Probes[i], &h.outside.Probes[i]
	*in, *out = plan.Probe{Kind: p.Kind, Name: p.Name, Interval: p.Interval}, *p
	if p.Kind != plan.Entry && p.Kind != plan.Return {
		return
	}
	out.Bodies = make([]plan.Body, len(p.Bodies))
	decides := make([]bool, len(p.Bodies))
	for j := range p.Bodies {
		bodies, rest, decided := h.body(&p.Bodies[j], p.Kind)
		in.Bodies = append(in.Bodies, bodies[:]...)
		out.Bodies[j], decides[j] = rest, decided
	}
	if slices.ContainsFunc(p.Sites, func(s plan.Site) bool { return whole[s.Function] }) {
		out.Sites, out.Bodies = slices.Clone(p.Sites), append(out.Bodies, p.Bodies...)
	}
	left, entries := leaves(p), map[entry]int{}
	h.pads[i] = make([]int, len(p.Sites))
	for j := range p.Sites {
		s := p.Sites[j]
		if whole[s.Function] {
			h.pads[i][j] = beside
			out.Sites[j].Body += len(p.Bodies)
			continue
		}
		if s.Role == site.Trampoline {
			if at, ok := entries[entryOf(&s)]; ok { // one pad serves both
				h.pads[i][j] = at
				continue
			}
		}
		kind := passing
		switch {
		case !decides[s.Body]:
		case p.Kind == plan.Entry:
			kind = deciding
		case left[s.Function]:
			kind = pairing
		case s.Role == site.Entry:
			kind = deciding
		}
		switch s.Role {
		case site.Entry:
			entries[entryOf(&s)] = len(in.Sites)
		case site.Trampoline:
			s.Role = site.Entry
		}
		s.Body = kinds*s.Body + kind
		h.pads[i][j] = len(in.Sites)
		in.Sites = append(in.Sites, s)
	}
}

// leaves says of which functions a probe sees the returns at the instructions that leave.
func leaves(p *plan.Probe) map[int]bool {
	found := map[int]bool{}
	for i := range p.Sites {
		switch p.Sites[i].Role {
		case site.Ret, site.TailJump, site.DeferReturn:
			found[p.Sites[i].Function] = true
		}
	}
	return found
}

// entry is what the entry of a function and the site of its trampoline have in common.
type entry struct {
	function, body int
	addr           symbol.Addr
}

func entryOf(s *plan.Site) entry { return entry{s.Function, s.Body, s.Addr} }

// body divides a body: what decides about it inside, by kind, and what is left for the kernel.
func (h *halves) body(b *plan.Body, kind plan.ProbeKind) (inside [kinds]plan.Body, rest plan.Body, decided bool) {
	on := []plan.Stmt{&plan.Trap{}}
	for i := range inside {
		inside[i].Stmts = on
	}
	rest = *b
	var here plan.Expr
	switch {
	case kind == plan.Entry:
		here, rest.Pred = divide(b.Pred)
	case b.Frame != nil:
		frame := *b.Frame
		here, frame.Pred = divide(frame.Pred)
		rest.Frame = &frame
	}
	if b.Pred != nil || b.Frame != nil && b.Frame.Pred != nil {
		h.of++
	}
	if here == nil {
		return inside, rest, false
	}
	h.decided++
	inside[pairing].Frame = &plan.Frame{Pred: here}
	inside[deciding].Pred = here
	return inside, rest, true
}

// beside is the part of the kernel's plan that is armed at the places themselves.
func (h *halves) beside() *plan.Plan {
	p := *h.outside
	p.Probes = slices.Clone(p.Probes)
	for i := range p.Probes {
		var sites []plan.Site
		for j := range p.Probes[i].Sites {
			if h.pads[i][j] == beside {
				sites = append(sites, p.Probes[i].Sites[j])
			}
		}
		p.Probes[i].Sites = sites
	}
	return &p
}
