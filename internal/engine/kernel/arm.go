package kernel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/plan"
)

// Arm arms every site of the plan: the process filter first, then returns, then entries, so that a call whose entry was seen
// has its return armed. Sites that the kernel refuses are left out and reported; it is an error when nothing could be armed.
func (s *Session) Arm() ([]plan.Refusal, error) {
	return s.ArmOnly(func(int, int) bool { return true })
}

// ArmOnly is Arm for some of the sites.
func (s *Session) ArmOnly(which func(probe, site int) bool) (_ []plan.Refusal, err error) {
	if s.processes == nil {
		if s.follow, err = followProcesses(s.code.Progs, s.progs); err != nil {
			return nil, err
		}
	}
	return s.held.arm(s.plan, s.sets(func(probe, site int) (Place, bool) { return s.own(probe, site), which(probe, site) }))
}

// Place is where a site is armed.
type Place struct {
	Path   string
	Offset uint64 // in the file
}

// own is the place of a site in its own file.
func (s *Session) own(probe, site int) Place {
	at := &s.plan.Probes[probe].Sites[site]
	return Place{s.plan.Objects[at.Object].Open, uint64(at.Offset)}
}

// arm arms sets of sites in files that are leased.
func (h *hold) arm(p *plan.Plan, sets []armSet) ([]plan.Refusal, error) {
	if len(sets) == 0 {
		return nil, nil
	}
	h.watch()
	h.leases.Lock()
	defer h.leases.Unlock()
	h.lease(sets)
	h.heir = newHeir(h, p, sets)
	defer h.heir.start()
	return h.put(p, sets)
}

// put arms sets of sites, returns before entries, and says which sites are left out.
func (h *hold) put(p *plan.Plan, sets []armSet) ([]plan.Refusal, error) {
	perf, err := perfFor(sets)
	if err != nil {
		return nil, err
	}
	var refusals []plan.Refusal
	var cause error
	for _, stage := range stages(sets) {
		results := make([]armResult, len(stage))
		sideBySide(len(stage), func(i int) error {
			results[i].hold, results[i].refused, results[i].err = stage[i].arm(perf)
			return nil
		})
		for i, r := range results {
			if stage[i].last {
				h.entries = append(h.entries, r.hold.links...)
			} else {
				h.links = append(h.links, r.hold.links...)
			}
			h.events = append(h.events, r.hold.events...)
			h.places(stage[i].path, r.hold)
			if r.err != nil {
				cause = r.err
				r.refused = refuseAll(stage[i].sites, r.err)
			}
			for _, out := range r.refused {
				refusals = append(refusals, engine.KernelRefusal(p, out.probe, out.site, out.err))
			}
		}
	}
	if len(h.links)+len(h.entries) == 0 {
		return refusals, nothingArmed(refusals, cause)
	}
	return refusals, nil
}

type armResult struct {
	hold    hold
	refused []refused
	err     error
}

// perfFor opens the road of single probes when a set takes it.
func perfFor(sets []armSet) (*perfUprobe, error) {
	if !slices.ContainsFunc(sets, func(s armSet) bool { return !s.multi }) {
		return nil, nil
	}
	perf, err := newPerfUprobe()
	if err != nil {
		return nil, fmt.Errorf("uprobe events of perf: %w", err)
	}
	return perf, nil
}

// stages puts returns before entries.
func stages(sets []armSet) [][]armSet {
	entries, returns := []armSet(nil), []armSet(nil)
	for _, s := range sets {
		if s.last {
			entries = append(entries, s)
		} else {
			returns = append(returns, s)
		}
	}
	return [][]armSet{returns, entries}
}

// sets groups the plan's sites by program and file.
func (s *Session) sets(where func(probe, site int) (Place, bool)) []armSet {
	var sets []armSet
	pid := Narrowed(&s.plan.Filter)
	for i, prog := range s.code.Progs {
		if prog.Probe < 0 || prog.Part == codegen.RunPart {
			continue
		}
		multi := prog.Spec.AttachType == ebpf.AttachTraceUprobeMulti
		byFile := map[string]int{}
		probe := &s.plan.Probes[prog.Probe]
		for j := range probe.Sites {
			site := &probe.Sites[j]
			if site.Body < prog.From || site.Body >= prog.To || codegen.PartOf(probe.Kind, site.Role) != prog.Part {
				continue
			}
			place, armed := where(prog.Probe, j)
			if !armed {
				continue
			}
			at, ok := byFile[place.Path]
			if !ok {
				at = len(sets)
				byFile[place.Path] = at
				sets = append(sets, armSet{
					prog: s.progs[i].FD(), path: place.Path, pid: pid, multi: multi,
					ret: prog.Part == codegen.TrampolinePart, last: prog.Part == codegen.EntryPart,
				})
			}
			sets[at].sites = append(sets[at].sites, armSite{
				offset: place.Offset, refCtr: uint64(site.RefCtr),
				cookie: codegen.Cookie(s.plan, probe.Kind, site), probe: prog.Probe, site: j,
			})
		}
	}
	return sets
}

// Narrowed is the process that the kernel itself may narrow probes to, so that others do not trap at all; 0 when there are
// several, or children, or when the kernel gets it wrong. Programs look at the process anyway: a vfork child shares its
// parent's memory and so its probes.
func Narrowed(f *plan.Filter) int {
	if len(f.PIDs) != 1 || f.Children || leaderless(f.PIDs[0]) || !hasPIDFilter() {
		return 0
	}
	return f.PIDs[0]
}

// leaderless reports whether a process has lost its first thread. The kernel's filter compares with that one's memory, and so sees
// nothing.
func leaderless(pid int) bool {
	state := statusFields(fmt.Sprintf("/proc/%d/status", pid))["State"]
	return strings.HasPrefix(state, "Z")
}

// followProcesses attaches the programs that keep the process filter up to date, and gives their links.
func followProcesses(progs []codegen.Prog, loaded []*ebpf.Program) (links []int, err error) {
	for i, prog := range progs {
		if prog.Tracepoint == "" {
			continue
		}
		fd, err := openRawTracepoint(prog.Tracepoint, loaded[i].FD())
		if err != nil {
			closeAll(links)
			return nil, fmt.Errorf("tracepoint %s: %w", prog.Tracepoint, err)
		}
		links = append(links, fd)
	}
	return links, nil
}

func refuseAll(sites []armSite, err error) []refused {
	out := make([]refused, len(sites))
	for i := range sites {
		out[i] = refused{sites[i], err}
	}
	return out
}

// nothingArmed is the error of a run that would observe nothing.
func nothingArmed(refusals []plan.Refusal, cause error) error {
	if errors.Is(cause, unix.EPERM) || errors.Is(cause, unix.EACCES) {
		return notPermitted("attach uprobes")
	}
	return engine.NothingArmed("the kernel refuses every probe", refusals)
}
