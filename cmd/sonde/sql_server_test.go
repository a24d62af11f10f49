package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// Seen from the server, calls, rows and failures of MariaDB are those of its performance_schema, and messages are those of its clients.
func TestMariaDBCountsAsTheServerDoes(t *testing.T) {
	my := fixture.MariaDB(t)
	ask := func(text string) string {
		return my.Run(t, "mariadb", "--no-defaults", "-NS", my.Socket(), "d", "-e", text)
	}
	program := fixture.Build(t, "sql/mariadb.c", "-Wl,--no-as-needed", "-lmariadb")
	ask("truncate performance_schema.events_statements_summary_by_digest")
	got := sqlOf(t, sonde.SQLOptions{Server: true}, func() {
		my.Run(t, program, my.Socket(), "50")
		for _, text := range []string{
			"create table p (a integer primary key)", "insert into p select seq from seq_1_to_1000", "select * from p where a > 10", "select COUNT(*) from p",
			"update p set a = -a where a < 100", "insert into p values (500)", "delete from p where a > 900", "select 'x' from absent",
		} {
			my.Run(t, "sh", "-c", `mariadb --no-defaults -S "$0" d -e "$1" >/dev/null 2>&1; true`, my.Socket(), text)
		}
	}, sonde.PID(my.PID))
	truth := ask("select count_star, sum_rows_sent + sum_rows_affected, sum_errors, digest_text from performance_schema.events_statements_summary_by_digest")
	digester, compared := sqlprobe.NewDigester(), 0
	for line := range strings.Lines(truth) {
		var want expect
		fmt.Sscan(line, &want.calls, &want.rows, &want.errors)
		text := strings.SplitN(strings.TrimSpace(line), "\t", 4)[3]
		digest := digester.Digest(sqlprobe.MySQL, text, false)
		if strings.HasPrefix(text, "CREATE") || strings.Contains(text, "performance_schema") || got[digest] == nil && strings.Contains(text, "@@") {
			continue
		}
		compared++
		got.check(t, digest, want)
	}
	if compared < 8 {
		t.Errorf("%d statements compared:\n%s\nseen\n%s", compared, truth, got)
	}
	if q := got["SELECT ? FROM absent"]; q == nil || q.Error != "Table ? doesn't exist" {
		t.Errorf("%+v", q)
	}
}

// A portal whose rows are fetched in parts counts once, with the time of its first and of its last row; what a terminated backend worked on
// has failed; what a killed client began goes on to its end; what a killed backend began stays open, and lends its beginning to nothing of
// the server that comes up again.
func TestPostgresPortalsAndDeaths(t *testing.T) {
	pg := fixture.Postgres(t)
	program := fixture.Build(t, "portal/main.go")
	const terminated, abandoned = "select pg_sleep(1000) as terminated", "select count(*), pg_sleep(0.3) from pg_class"
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
