package sonde

import (
	"slices"

	"github.com/sonde-project/sonde/internal/plan"
)

// Refusal is a function that matched a probe and is not observed, or not fully.
type Refusal struct {
	Target   string // the object's path
	Function string
	Why      string
}

// Refusals lists what is not observed although it was asked for: functions without a safe place for a probe, and places that the
// kernel turned down. Each function once. What nobody calls, such as _start, is left out where a pattern named it.
func (s *Session) Refusals() []Refusal {
	var out []Refusal
	seen := map[[2]string]bool{}
	for _, p := range s.parts() {
		list := slices.Concat(p.plan.Refusals, p.refused)
		if e, ok := p.engine.(interface{ Refused() []plan.Refusal }); ok {
			list = append(list, e.Refused()...)
		}
		for _, r := range list {
			if key := [2]string{r.Object, r.Function}; !seen[key] && !r.Uncalled {
				seen[key] = true
				out = append(out, Refusal{Target: r.Object, Function: r.Function, Why: r.Why})
			}
		}
	}
	return out
}
