package sonde

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/target"
)

// Notes are what a reader of the events must know about them: of objects which types were guessed, and what is not known; of SQL statements
// what was observed from some moment on only; of processes in which nothing was hit what keeps them from it. They are complete
// when the session has ended; before that, some come and go.
func (s *Session) Notes() []string {
	var notes []string
	for _, p := range s.parts() {
		if e, ok := p.engine.(interface{ Notes() []string }); ok {
			notes = append(notes, e.Notes()...)
		}
	}
	notes = append(notes, s.quiet()...)
	d, ok := s.decoder.(objectDecoder)
	if !ok {
		return append(notes, s.run.newcomers.notes()...)
	}
	notes = append(notes, d.Notes()...)
	if e, ok := s.engine.(*kernel.Object); ok && e.Uncounted() {
		notes = append(notes, "the programs leave no room to count what ring buffers have no room for: such records are lost silently")
	}
	return notes
}

// quiet says of processes that were named, and in which nothing was hit, what keeps them from it.
func (s *Session) quiet() (notes []string) {
	if s.told().stats.Hits > 0 || s.command != nil || s.plan == nil {
		return nil
	}
	if len(s.plan.Filter.PIDs) == 0 {
		select {
		case <-s.over:
			return s.unseen()
		default:
			return nil
		}
	}
	for _, pid := range s.plan.Filter.PIDs {
		p, err := target.Open(pid)
		if err != nil {
			continue
		}
		if why := p.Halted(); why != "" {
			notes = append(notes, fmt.Sprintf("process %d (%s) makes no calls: %s", pid, p.Comm, why))
		}
		mapped, err := p.Objects()
		for _, o := range s.plan.Objects {
			if err == nil && !maps(mapped, o.Open) {
				notes = append(notes, fmt.Sprintf("process %d (%s) does not map %s", pid, p.Comm, o.Path))
			}
		}
	}
	return notes
}

// unseen says which of the files that were observed wherever they are used nobody uses now, and of a name of threads that nobody has it.
func (s *Session) unseen() (notes []string) {
	if s.run.newcomers != nil {
		return nil
	}
	if name := s.plan.Filter.Comm; name != "" && len(target.ByComm(name)) == 0 {
		notes = append(notes, fmt.Sprintf("no process is called %s now", name))
	}
	const most = 3
	if len(s.plan.Objects) > most {
		return notes
	}
	var mapped []target.Object
	for _, pid := range target.Running() {
		if p, err := target.Open(pid); err == nil {
			objects, _ := p.Objects()
			mapped = append(mapped, objects...)
		}
	}
	for _, o := range s.plan.Objects {
		if !maps(mapped, o.Open) {
			notes = append(notes, fmt.Sprintf("no process is seen now that maps %s", o.Path))
		}
	}
	return notes
}

// maps reports whether a file is among those that a process maps. Some file systems give mappings other devices than files.
func maps(objects []target.Object, path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return true // nobody knows
	}
	file, ok := info.Sys().(*syscall.Stat_t)
	for _, o := range objects {
		if !ok || o.Ino == file.Ino || filepath.Base(o.Path) == filepath.Base(path) {
			return true
		}
	}
	return false
}
