package resolve

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// maxWays bounds Plan.Ways: programs tell them apart one by one.
const maxWays = 128

// moveReturns arms what leads to a ret in its place, where the kernel need not single-step that. What the finished plan reads at the return must be
// known there, and nothing else be armed.
func (r *resolver) moveReturns() {
	if !r.scope.BeforeRet {
		return
	}
	taken := map[spot]bool{}
	for _, p := range r.plan.Probes {
		for _, s := range p.Sites {
			taken[spot{s.Object, s.Addr}] = true
		}
	}
	x := &earlier{resolver: r, taken: taken, matches: map[int]match{}, known: map[returning]map[uint64][]site.Choice{}, ways: map[site.Before]int{}}
	for m, id := range r.ids {
		x.matches[id] = m
	}
	for i := range r.plan.Probes {
		if p := &r.plan.Probes[i]; p.Kind == plan.Return {
			x.probe(p)
		}
	}
}

// earlier finds sites before rets.
type earlier struct {
	*resolver
	taken   map[spot]bool
	matches map[int]match
	known   map[returning]map[uint64][]site.Choice
	ways    map[site.Before]int
}

// returning is a function, and what is read where it returns.
type returning struct {
	function int
	reads    site.Registers
}

func (x *earlier) probe(p *plan.Probe) {
	reads := make([]site.Registers, len(p.Bodies))
	may := make([]bool, len(p.Bodies))
	for j := range p.Bodies {
		reads[j], may[j] = x.readsAtReturn(&p.Bodies[j])
	}
	var sites []plan.Site
	for _, s := range p.Sites {
		if s.Role == site.Ret && may[s.Body] {
			if moved := x.instead(s, reads[s.Body]); moved != nil {
				sites = append(sites, moved...)
				continue
			}
		}
		sites = append(sites, s)
	}
	p.Sites = sites
}

// instead gives the sites in place of a ret, nil if it stays.
func (x *earlier) instead(ret plan.Site, reads site.Registers) []plan.Site {
	m := x.matches[ret.Function]
	if m.fn == nil || m.fn.Lang == event.LangGo || m.fn.IFunc {
		return nil
	}
	key := returning{ret.Function, reads}
	found, ok := x.known[key]
	if !ok {
		if code, err := m.obj.file.Code(m.fn); err == nil {
			found = site.EarlierReturns(code, returnInfo(m.obj, m.fn), reads)
		}
		x.known[key] = found
	}
	var sites []plan.Site
	for _, c := range found[ret.Choice.Offset] {
		s, err := armed(m.obj, m.fn, c)
		s.Object, s.Function, s.Body = ret.Object, ret.Function, ret.Body
		if s.Way = x.way(*c.Before); err != nil || s.Way == 0 || x.taken[spot{s.Object, s.Addr}] {
			return nil
		}
		sites = append(sites, s)
	}
	return sites
}

// way numbers what programs do at a site before a ret, but for the size of the frame; 0: there are too many.
func (x *earlier) way(b site.Before) int {
	b.Frame = 0
	n, ok := x.ways[b]
	if !ok && len(x.plan.Ways) < maxWays {
		x.plan.Ways = append(x.plan.Ways, b)
		n = len(x.plan.Ways)
		x.ways[b] = n
	}
	return n
}

// readsAtReturn are the registers that a body looks at where the function returns; false: it looks at what only the ret itself has.
func (x *earlier) readsAtReturn(b *plan.Body) (registers site.Registers, ok bool) {
	after := *b
	after.Frame = nil // what is kept of the entry was read there
	ok = true
	x.plan.WalkBody(&after, func(node any) {
		switch n := node.(type) {
		case *plan.Reg:
			registers |= numbered(n.R)
		case *plan.UserStack:
			ok = false
		case *plan.Value:
			ok = ok && n.B != plan.PC
		}
	})
	return registers, ok
}
