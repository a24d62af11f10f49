package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/sqlprobe"
	"github.com/sonde-project/sonde/internal/sqlstat"
)

// queries is a sink that keeps the table.
type queries map[string]*event.Query

func (q queries) Event(e event.Event) error {
	if query, ok := e.(*event.Query); ok {
		q[query.Digest] = query
	}
	return nil
}
func (queries) Flush() error          { return nil }
func (queries) End(event.Stats) error { return nil }

// everything is a sink that keeps the table and each statement.
type everything struct {
	queries
	statements   []*event.Statement
	transactions []*event.Transaction
	open         int // statements that have not ended
}

func (a *everything) Event(e event.Event) error {
	if s, ok := e.(*event.Statement); ok {
		a.statements = append(a.statements, s)
	}
	if tx, ok := e.(*event.Transaction); ok {
		a.transactions = append(a.transactions, tx)
	}
	return a.queries.Event(e)
}

// sqlOf gives the table of a target's statements, see observed.
func sqlOf(t *testing.T, o sonde.SQLOptions, during func(), options ...sonde.Option) queries {
	t.Helper()
	return observed(t, o, during, options...).queries
}

// observed observes the statements of a target while something runs, or until its command ends. Nothing may be lost.
func observed(t *testing.T, o sonde.SQLOptions, during func(), options ...sonde.Option) *everything {
	t.Helper()
	if during == nil {
		return observedWith(t, o, nil, options...)
	}
	return observedWith(t, o, func(*sonde.Session) { during() }, options...)
}

// observedWith is observed for what looks at the session meanwhile.
func observedWith(t *testing.T, o sonde.SQLOptions, during func(*sonde.Session), options ...sonde.Option) *everything {
	t.Helper()
	fixture.Libraries(t, false)
	target, err := sonde.Open(options...)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	s, err := target.RunSQL(t.Context(), o, sonde.StringLimit(sonde.SQLText), sonde.For(2*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if during != nil {
		done := make(chan struct{})
		defer func() { <-done }()
		go func() {
			defer close(done)
			defer s.Stop()
			during(s)
			if o.Server {
				time.Sleep(time.Second) // a server ends its statement after its client got the answer
			}
		}()
	}
	found := &everything{queries: queries{}}
	stream := sqlstat.NewStream(found, sqlstat.Options{Slow: 1})
	for e := range s.Events() {
		if err := stream.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Lost > 0 || st.MissedReturns > 0 && !o.Server {
		t.Errorf("lost %v, missed %v", st.LostBy, st.MissedBy)
	}
	found.open = stream.Open()
	if err := stream.End(s.Stats()); err != nil {
		t.Fatal(err)
	}
	return found
}

func (q queries) String() string {
	var b strings.Builder
	for digest, query := range q {
		fmt.Fprintf(&b, "%d calls, %d errors, %d rows: %s\n", query.Count, query.Errors, query.Rows, digest)
	}
	return b.String()
}

// expect is calls, rows (-1 unknown) and errors of a digest.
type expect struct{ calls, rows, errors int64 }

func (q queries) check(t *testing.T, digest string, want expect) {
	t.Helper()
	got := q[digest]
	if got == nil {
		t.Errorf("%s: not seen in\n%s", digest, q)
		return
	}
	if have := (expect{int64(got.Count), got.Rows, int64(got.Errors)}); have != want {
		t.Errorf("%s: %+v, want %+v", digest, have, want)
	}
}

// agree compares with what a program says of itself, a line a text: calls, rows, errors, text. How many rows a statement has that neither
// gives nor changes any is not told by every driver.
func (q queries) agree(t *testing.T, system, said string) {
	t.Helper()
	digester := sqlprobe.NewDigester()
	truth := map[string]expect{}
	for line := range strings.Lines(said) {
		var one expect
		fmt.Sscan(line, &one.calls, &one.rows, &one.errors)
		digest := digester.Digest(system, strings.SplitN(strings.TrimSpace(line), " ", 4)[3], false)
		sum := truth[digest]
		truth[digest] = expect{sum.calls + one.calls, sum.rows + one.rows, sum.errors + one.errors}
	}
	for digest, want := range truth {
		if got := q[digest]; got != nil && got.Rows == -1 && want.rows == 0 {
			want.rows = -1
		}
		q.check(t, digest, want)
	}
	if len(truth) < 5 {
		t.Errorf("the program said %q", said)
	}
}

// Under pgbench with 8 clients, in each mode of the protocol, calls and rows are what the server's own statistics say, seen from the
// server and from the client.
func (s servers) pgbenchCountsAsTheServerDoes(t *testing.T) {
	pg := s.pg
	pg.Run(t, "pgbench", "-i", "-q")
	const clients, each = 8, 25
	bench := func(mode string) []string {
		return []string{pg.Tool("pgbench"), "-n", "-M", mode, "-c", strconv.Itoa(clients), "-t", strconv.Itoa(each)}
	}
	for _, mode := range []string{"simple", "extended", "prepared"} {
		for _, side := range []string{"server", "client"} {
			t.Run(mode+" "+side, func(t *testing.T) {
				pg.Run(t, "psql", "-XAtc", "select pg_stat_statements_reset()")
				var got queries
				if side == "server" {
					got = sqlOf(t, sonde.SQLOptions{Server: true}, func() { pg.Run(t, bench(mode)...) }, sonde.PID(pg.PID))
				} else {
					got = sqlOf(t, sonde.SQLOptions{}, nil, silenced(pg, bench(mode)...))
				}
				comparePostgres(t, pg, mode, got)
				got.check(t, "BEGIN", expect{clients * each, map[string]int64{"server": 0, "client": -1}[side], 0})
			})
		}
	}
}

// silenced is a command that finds the server and says nothing.
func silenced(s *fixture.Server, argv ...string) sonde.Option {
	words := []string{"env"}
	for _, setting := range s.Env {
		if strings.HasPrefix(setting, "PG") {
			words = append(words, setting)
		}
	}
	return sonde.Command(append(append(words, "sh", "-c", `"$@" >/dev/null 2>&1; true`, "sh"), argv...)...)
}

// comparePostgres compares with pg_stat_statements, which in prepared mode counts BEGIN and END once for each connection.
func comparePostgres(t *testing.T, pg *fixture.Server, mode string, got queries) {
	t.Helper()
	truth := pg.Run(t, "psql", "-XAtc", `select calls || ' ' || rows || ' ' || regexp_replace(query, '\s+', ' ', 'g') from pg_stat_statements where query !~ 'pg_stat'`)
	digester, compared := sqlprobe.NewDigester(), 0
	for line := range strings.Lines(truth) {
		var calls, rows int64
		fmt.Sscan(line, &calls, &rows)
		text := strings.SplitN(strings.TrimSpace(line), " ", 3)[2]
		digest := digester.Digest(sqlprobe.PostgreSQL, text, false)
		if digest == "BEGIN" || digest == "END" {
			continue
		}
		compared++
		got.check(t, digest, expect{calls, rows, 0})
	}
	if compared < 7 {
		t.Errorf("%d statements compared in mode %s:\n%s", compared, mode, truth)
	}
}

// Errors, preparing alone, batches and PREPARE by SQL are told apart, at the server and at the client.
func (s servers) postgresErrors(t *testing.T) {
	pg := s.pg
	ask := []string{"psql", "-Xq", "-c", "select 'a', 1", "-c", "select nope", "-c", "prepare x as select generate_series(1, $1)", "-c", "execute x(3)",
		"-c", "select 1 / (generate_series(0, 2) - 1)", "-c", "create table errors(a int primary key)", "-c", "insert into errors values (1), (2)", "-c", "insert into errors values (1)"}
	run := func() {
		pg.Run(t, append([]string{"sh", "-c", `"$@" 2>/dev/null; true`, "sh", pg.Tool("psql")}, ask[1:]...)...)
	}
	server := sqlOf(t, sonde.SQLOptions{Server: true}, run, sonde.PID(pg.PID))
	server.check(t, "SELECT nope", expect{1, 0, 1})
	server.check(t, "EXECUTE x ( ? )", expect{1, 3, 0})
	server.check(t, "SELECT ?, ?", expect{1, 1, 0})
	server.check(t, "INSERT INTO errors VALUES ( ? )", expect{2, 2, 1})
	client := sqlOf(t, sonde.SQLOptions{}, nil, silenced(pg, append([]string{pg.Tool("psql")}, ask[1:]...)...))
	client.check(t, "SELECT nope", expect{1, 0, 1})
	client.check(t, "EXECUTE x ( ? )", expect{1, 3, 0})
	client.check(t, "INSERT INTO errors VALUES ( ? )", expect{2, 0, 2}) // the rows are there from the first time
	for _, side := range []queries{server, client} {
		if got := side["SELECT nope"]; got != nil && got.Error != "column ? does not exist" {
			t.Errorf("error %q", got.Error)
		}
	}
}

// A program that counts its own SQLite statements and sonde agree, however the statements are executed, and whether the library is loaded or
// linked into the program.
func TestSQLiteCountsAsItsProgram(t *testing.T) {
	fixture.NeedRoot(t)
	for _, library := range []string{"-lsqlite3", "-l:libsqlite3.a"} {
		t.Run(library, func(t *testing.T) {
			program := fixture.Build(t, "sql/sqlite.c", "-Wl,--no-as-needed", "-Wl,--start-group", library, "-lm")
			file, said := filepath.Join(t.TempDir(), "db"), filepath.Join(t.TempDir(), "said")
			got := sqlOf(t, sonde.SQLOptions{}, nil, sonde.Command("sh", "-c", `exec "$0" "$1" 40 >"$2"`, program, file, said))
			got.agree(t, sqlprobe.SQLite3, read(t, said))
			if got["SELECT ?"] != nil {
				t.Errorf("seen\n%s", got)
			}
		})
	}
}

// Statements of Go's database/sql count once, prepared ones with their text.
func TestGoStatements(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "gosql/main.go")
	got := sqlOf(t, sonde.SQLOptions{}, nil, sonde.Command(program))
	got.check(t, "SELECT a FROM t WHERE b = ?", expect{5, 15, 0})
	got.check(t, "UPDATE t SET a = ?", expect{5, 5, 0})
	got.check(t, "SELECT p FROM q WHERE r = ?", expect{7, 21, 0})
	got.check(t, "SELECT one FROM single", expect{1, 1, 0})
	got.check(t, "INSERT INTO nope VALUES ( ? )", expect{1, 0, 1})
}
