package sonde

import (
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/sqlprobe"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
)

// libraries are the drivers' libraries of this machine.
func libraries() []target.Object {
	var objects []target.Object
	for _, d := range sqlprobe.Drivers() {
		for _, name := range d.Libraries {
			if o, err := target.FindLibrary(name); err == nil {
				objects = append(objects, o)
			}
		}
	}
	return objects
}

// servers are the programs of the database servers that run.
func servers() []target.Object {
	var objects []target.Object
	for _, d := range sqlprobe.Drivers() {
		for _, name := range d.Programs {
			for _, pid := range target.ByComm(name) {
				p, err := target.Open(pid)
				if err != nil {
					continue
				}
				if o, err := p.Executable(); err == nil && !slices.ContainsFunc(objects, func(x target.Object) bool { return x.Path == o.Path }) {
					objects = append(objects, o)
				}
			}
		}
	}
	return objects
}

// inUse are the programs that run now and the drivers' libraries that they map, those of containers and those that a program brings along
// included.
func inUse() []target.Object {
	var objects []target.Object
	seen := map[string]bool{}
	drivers := sqlprobe.Drivers()
	for _, pid := range target.Running() {
		p, err := target.Open(pid)
		if err != nil {
			continue
		}
		mapped, err := p.Objects()
		if err != nil {
			continue
		}
		for _, o := range mapped {
			if !seen[o.Open] && (o.Program || slices.ContainsFunc(drivers, func(d sqlprobe.Driver) bool { return isLibrary(o, d) })) {
				seen[o.Open] = true
				objects = append(objects, o)
			}
		}
	}
	return objects
}

// named are the programs among the words of a command: that which is started, and those that it is to start (env, sudo, timeout).
func named(argv []string) []target.Object {
	var objects []target.Object
	for _, word := range argv[1:] {
		if !strings.Contains(word, "/") || strings.Contains(word, " ") {
			continue
		}
		if o, err := target.FindProgram(word); err == nil {
			objects = append(objects, o)
		}
	}
	return objects
}

// openFiles are the objects that are asked which functions they hold.
type openFiles struct {
	files       []*symbol.File
	inProcesses bool             // paths mean what they do in the processes that are observed
	known       map[file]verdict // what was found
}

func (f *openFiles) close() {
	for _, file := range f.files {
		file.Close()
	}
}

// drivers finds drivers among objects: libraries by name, programs by the functions that they hold.
func (f *openFiles) drivers(objects []target.Object, wanted func(sqlprobe.Driver) bool) []sqlprobe.Found {
	var found []sqlprobe.Found
	seen := map[file]bool{}
	if f.known == nil {
		f.known = map[file]verdict{}
	}
	for _, o := range objects {
		if id := fileOf(o); !seen[id] {
			seen[id] = true
			in := f.inObject(o, wanted)
			f.known[id] = verdict{driver: f.known[id].driver || len(in) > 0, changed: changed(o)}
			found = append(found, in...)
		}
	}
	return found
}

// file tells files apart. The device is no part of it: containers that share a layer see one file on a device each, and a probe fires in all
// of them.
type file struct {
	ino  uint64
	size int64
	name string // of one that cannot be looked at
}

func fileOf(o target.Object) file {
	var s unix.Stat_t
	if err := unix.Stat(o.Open, &s); err != nil {
		return file{name: o.Open}
	}
	return file{ino: s.Ino, size: s.Size}
}

func (f *openFiles) inObject(o target.Object, wanted func(sqlprobe.Driver) bool) []sqlprobe.Found {
	var candidates []sqlprobe.Driver
	for _, d := range sqlprobe.Drivers() {
		if wanted(d) && (o.Program || isLibrary(o, d)) {
			candidates = append(candidates, d)
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	file, err := symbol.Open(o.Open)
	if err != nil {
		return nil // a script, or gone since: no driver that could be observed
	}
	f.files = append(f.files, file)
	var marks []string
	for _, d := range candidates {
		mark, _, _ := strings.Cut(d.Mark, "*")
		marks = append(marks, mark)
	}
	if !file.Mentions(marks...) {
		return nil
	}
	has := holds(file)
	var found []sqlprobe.Found
	for _, d := range candidates {
		if has(d.Mark) && (d.Unless == "" || !has(d.Unless)) {
			found = append(found, sqlprobe.Found{Driver: d, Target: f.point(o), Has: has, Code: code(file)})
		}
	}
	return found
}

func isLibrary(o target.Object, d sqlprobe.Driver) bool {
	base := filepath.Base(o.Path)
	return slices.ContainsFunc(d.Libraries, func(name string) bool {
		return strings.HasPrefix(base, name+".so") || strings.HasPrefix(base, name+"-") && strings.Contains(base, ".so") // brought along by a Python package
	})
}

// holds answers from one file which functions it has.
func holds(file *symbol.File) func(function string) bool {
	return func(function string) bool {
		fns, err := file.Find(symbol.Pattern{Text: function})
		return err == nil && len(fns) > 0
	}
}

// code gives the instructions of functions of a file; nil for those that it lacks.
func code(file *symbol.File) func(function string) []byte {
	return func(function string) []byte {
		fns, err := file.Find(symbol.Pattern{Text: function})
		if err != nil || len(fns) == 0 {
			return nil
		}
		text, err := file.Code(fns[0])
		if err != nil {
			return nil
		}
		return text
	}
}

// point is how a probe point names an object: by its library's name where that means this file, else by a path.
func (f *openFiles) point(o target.Object) string {
	name, _, _ := strings.Cut(filepath.Base(o.Path), ".so")
	switch {
	case o.Program && f.inProcesses:
		return o.Path
	case o.Program:
		return o.Open // maybe of another mount namespace
	case f.inProcesses && !strings.Contains(name, "-"):
		return name
	case f.inProcesses:
		return o.Path
	}
	if usual, err := target.FindLibrary(name); err == nil && usual.Open == o.Open {
		return name
	}
	return o.Open
}
