package resolve

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// spot is one address of an object.
type spot struct {
	object int
	addr   symbol.Addr
}

// moveEntries moves entry sites that the kernel would single-step to where it need not, past instructions that change only what the finished
// plan does not read there. Sites of one address share their trap, so they move together or not at all; where something else is armed already
// none goes, for the order there would be another one.
func (r *resolver) moveEntries() {
	matches := map[int]match{}
	for m, id := range r.ids {
		matches[id] = m
	}
	at := map[spot][]*plan.Site{}
	reads := map[spot]site.Registers{}
	fixed := map[spot]bool{}
	for i := range r.plan.Probes {
		p := &r.plan.Probes[i]
		for j := range p.Sites {
			s := &p.Sites[j]
			here := spot{s.Object, s.Addr}
			at[here] = append(at[here], s)
			if p.Kind != plan.Entry || s.Role != site.Entry || s.Cost < site.Stepped || s.Note != nil {
				fixed[here] = true
				continue
			}
			reads[here] |= r.reads(&p.Bodies[s.Body])
		}
	}
	for here, sites := range at {
		if fixed[here] {
			continue
		}
		moved, ok := later(matches[sites[0].Function], here, reads[here])
		if !ok || at[spot{here.object, moved.Addr}] != nil {
			continue
		}
		for _, s := range sites {
			s.Addr, s.Offset, s.Choice = moved.Addr, moved.Offset, moved.Choice
		}
	}
}

// later finds the place for an entry site that is here now. Another function may begin between the two.
func later(m match, here spot, reads site.Registers) (plan.Site, bool) {
	if m.fn == nil || m.fn.Lang == event.LangGo || m.fn.IFunc {
		return plan.Site{}, false
	}
	code, err := m.obj.file.Code(m.fn)
	if err != nil || here.addr < m.fn.Addr || here.addr >= m.fn.Addr+symbol.Addr(len(code)) {
		return plan.Site{}, false
	}
	c, ok := site.LaterEntry(code, coldParts(m.obj, m.fn), reads)
	if !ok {
		return plan.Site{}, false
	}
	for a := m.fn.Addr + 1; a <= m.fn.Addr+symbol.Addr(c.Offset); a++ {
		if fn, _, ok := m.obj.file.At(a); !ok || fn.Addr != m.fn.Addr {
			return plan.Site{}, false
		}
	}
	s, err := armed(m.obj, m.fn, c)
	return s, err == nil
}

// reads are the registers that a body and what it sends look at.
func (r *resolver) reads(b *plan.Body) (registers site.Registers) {
	r.plan.WalkBody(b, func(node any) {
		if reg, ok := node.(*plan.Reg); ok {
			registers |= numbered(reg.R)
		}
	})
	return registers
}

// numbered turns DWARF's number of a register, which ctype has, into that of instructions.
func numbered(r ctype.Register) site.Registers {
	switch {
	case r >= ctype.R8 && r <= ctype.R15:
		return 1 << r
	case r > ctype.R15:
		return 0 // no instruction that writes a vector register is passed
	}
	return map[ctype.Register]site.Registers{ctype.RAX: 1 << 0, ctype.RCX: 1 << 1, ctype.RDX: 1 << 2, ctype.RBX: 1 << 3,
		ctype.RSP: 1 << 4, ctype.RBP: 1 << 5, ctype.RSI: 1 << 6, ctype.RDI: 1 << 7}[r]
}
