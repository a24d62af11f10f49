package kernel

import (
	"fmt"
	"slices"

	"github.com/sonde-project/sonde/internal/object"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/script"
)

// sets groups the plan's sites by program, object, and whether the kernel's trampoline is meant. Returns are seen as the plan says: where
// a replaced return address could end the program, at ret instructions, where the result is in the same register. A tail jump comes before
// there is a result, so it is left out and said.
func (s *Object) sets() ([]armSet, []plan.Refusal, error) {
	var sets []armSet
	var refusals []plan.Refusal
	pid := linkPID(&s.plan.Filter)
	for i := range s.plan.Probes {
		probe, armed := &s.plan.Probes[i], &s.armed[s.owner[i]]
		at := map[setKey]int{}
		for j := range probe.Sites {
			st := &probe.Sites[j]
			wanted, why := takes(armed.Kind, st)
			if why != "" {
				refusals = s.refuse(refusals, st, why)
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
					prog: s.loaded.Programs[armed.Name].FD(), path: s.plan.Objects[st.Object].Open, pid: pid, multi: s.multi,
					ret: key.trampoline, session: armed.Kind == object.Session, last: armed.Kind == object.Entry || armed.Kind == object.Static,
				})
			}
			sets[n].sites = append(sets[n].sites, armSite{
				offset: uint64(st.Offset), refCtr: uint64(st.RefCtr), cookie: s.cookies[st], probe: i, site: j,
			})
		}
		if len(at) == 0 {
			return nil, nil, s.nowhere(armed, probe)
		}
	}
	return sets, refusals, nil
}

type setKey struct {
	object     int
	trampoline bool
}

// takes says whether a program of a kind is armed at a site, and what to tell of one that is left out.
func takes(kind object.Kind, st *plan.Site) (wanted bool, why string) {
	switch kind {
	case object.Session:
		if st.Role != site.Trampoline && st.Role != site.Entry {
			return false, "a session needs the kernel's trampoline, which is not safe here"
		}
		return st.Role == site.Trampoline, ""
	case object.Return:
		if st.Role == site.TailJump {
			return false, "it leaves by a jump to another function too, and those returns are not seen"
		}
	}
	return true, ""
}

// refuse notes a reason once per function.
func (s *Object) refuse(list []plan.Refusal, st *plan.Site, why string) []plan.Refusal {
	r := plan.Refusal{Object: s.plan.Objects[st.Object].Path, Function: s.plan.Functions[st.Function].Name, Why: why}
	if slices.Contains(list, r) {
		return list
	}
	return append(list, r)
}

// nowhere is the error of a program that would never run.
func (s *Object) nowhere(armed *object.Armed, probe *plan.Probe) error {
	d := &script.Diagnostic{Code: codeNotArmed, Message: fmt.Sprintf("program %s cannot be armed at %s", armed.Name, probe.Name)}
	for _, st := range probe.Sites {
		f := &s.plan.Functions[st.Function]
		_, why := takes(armed.Kind, &st)
		hint := f.Name + ": " + f.ReturnWhy
		if !slices.Contains(d.Hints, hint) && f.ReturnWhy != "" && len(d.Hints) < 3 {
			d.Hints = append(d.Hints, hint)
		}
		if why != "" && !slices.Contains(d.Hints, why) {
			d.Hints = append(d.Hints, why)
		}
	}
	return d
}
