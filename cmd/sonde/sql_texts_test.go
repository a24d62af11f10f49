package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// severalTexts are texts of more than one statement, executed on one connection.
func severalTexts() []string {
	return []string{
		"select 1, 'a;b'; select 2, 2 /* ; */ from pg_class limit 3; -- c ; d\n select 3, 3, 3 as \"q;\", $$x;y$$",
		";;; select 'only', 'this', 1, 2, 3;;", ";;", "-- nothing;",
		"begin; insert into m values (1); insert into m values (2), (3); update m set a = a + 10; commit",
		"insert into m values (4, 4); select 1 / 0; insert into m values (5, 5, 5)", // the first one is undone, and was executed
		"begin; insert into m values (6); select nope, e'\\';'; commit", "select pi(); commit", "rollback; select 5, 5",
		"select random(); selec 7; select random()", "select 'ééé€', random(); selec 9",
		"insert into once values (1); insert into once values (1)",
		"begin; insert into once values (2); insert into once values (2); commit; select random()",
		"prepare x(int) as select generate_series(1, $1); execute x(3); execute x(2); deallocate x",
		"begin; declare c cursor for select generate_series(1, 10); fetch 4 from c; fetch 3 from c; close c; end",
		"create rule r as on insert to n do also (insert into m values (7); insert into m values (8)); insert into n values (1), (2); drop rule r on n",
		"create function f() returns int begin atomic select 1; select case when true then 11 end; end; select f(); drop function f",
		"do $$ begin perform 1; perform 2; end $$; select a from m where a > 2; copy m to stdout; delete from m",
	}
}

// Each statement of a text of several counts by itself, with its rows, at the server and at the client, as the server's own statistics have
// them; an error is that of the statement that failed, and what stands behind it was not executed.
func (s servers) severalStatementsInOneText(t *testing.T) {
	pg := s.pg
	pg.Run(t, "psql", "-Xqc", "drop table if exists m, n, once; create table m (a int, b int, c int); create table n (a int); create table once (a int unique deferrable initially deferred)")
	argv := []string{pg.Tool("psql"), "-Xq"}
	for _, text := range severalTexts() {
		argv = append(argv, "-c", text)
	}
	for _, side := range []string{"server", "client"} {
		t.Run(side, func(t *testing.T) {
			pg.Run(t, "psql", "-XAtc", "select pg_stat_statements_reset()")
			var seen *everything
			if side == "server" {
				seen = observed(t, sonde.SQLOptions{Server: true}, func() {
					pg.Run(t, append([]string{"sh", "-c", `"$@" >/dev/null 2>&1; true`, "sh"}, argv...)...)
				}, sonde.PID(pg.PID))
			} else {
				seen = observed(t, sonde.SQLOptions{}, nil, silenced(pg, argv...))
			}
			got := seen.queries
			counted := pgStatStatements(t, pg)
			for digest, want := range map[string]expect{
				"INSERT INTO once VALUES ( ? )": {4, 3, 1}, "COMMIT": {2, 0, 1}, // failed behind their execution, which was counted
				"INSERT INTO n VALUES ( ? )":                        {1, 2, 0},                               // what its rule does was counted as well
				"prepare x ( int ) as SELECT generate_series ( ? )": {1, 0, 0}, "EXECUTE x ( ? )": {2, 5, 0}, // counted with what was prepared
				"deallocate x": {1, 0, 0}, // not counted
			} {
				counted[digest] = want
			}
			compared := got.same(t, counted)
			if compared < 25 {
				t.Errorf("%d statements compared:\n%s", compared, got)
			}
			for digest, message := range map[string]string{"SELECT ? / ?": "division by zero", "SELECT nope, e ?": "column ? does not exist",
				"SELECT pi ( )": "current transaction is aborted, commands ignored until end of transaction block", "selec ?": "syntax error at or near ?"} {
				if q := got[digest]; q == nil || q.Errors != q.Count || q.Error != message {
					t.Errorf("%s: %+v", digest, q)
				}
			}
			for digest := range got {
				if strings.Contains(digest, "random") {
					t.Errorf("%s was not executed", digest)
				}
			}
			checkOrder(t, seen)
		})
	}
}

// Under pgbench with \; in its script, whole transactions are one text: their statements count as the server counts them, and so do the transactions.
func (s servers) pgbenchOfSeveralStatementsInOneText(t *testing.T) {
	pg := s.pg
	pg.Run(t, "psql", "-Xqc", "drop table if exists pb; create table pb (a int, b int)")
	script := filepath.Join(t.TempDir(), "script")
	const text = "\\set a random(1, 9)\nbegin \\; insert into pb values (:a, 1), (:a, 2) \\; select 1 from pb where a = 0 \\; select 2, 2 \\; end;\nselect 3, 3, 3 \\; select 4, 4, 4, 4;\n"
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	const clients, each = 8, 25
	argv := []string{pg.Tool("pgbench"), "-n", "-f", script, "-c", strconv.Itoa(clients), "-t", strconv.Itoa(each)}
	for _, side := range []string{"server", "client"} {
		t.Run(side, func(t *testing.T) {
			pg.Run(t, "psql", "-XAtc", "select pg_stat_statements_reset()")
			var seen *everything
			if side == "server" {
				seen = observed(t, sonde.SQLOptions{Server: true}, func() { pg.Run(t, argv...) }, sonde.PID(pg.PID))
			} else {
				seen = observed(t, sonde.SQLOptions{}, nil, silenced(pg, argv...))
			}
			if compared := seen.same(t, pgStatStatements(t, pg)); compared != 7 {
				t.Errorf("%d statements compared", compared)
			}
			if tx := seen.transactions; len(tx) != 1 || tx[0].Count != clients*each || tx[0].Statements != 3*clients*each || tx[0].RolledBack != 0 {
				t.Errorf("transactions: %+v", tx)
			}
		})
	}
}

// checkOrder says that the statements of a connection followed each other.
func checkOrder(t *testing.T, seen *everything) {
	t.Helper()
	last := map[int]int{}
	for i, s := range seen.statements {
		if before, ok := last[s.PID]; ok {
			if b := seen.statements[before]; s.Time.Before(b.Time.Add(b.Duration)) || s.Duration <= 0 {
				t.Errorf("%q began at %v and took %v, though %q ended at %v", s.Text, s.Time, s.Duration, b.Text, b.Time.Add(b.Duration))
			}
		}
		last[s.PID] = i
	}
}

// pgStatStatements is what a server counted since its statistics were reset.
func pgStatStatements(t *testing.T, pg *fixture.Server) map[string]expect {
	t.Helper()
	truth := pg.Run(t, "psql", "-XAtc", `select calls || ' ' || rows || ' ' || translate(query, E'\n', E'\f') from pg_stat_statements where query !~ 'pg_stat'`)
	digester, counted := sqlprobe.NewDigester(), map[string]expect{}
	for line := range strings.Lines(truth) {
		var one expect
		fmt.Sscan(line, &one.calls, &one.rows)
		text := strings.ReplaceAll(strings.SplitN(strings.TrimSpace(line), " ", 3)[2], "\f", "\n")
		digest := digester.Digest(sqlprobe.PostgreSQL, text, false)
		sum := counted[digest]
		counted[digest] = expect{sum.calls + one.calls, sum.rows + one.rows, 0}
	}
	return counted
}

// same compares every statement with what was counted, which has none that failed unless it says so.
func (q queries) same(t *testing.T, counted map[string]expect) (compared int) {
	t.Helper()
	for digest, query := range q {
		have, want := expect{int64(query.Count), max(query.Rows, 0), int64(query.Errors)}, counted[digest]
		delete(counted, digest)
		if want.errors == 0 {
			have.calls, have.errors = have.calls-have.errors, 0
		}
		if have != want {
			t.Errorf("%s: %+v, counted %+v", digest, have, want)
		}
		compared++
	}
	for digest := range counted {
		t.Errorf("%q was not seen in\n%s", digest, q)
	}
	return compared
}

// Each statement of a text of several counts by itself, at MariaDB's server and client. What begins behind the captured part of a text has no text
// at a client.
func (s servers) severalStatementsInOneTextOfMariaDB(t *testing.T) {
	my := s.my
	program := fixture.Build(t, "sql/several.c", "-I/usr/include/mariadb", "-Wl,--no-as-needed", "-lmariadb")
	said := filepath.Join(t.TempDir(), "said")
	const rounds = 4
	t.Run("server", func(t *testing.T) {
		ask(t, my, "truncate performance_schema.events_statements_summary_by_digest")
		seen := observed(t, sonde.SQLOptions{Server: true}, func() { my.Run(t, program, my.Socket(), strconv.Itoa(rounds), said) }, sonde.PID(my.PID))
		seen.severalOfMySQL(t, performanceSchema(t, my), read(t, said), 0)
	})
	t.Run("client", func(t *testing.T) {
		seen := observed(t, sonde.SQLOptions{}, nil, silenced(my, program, my.Socket(), strconv.Itoa(rounds), said, "long"))
		said, _, _ := strings.Cut(read(t, said), "1 1 0 select 7")
		seen.check(t, "SELECT ?, ?, ?, ?, ?, ? ...", expect{1, 1, 0})
		seen.check(t, "(behind what was captured)", expect{1, 1, 0})
		delete(seen.queries, "SELECT ?, ?, ?, ?, ?, ? ...")
		delete(seen.queries, "(behind what was captured)")
		seen.severalOfMySQL(t, "", said, 0)
	})
}

// The same at MySQL's own server and client library, the functions that do not block included.
func severalStatementsInOneTextOfMySQL(t *testing.T, my *fixture.Server) {
	for _, o := range []sonde.SQLOptions{{Server: true}, {}} {
		ask(t, my, "truncate performance_schema.events_statements_summary_by_digest")
		client, said := my.MySQLClient(t, "sql/several.c", "4", "wait")
		pid, told := 0, ""
		if o.Server {
			pid = my.PID
		}
		seen := standingIn(t, client, o, pid)
		if o.Server {
			told = performanceSchema(t, my)
		}
		_, executed, _ := strings.Cut(read(t, said), "end\n") // of the procedure
		seen.severalOfMySQL(t, told, executed, 4)
	}
}

// severalOfMySQL compares with what the server, which counted some before, and the program say.
func (a *everything) severalOfMySQL(t *testing.T, server, said string, before int64) {
	t.Helper()
	a.agree(t, sqlprobe.MySQL, said)
	counted := expect{calls: -before} // a server has the digest of a text's first statement for all of them
	var sum expect
	for _, q := range a.queries {
		sum = expect{sum.calls + int64(q.Count), 0, sum.errors + int64(q.Errors)}
	}
	for line := range strings.Lines(server) {
		var one expect
		fmt.Sscan(line, &one.calls, &one.rows, &one.errors)
		if !strings.Contains(line, "TRUNCATE") {
			counted = expect{counted.calls + one.calls, 0, counted.errors + one.errors}
		}
	}
	if want := int64(strings.Count(said, "\n")); sum.calls != want || server != "" && sum != counted {
		t.Errorf("%+v, %d executed, %+v counted by the server:\n%s\n%s", sum, want, counted, server, a.queries)
	}
	checkOrder(t, a)
}
