package target

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Find finds what a user called a target, as the process sees it: an object that it maps, by path or as a library, its own
// program by name, a library that it could load, or a program in its PATH. The error is a *script.Diagnostic.
func (p *Process) Find(name string) (Object, error) {
	if strings.Contains(name, "/") {
		path := filepath.Clean(name)
		if absolute, err := filepath.Abs(path); err == nil && p.root == "" {
			path = absolute // as the process names what it maps
		}
		if o, err := p.libraryByPath(path, p.mapped()); err == nil {
			return o, nil
		}
		o, err := p.root.object(path, name)
		switch {
		case err == nil:
			return o, nil
		case p.root != "" && errors.Is(err, fs.ErrNotExist):
			return Object{}, diagnosis(NoProgram, fmt.Sprintf("%s: no such file where process %d (%s) looks, whose root is not ours", name, p.PID, p.Comm),
				"paths are those that the process sees; without a target its own program is meant")
		}
		return Object{}, fileProblem(NoProgram, name, err)
	}
	library, noLibrary := p.Library(name)
	if noLibrary == nil {
		return library, nil
	}
	if exe, err := p.Executable(); err == nil && (filepath.Base(exe.Path) == name || p.startedAs() == name) {
		return exe, nil
	}
	if o, err := p.FindLibrary(name); err == nil {
		return o, nil
	}
	return Object{}, noLibrary
}

// startedAs is the name that the process was started by: one file may have several, and do what its name says.
func (p *Process) startedAs() string {
	line, err := os.ReadFile(p.proc("cmdline"))
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(line), "\x00")
	first, _, _ = strings.Cut(first, " ") // servers write their state behind it
	return filepath.Base(first)
}

// Executable is the program that the process runs.
func (p *Process) Executable() (Object, error) {
	objects, err := p.Objects()
	if err != nil {
		return Object{}, err
	}
	if len(objects) == 0 || !objects[0].Program {
		return Object{}, diagnosis(NoProgram, "process "+filepath.Base(procPath(p.PID))+" maps no program")
	}
	return objects[0], nil
}

func (p *Process) mapped() []Object {
	objects, err := p.Objects()
	if err != nil {
		return nil
	}
	return objects
}

// Object finds the file behind a mapping.
func (p *Process) Object(m Mapping) Object { return p.object(m) }

// Names offers what a target that begins with the text can be, for completion: the objects of processes, or libraries and
// programs.
func Names(begin string, pids []int) []string {
	var names []string
	for _, pid := range pids {
		if p, err := Open(pid); err == nil {
			for _, o := range p.mapped() {
				names = append(names, filepath.Base(o.Path))
			}
		}
	}
	if len(pids) == 0 {
		for _, c := range newFinder("", os.Getenv("LD_LIBRARY_PATH")).libraries() {
			if stem, _, ok := splitSo(filepath.Base(c.path)); ok {
				names = append(names, stem)
			}
		}
		for _, dir := range splitPaths(os.Getenv("PATH")) {
			names = append(names, namesIn("", dir)...)
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, begin) })
	slices.Sort(names)
	return slices.Compact(names)
}
