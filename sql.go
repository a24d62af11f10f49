package sonde

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/internal/sqlprobe"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// SQLOptions say which statements are observed.
type SQLOptions struct {
	Server bool // those that database servers execute, not those that their clients send
	Stack  bool // record the stack that issues each statement
}

// SQLScript gives the script that observes the SQL statements of the target: of the drivers that its processes map, or that its command
// or any process could load. Its records are for package internal/sqlstat; `sonde sql` shows them as tables. Of a PostgreSQL
// server its backends are observed too.
func (t *Target) SQLScript(o SQLOptions) (*script.Script, error) {
	files := &openFiles{}
	defer files.close()
	found, err := t.drivers(o.Server, files)
	if err != nil {
		return nil, err
	}
	text := sqlprobe.Script(found, o.Stack)
	if text == "" {
		return nil, t.noDriver(o.Server)
	}
	for _, f := range found {
		t.filter.Children = t.filter.Children || f.Driver.Server && len(t.pids) > 0
	}
	if t.filter.Children {
		t.filter.PIDs = withChildren(t.pids)
	}
	return script.Parse(text)
}

// drivers are the drivers in reach. A process that is itself a server is observed as one.
func (t *Target) drivers(server bool, files *openFiles) ([]sqlprobe.Found, error) {
	var objects []target.Object
	switch {
	case len(t.pids) > 0:
		for _, pid := range t.pids {
			p, err := target.Open(pid)
			if err != nil {
				return nil, err
			}
			mapped, err := p.Objects()
			if err != nil {
				return nil, err
			}
			objects = append(objects, mapped...)
		}
	case server:
		objects = servers()
	default:
		objects = libraries()
	}
	if len(t.argv) > 0 {
		program, err := target.FindProgram(t.argv[0])
		if err != nil {
			return nil, err
		}
		objects = append(objects, program)
	}
	found := files.drivers(objects, func(d sqlprobe.Driver) bool { return d.Server && (server || len(t.pids) > 0) })
	if server || len(found) > 0 && len(t.pids) > 0 {
		return found, nil
	}
	return append(found, files.drivers(objects, func(d sqlprobe.Driver) bool { return !d.Server })...), nil
}

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

// openFiles are the objects that are asked which functions they hold.
type openFiles struct{ files []*symbol.File }

func (f *openFiles) close() {
	for _, file := range f.files {
		file.Close()
	}
}

// drivers finds drivers among objects: libraries by name, programs by the functions that they hold.
func (f *openFiles) drivers(objects []target.Object, wanted func(sqlprobe.Driver) bool) []sqlprobe.Found {
	var found []sqlprobe.Found
	seen := map[string]bool{}
	for _, o := range objects {
		if !seen[o.Path] {
			seen[o.Path] = true
			found = append(found, f.inObject(o, wanted)...)
		}
	}
	return found
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
	has := holds(file)
	var found []sqlprobe.Found
	for _, d := range candidates {
		if has(d.Mark) && (d.Unless == "" || !has(d.Unless)) {
			found = append(found, sqlprobe.Found{Driver: d, Target: pointTarget(o), Has: has, Code: code(file)})
		}
	}
	return found
}

func isLibrary(o target.Object, d sqlprobe.Driver) bool {
	return slices.ContainsFunc(d.Libraries, func(name string) bool { return strings.HasPrefix(filepath.Base(o.Path), name+".so") })
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

// pointTarget is how a probe point names an object.
func pointTarget(o target.Object) string {
	if o.Program {
		return o.Path
	}
	name, _, _ := strings.Cut(filepath.Base(o.Path), ".so")
	return name
}

// withChildren are processes and all that they started.
func withChildren(pids []int) []int {
	all := slices.Clone(pids)
	for i := 0; i < len(all); i++ {
		p, err := target.Open(all[i])
		if err != nil {
			continue
		}
		for _, child := range p.Children() {
			if !slices.Contains(all, child) {
				all = append(all, child)
			}
		}
	}
	return all
}

func (t *Target) noDriver(server bool) error {
	switch {
	case server && len(t.pids) == 0:
		return diagnostic("no-driver", "no database server runs here that is known", "known are PostgreSQL and MariaDB; -p PID names a server's process")
	case len(t.pids) > 0:
		return diagnostic("no-driver", "the process maps no SQL driver that is known",
			"known are libpq, libmariadb, libsqlite3, database/sql and pgx; `sonde sql` without -p waits for those that are loaded later")
	}
	return diagnostic("no-driver", "no SQL driver that is known is installed", "known are libpq, libmariadb, libsqlite3, database/sql and pgx")
}
