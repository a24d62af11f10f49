package kernel

import (
	"github.com/sonde-project/sonde/internal/object"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// sets groups the plan's sites by program, object, and whether the kernel's trampoline is meant.
func (s *Object) sets() ([]armSet, []plan.Refusal, error) {
	var sets []armSet
	var refusals []plan.Refusal
	pid := Narrowed(&s.Plan.Filter)
	for i := range s.Plan.Probes {
		probe, armed := &s.Plan.Probes[i], s.Program(i)
		at := map[setKey]int{}
		for j := range probe.Sites {
			st := &probe.Sites[j]
			wanted, why := s.Takes(i, st)
			if why != "" {
				refusals = s.Refuse(refusals, st, why)
			}
			if !wanted {
				continue
			}
			key := setKey{st.Object, armed.Kind == object.Return && st.Role == site.Trampoline}
			n, ok := at[key]
			if !ok {
				n = len(sets)
				at[key] = n
				sets = append(sets, armSet{
					prog: s.loaded.Programs[armed.Name].FD(), path: s.Plan.Objects[st.Object].Open, pid: pid, multi: s.multi,
					ret: key.trampoline, session: armed.Kind == object.Session, last: armed.Kind == object.Entry || armed.Kind == object.Static,
				})
			}
			sets[n].sites = append(sets[n].sites, armSite{
				offset: uint64(st.Offset), refCtr: uint64(st.RefCtr), cookie: s.Cookies[st], probe: i, site: j,
			})
		}
		if len(at) == 0 {
			return nil, nil, s.Nowhere(i)
		}
	}
	return sets, refusals, nil
}

type setKey struct {
	object     int
	trampoline bool
}
