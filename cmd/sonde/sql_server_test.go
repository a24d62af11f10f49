package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// A portal whose rows are fetched in parts counts once, with the time of its first and of its last row; what a terminated backend worked on
// has failed; what a killed client began goes on to its end; what a killed backend began stays open, and lends its beginning to nothing of
// the server that comes up again.
func TestPostgresPortalsAndDeaths(t *testing.T) {
	pg := fixture.Postgres(t)
	program := fixture.Build(t, "portal/main.go")
	const terminated, abandoned = "select pg_sleep(1000) as terminated", "select count(*), pg_sleep(2) from pg_class" // seen to be active before it ends
	const crashed = "select 2, pg_sleep(1000)"
	seen := observed(t, sonde.SQLOptions{Server: true}, func() {
		pg.Run(t, program, filepath.Join(pg.Dir, ".s.PGSQL."+pg.Port))
		sleeper := psql(t, pg, terminated)
		ended := "f"
		for ended != "t\n" {
			ended = pg.Run(t, "psql", "-XAtc", "select pg_terminate_backend(pid) from pg_stat_activity where state = 'active' and query = '"+terminated+"'")
		}
		sleeper.Wait()
		killed := psql(t, pg, abandoned)
		for pg.Run(t, "psql", "-XAtc", "select count(*) from pg_stat_activity where state = 'active' and query = '"+abandoned+"'") != "1\n" {
		}
		killed.Process.Kill()
		killed.Wait()
		for pg.Run(t, "psql", "-XAtc", "select count(*) from pg_stat_activity where query = '"+abandoned+"'") != "0\n" {
			time.Sleep(50 * time.Millisecond)
		}
		crashes := psql(t, pg, crashed)
		var pid int
		for pid == 0 {
			fmt.Sscan(pg.Run(t, "psql", "-XAtc", "select pid from pg_stat_activity where state = 'active' and query = '"+crashed+"'"), &pid)
		}
		syscall.Kill(pid, syscall.SIGKILL)
		crashes.Wait()
		for psql(t, pg, "select 'up', 'again', 3").Wait() != nil {
			time.Sleep(50 * time.Millisecond)
		}
	}, sonde.PID(pg.PID))
	got := seen.queries
	got.check(t, "SELECT a FROM generate_series ( ? )", expect{1, 25, 0})
	got.check(t, "SELECT a, a FROM generate_series ( ? )", expect{1, 10, 0})
	got.check(t, "SELECT ? * a FROM generate_series ( ? )", expect{1, 25, 0})
	got.check(t, "SELECT ? / ( ? - a ) FROM generate_series ( ? )", expect{1, 10, 0})
	got.check(t, "SELECT ?", expect{2, 2, 0})
	got.check(t, "COMMIT", expect{1, 0, 0})
	got.check(t, "SELECT pg_sleep ( ? )", expect{1, 0, 1})
	got.check(t, "SELECT count ( * ), pg_sleep ( ? ) FROM pg_class", expect{1, 1, 0})
	got.check(t, "SELECT ?, ?, ?", expect{1, 1, 0})
	if q := got["SELECT ?, pg_sleep ( ? )"]; q != nil || seen.open != 1 {
		t.Errorf("of the killed backend: %+v, %d open", q, seen.open)
	}
	for _, s := range seen.statements {
		if s.Digest == "SELECT a FROM generate_series ( ? )" && (s.FirstRow == 0 || s.Duration-s.FirstRow < 40*time.Millisecond) {
			t.Errorf("the first row after %v, the last after %v", s.FirstRow, s.Duration)
		}
		if s.Digest == "SELECT pg_sleep ( ? )" && s.Error != "terminating connection due to administrator command" {
			t.Errorf("terminated: %q", s.Error)
		}
	}
}

// psql starts a client.
func psql(t *testing.T, pg *fixture.Server, text string) *exec.Cmd {
	t.Helper()
	c := exec.Command(pg.Tool("psql"), "-Xqc", text)
	c.Env = pg.Env
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}
