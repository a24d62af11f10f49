package sonde

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sonde-project/sonde/internal/sqlprobe"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// SQLOptions say which statements are observed.
type SQLOptions struct {
	Server bool // those that database servers execute, not those that their clients send
	Stack  bool // record the stack that issues each statement
	// Slow and Literals are for Target.SQL: yield statements that take at least so long only, and show them with their literals.
	Slow     time.Duration
	Literals bool
}

// SQLScript gives the script that observes the SQL statements of the target: of the drivers that its processes map, or that its command
// or any process could load. Its records are for package internal/sqlstat; `sonde sql` shows them as tables. Of a PostgreSQL
// server its backends are observed too.
func (t *Target) SQLScript(o SQLOptions) (*script.Script, error) {
	files := &openFiles{inProcesses: len(t.pids) > 0}
	defer files.close()
	text, err := t.sqlScript(o, files)
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, t.noDriver(o.Server)
	}
	return script.Parse(text)
}

// sqlScript is the text of the script, "" when no driver is in reach.
func (t *Target) sqlScript(o SQLOptions, files *openFiles) (string, error) {
	found, err := t.drivers(o.Server, files)
	if err != nil {
		return "", err
	}
	for _, f := range found {
		t.filter.Children = t.filter.Children || f.Driver.Server && len(t.pids) > 0
	}
	if t.filter.Children {
		t.filter.PIDs = withChildren(t.pids)
	}
	return sqlprobe.Script(found, o.Stack), nil
}

// RunSQL runs what SQLScript gives, and while it goes on arms the drivers in programs that are first started then, and in libraries that are
// loaded from places where none was found. Session.Notes says which these were, and how long after they appeared they were observed.
func (t *Target) RunSQL(ctx context.Context, o SQLOptions, options ...RunOption) (*Session, error) {
	r, err := newRun(options)
	if err != nil {
		return nil, err
	}
	const tries = 5
	for try := 1; ; try++ {
		s, err := t.runSQL(ctx, o, *r)
		var d *script.Diagnostic
		if try == tries || len(t.pids) > 0 || !errors.As(err, &d) || d.Code != target.NoProgram && d.Code != script.NoFile {
			return s, err
		}
		// One of the programs that ran has ended since it was found.
	}
}

func (t *Target) runSQL(ctx context.Context, o SQLOptions, r run) (s *Session, err error) {
	r.newcomers = newNewcomers(t, o)
	defer func() {
		if err != nil {
			r.newcomers.close()
		}
	}()
	files := &openFiles{inProcesses: len(t.pids) > 0}
	defer files.close()
	text, err := t.sqlScript(o, files)
	switch {
	case err != nil:
		return nil, err
	case text == "" && (o.Server || len(t.pids) > 0):
		return nil, t.noDriver(o.Server)
	case text == "":
		text = "BEGIN { }" // drivers may yet appear
	}
	parsed, err := script.Parse(text)
	if err != nil {
		return nil, err
	}
	r.newcomers.knowing(t, files.known)
	return t.session(ctx, parsed, &r)
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
		if len(t.argv) == 0 {
			objects = append(objects, inUse()...)
		}
	}
	if len(t.argv) > 0 {
		program, err := target.FindProgram(t.argv[0])
		if err != nil {
			return nil, err
		}
		objects = append(append(objects, program), named(t.argv)...)
	}
	found := files.drivers(objects, func(d sqlprobe.Driver) bool { return d.Server && (server || len(t.pids) > 0) })
	if server || len(found) > 0 && len(t.pids) > 0 {
		return found, nil
	}
	return append(found, files.drivers(objects, func(d sqlprobe.Driver) bool { return !d.Server })...), nil
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
		return diagnostic("no-driver", "no database server runs here that is known", "known are PostgreSQL, MariaDB and MySQL; -p PID names a server's process")
	case len(t.pids) > 0:
		return diagnostic("no-driver", "the process maps no SQL driver that is known",
			"known are libpq, libmariadb, libmysqlclient, libsqlite3, database/sql and pgx; `sonde sql` without -p waits for drivers that come later")
	}
	return diagnostic("no-driver", "no SQL driver that is known is installed", "known are libpq, libmariadb, libmysqlclient, libsqlite3, database/sql and pgx")
}
