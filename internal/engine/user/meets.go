package user

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"syscall"

	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// filePlace is an instruction of a file that the kernel would probe.
type filePlace struct {
	ino    uint64
	offset uint64
}

// Apart gives what of a plan kernel probes can be put on, and the functions left out: a probe of them would meet a jump of this engine in some
// process. The kernel runs the file's instruction out of line and goes on behind it, in the middle of the jump, and that ends the program. When nothing is
// left the error, a *script.Diagnostic, says so. only is the process that the kernel narrows the probes to; 0: they are in every process,
// whichever is observed.
func Apart(p *plan.Plan, only int) (*plan.Plan, []plan.Refusal, error) {
	wanted := wantedPlaces(p)
	var met []plan.Refusal
	var first error
	known := map[int]bool{}
	for _, pid := range probed(only) {
		for _, s := range meetings(pid, wanted) {
			if known[s.Function] {
				continue
			}
			known[s.Function] = true
			fn := &p.Functions[s.Function]
			met = append(met, plan.Refusal{
				Object: p.Objects[s.Object].Path, Function: fn.Name, Site: s,
				Why: fmt.Sprintf("another sonde probes it inside process %d, and a kernel probe on it would end the process", pid),
			})
			if first == nil {
				first = &script.Diagnostic{
					Code:    "observed",
					Message: fmt.Sprintf("%s is probed inside process %d by another sonde, and a kernel probe on it would end the process", fn.Name, pid),
					Hints:   []string{"end the other sonde", fmt.Sprintf("if it was killed: sonde recover %d", pid)},
				}
			}
		}
	}
	if len(met) == 0 {
		return p, nil, nil
	}
	if rest := p.Without(met); rest != nil {
		return rest, met, nil
	}
	return nil, met, first
}

// wantedPlaces are where a plan has sites.
func wantedPlaces(p *plan.Plan) map[filePlace]*plan.Site {
	inodes := make([]uint64, len(p.Objects))
	for i := range p.Objects {
		if info, err := os.Stat(p.Objects[i].Open); err == nil {
			inodes[i] = info.Sys().(*syscall.Stat_t).Ino
		}
	}
	wanted := map[filePlace]*plan.Site{}
	for i := range p.Probes {
		for j := range p.Probes[i].Sites {
			s := &p.Probes[i].Sites[j]
			if ino := inodes[s.Object]; ino != 0 {
				wanted[filePlace{ino, uint64(s.Offset)}] = s
			}
		}
	}
	return wanted
}

// meetings gives the sites at which a process has jumps.
func meetings(pid int, wanted map[filePlace]*plan.Site) (met []*plan.Site) {
	process, err := target.Open(pid)
	if err != nil {
		return nil
	}
	spans := inject.Overwritten(process)
	if len(spans) == 0 {
		return nil
	}
	maps, err := process.Maps()
	if err != nil {
		return nil
	}
	for _, span := range spans {
		i := sort.Search(len(maps), func(i int) bool { return maps[i].End > span.Start })
		if i == len(maps) || span.Start < maps[i].Start || !maps[i].File() {
			continue
		}
		for at := span.Start; at < span.End; at++ {
			if s := wanted[filePlace{maps[i].Ino, at - maps[i].Start + maps[i].Offset}]; s != nil {
				met = append(met, s)
			}
		}
	}
	return met
}

// probed lists the processes in which the kernel puts probes.
func probed(only int) (all []int) {
	if only != 0 {
		return []int{only}
	}
	names, _ := os.ReadDir("/proc")
	for _, name := range names {
		if pid, err := strconv.Atoi(name.Name()); err == nil {
			all = append(all, pid)
		}
	}
	return all
}
