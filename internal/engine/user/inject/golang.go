package inject

import (
	"debug/elf"

	"github.com/sonde-project/sonde/internal/target"
)

// goProgram is what is known of a process whose program is written in Go.
type goProgram struct {
	is bool
	// goroutines is the address of runtime.allgs, 0 when the program is stripped of its symbols.
	goroutines uint64
	text       []Span // its code
}

// findGo looks whether a process runs a Go program, and where that keeps its goroutines: one that waits to run on was interrupted anywhere.
func (p *Process) findGo(maps []target.Mapping) goProgram {
	file, err := elf.Open(procFile(p.PID, "exe"))
	if err != nil {
		return goProgram{}
	}
	defer file.Close()
	if file.Section(".gopclntab") == nil && file.Section(".data.rel.ro.gopclntab") == nil && file.Section(".go.buildinfo") == nil {
		return goProgram{}
	}
	g := goProgram{is: true}
	bias := uint64(0)
	for _, segment := range file.Progs {
		if segment.Type != elf.PT_LOAD || segment.Flags&elf.PF_X == 0 {
			continue
		}
		for _, m := range maps {
			if m.Exec() && m.File() && m.Offset == segment.Off&^(pageSize-1) && m.End-m.Start >= segment.Filesz {
				bias = m.Start - segment.Vaddr&^(pageSize-1)
				g.text = append(g.text, Span{m.Start, m.End})
				break
			}
		}
	}
	symbols, _ := file.Symbols()
	for _, s := range symbols {
		if s.Name == "runtime.allgs" {
			g.goroutines = s.Value + bias
		}
	}
	return g
}

// inGo reports whether an address is code of the Go program.
func (g goProgram) inGo(addr uint64) bool { return g.is && within(g.text, addr) }
