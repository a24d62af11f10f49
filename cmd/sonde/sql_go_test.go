package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// Real Go drivers against real databases: what a program counts of its own statements is what is seen, in calls, rows and failures, and
// nothing else is seen.
func (s servers) goDriversCountAsTheirProgram(t *testing.T) {
	static, shared := fixture.Build(t, "sql/drivers"), fixture.Build(t, "sql/drivers", "-tags", "libsqlite3")
	pg, my := s.pg, s.my
	postgres := "host=" + pg.Dir + " port=" + pg.Port + " user=postgres dbname=postgres sslmode=disable"
	for _, tt := range []struct{ program, driver, dsn, system, message string }{
		{static, "pq", postgres, sqlprobe.PostgreSQL, "column ? does not exist"},
		{static, "pgx", postgres, sqlprobe.PostgreSQL, "column ? does not exist"},
		{static, "native", postgres, sqlprobe.PostgreSQL, "column ? does not exist"},
		{static, "mysql", "root@unix(" + my.Socket() + ")/d", sqlprobe.MySQL, "Unknown column ? in ?"},
		{static, "modernc", filepath.Join(t.TempDir(), "modernc"), sqlprobe.SQLite3, "SQL logic error: no such column: nope (1)"},
		{static, "mattn", filepath.Join(t.TempDir(), "mattn"), sqlprobe.SQLite3, "no such column: nope"},
		{shared, "mattn", filepath.Join(t.TempDir(), "mattn"), sqlprobe.SQLite3, "no such column: nope"}, // by a library that is observed as well
	} {
		t.Run(tt.driver, func(t *testing.T) {
			said := filepath.Join(t.TempDir(), "said")
			got := sqlOf(t, sonde.SQLOptions{}, nil, sonde.Command(tt.program, tt.driver, tt.dsn, "20", said))
			got.agree(t, tt.system, read(t, said))
			for digest, q := range got { // nothing else
				if q.System != tt.system {
					t.Errorf("%s is of %s", digest, q.System)
				}
			}
			for _, digest := range []string{"SELECT nope FROM t", "SELECT nope FROM n", "SELECT nope, nada FROM n"} {
				if q := got[digest]; q != nil && q.Error != tt.message {
					t.Errorf("%s: %q, not %q", digest, q.Error, tt.message)
				}
			}
		})
	}
}

// modernc's SQLite without database/sql is seen by its own functions.
func TestModerncSQLiteAsALibrary(t *testing.T) {
	fixture.NeedRoot(t)
	program, said := fixture.Build(t, "sql/drivers/library"), filepath.Join(t.TempDir(), "said")
	got := sqlOf(t, sonde.SQLOptions{}, nil, sonde.Command(program, filepath.Join(t.TempDir(), "db"), "20", said))
	got.agree(t, sqlprobe.SQLite3, read(t, said))
	if q := got["SELECT nope FROM l"]; q == nil || q.Error != "SQLITE_ERROR" {
		t.Errorf("%+v", q)
	}
}

// Without a process or a command the programs that run are looked through; a statement that was prepared before shows its text, and another
// process of the same program is observed from its first statement.
func TestRunningProgramsAreFound(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "gosql/main.go")
	waits := startWaiting(t, exec.Command(program, "wait"))
	got := sqlOf(t, sonde.SQLOptions{}, func() {
		waits.Finish()
		if out, err := exec.Command(program).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	got.check(t, "SELECT before", expect{1, 3, 0})
	got.check(t, "SELECT p FROM q WHERE r = ?", expect{14, 42, 0})
}
