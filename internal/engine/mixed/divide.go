package mixed

import (
	"fmt"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// Division is who runs what of a plan. A part that is nil is empty.
type Division struct {
	First, Second *plan.Plan
	Whole         *plan.Plan     // what the second runs should the first fail; nil: then the run fails, or has failed
	Passed        []plan.Refusal // what the first says of the functions that the second has
	// Why says of a plan that the second engine runs as a whole why the first does not.
	Why string
	Err error // that, where the first was asked to
}

// Divide gives the functions that an engine refuses to the second one. The refusals name sites of the plan.
func Divide(p *plan.Plan, refused []plan.Refusal) Division {
	moved := map[int]bool{}
	for _, r := range refused {
		if r.Site != nil {
			moved[r.Site.Function] = true
		}
	}
	if len(moved) == 0 {
		return Division{First: p}
	}
	first := p.Part(func(fn int) bool { return !moved[fn] })
	r := refused[0]
	if first == nil {
		return Division{Second: p, Why: fmt.Sprintf("%s: %s", r.Function, r.Why)}
	}
	if why := shares(p); why != "" {
		return Division{Second: p, Why: fmt.Sprintf("%s, and %s needs the other engine: %s", why, r.Function, r.Why)}
	}
	return Division{First: first, Second: p.Part(func(fn int) bool { return moved[fn] }), Passed: refused}
}

// shares says what the programs of several functions must remember together, "" nothing.
func shares(p *plan.Plan) string {
	for i := range p.Maps {
		if p.Maps[i].Kind == event.AggValue {
			return fmt.Sprintf("programs read and set @%s", p.Maps[i].Name)
		}
	}
	why := ""
	p.Walk(func(node any) {
		if d, ok := node.(*plan.MapDelete); ok {
			why = fmt.Sprintf("programs delete from @%s", p.Maps[d.Map].Name)
		}
	})
	if why != "" {
		return why
	}
	for i := range p.Probes {
		for j := range p.Probes[i].Bodies {
			if f := p.Probes[i].Bodies[j].Frame; f != nil && f.Depth {
				return "calls tell how deep they are nested in others"
			}
		}
	}
	return ""
}
