package user

import (
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// Unasked says what of a plan is better left to the kernel's probes by who has both: what Refused says, and places that others are likely
// to put a kernel probe on while a jump lies there. The error says why all of it is: a filter that the process sets up later may punish system calls
// that programs make in it, a return is known better where its address is replaced, and many places keep the process waiting.
func (s *Survey) Unasked(p *plan.Plan) ([]plan.Refusal, error) {
	sites := 0
	for i := range p.Probes {
		if p.Probes[i].Kind == plan.Return && len(p.Probes[i].Sites) > 0 {
			return nil, notOffered("does not see results of tail calls")
		}
		sites += len(p.Probes[i].Sites)
	}
	if sites > mostUnasked {
		return nil, notOffered("stops a process longer than a user would expect, to patch %d places", sites)
	}
	w, code, err := s.plan(p)
	if err != nil {
		return nil, err
	}
	if err := silent(code); err != nil {
		return nil, err
	}
	refused := w.refused
	for i := range w.windows {
		refused = append(refused, w.windows[i].exposed()...)
	}
	return refusals(p, refused), nil
}

// mostUnasked is how many places are patched within a few milliseconds.
const mostUnasked = 1000

// silent says why programs may make system calls.
func silent(code *codegen.Program) error {
	for i := range code.Progs {
		uses, err := translate.Survey(code.Progs[i].Spec.Instructions)
		if err != nil {
			return err
		}
		if uses.Thread {
			return notOffered("makes system calls for anything but counting, which the process may forbid itself later")
		}
	}
	return nil
}

// exposed gives the sites of a window where others are likely to probe one of the instructions that its jump covers.
func (w *window) exposed() (list []refused) {
	const why = "another tracer's probe there would meet the jump"
	first := symbol.PC(w.Addr).Addr(w.object.bias) <= w.fn
	for _, s := range w.spots {
		if first || s.site.Role == site.Inside {
			list = append(list, refused{s.site, s.probe, why})
		}
	}
	return list
}
