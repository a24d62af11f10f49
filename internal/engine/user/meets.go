package user

import (
	"fmt"
	"os"
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

// Meets says whether kernel probes of a plan would meet jumps of this engine in some process: nil, or a *script.Diagnostic. The kernel
// runs the file's instruction out of line and goes on behind it, in the middle of the jump, and that ends the program. only is the process that the
// kernel narrows the probes to; 0: they are in every process, whichever is observed.
func Meets(p *plan.Plan, only int) error {
	wanted := map[filePlace]*plan.Site{}
	for i := range p.Probes {
		for j := range p.Probes[i].Sites {
			s := &p.Probes[i].Sites[j]
			if info, err := os.Stat(p.Objects[s.Object].Open); err == nil {
				wanted[filePlace{info.Sys().(*syscall.Stat_t).Ino, uint64(s.Offset)}] = s
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	for _, pid := range probed(only) {
		process, err := target.Open(pid)
		if err != nil {
			continue
		}
		spans := inject.Overwritten(process)
		if len(spans) == 0 {
			continue
		}
		maps, err := process.Maps()
		if err != nil {
			continue
		}
		for _, span := range spans {
			if s := found(wanted, maps, span); s != nil {
				return &script.Diagnostic{
					Code:    "observed",
					Message: fmt.Sprintf("%s is probed inside process %d by another sonde, and a kernel probe on it would end the process", p.Functions[s.Function].Name, pid),
					Hints:   []string{"end the other sonde", fmt.Sprintf("if it was killed: sonde recover %d", pid)},
				}
			}
		}
	}
	return nil
}

// found gives a site that lies in an overwritten stretch.
func found(wanted map[filePlace]*plan.Site, maps []target.Mapping, span inject.Span) *plan.Site {
	for _, m := range maps {
		if !m.File() || span.Start < m.Start || span.Start >= m.End {
			continue
		}
		for at := span.Start; at < span.End; at++ {
			if s := wanted[filePlace{m.Ino, at - m.Start + m.Offset}]; s != nil {
				return s
			}
		}
	}
	return nil
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
