package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// mariaProgram executes text and prepared statements by libmariadb.
func mariaProgram(t *testing.T) string {
	return fixture.Build(t, "sql/mysql.c", "-I/usr/include/mariadb", "-Wl,--no-as-needed", "-lmariadb")
}

// Seen from the server, calls, rows and failures of MariaDB are those of its performance_schema and of its client, and messages are those that its
// clients get.
func (s servers) mariaDBCountsAsTheServerDoes(t *testing.T) {
	my := s.my
	said, program := filepath.Join(t.TempDir(), "said"), mariaProgram(t)
	ask(t, my, "truncate performance_schema.events_statements_summary_by_digest")
	got := sqlOf(t, sonde.SQLOptions{Server: true}, func() {
		my.Run(t, program, my.Socket(), "50", said)
		for _, text := range []string{
			"create table p (a integer primary key)", "insert into p select seq from seq_1_to_1000", "select * from p where a > 10", "select COUNT(*) from p",
			"update p set a = -a where a < 100", "insert into p values (500)", "delete from p where a > 900", "select 'x' from absent",
			"create procedure some_rows() select a from p where a > 850", "CALL some_rows()",
			"insert into p values (9999) returning a",
		} {
			my.Run(t, "sh", "-c", `mariadb --no-defaults -S "$0" d -e "$1" >/dev/null 2>&1; true`, my.Socket(), text)
		}
	}, sonde.PID(my.PID))
	got.agree(t, sqlprobe.MySQL, read(t, said))
	got.asTold(t, performanceSchema(t, my), 16)          // prepared ones are not there
	got.check(t, "CALL some_rows ( )", expect{1, 50, 0}) // performance_schema has them at the statement inside, and that among no digests
	if q := got["SELECT ? FROM absent"]; q == nil || q.Error != "Table ? doesn't exist" {
		t.Errorf("%+v", q)
	}
}

// libmariadb tells what its program counts.
func (s servers) libmariadbCountsAsItsProgram(t *testing.T) {
	my := s.my
	path := filepath.Join(t.TempDir(), "said")
	got := sqlOf(t, sonde.SQLOptions{}, nil, silenced(my, mariaProgram(t), my.Socket(), "20", path))
	got.agree(t, sqlprobe.MySQL, asItComes(read(t, path), 20))
	if q := got["SELECT nope FROM m"]; q == nil || q.Error != "Unknown column ? in ?" {
		t.Errorf("%+v", q)
	}
}

// asItComes is what a program says, without the number of rows that it has read as they came, which a library does not know.
func asItComes(said string, rows int) string {
	return strings.Replace(said, fmt.Sprintf("1 %d 0 select a, a", rows), "1 0 0 select a, a", 1)
}

// MySQL's own server and client library, of one server.
func TestMySQL(t *testing.T) {
	my := fixture.MySQL(t)
	t.Run("server", func(t *testing.T) { mySQLCountsAsTheServerDoes(t, my) })
	t.Run("client", func(t *testing.T) { libmysqlclientCountsAsItsProgram(t, my) })
	t.Run("several", func(t *testing.T) { severalStatementsInOneTextOfMySQL(t, my) })
}

// MySQL's own server, seen by its PID and among the servers that run: calls, rows and failures are those of its performance_schema and of its client; a
// statement prepared before has its text.
func mySQLCountsAsTheServerDoes(t *testing.T, my *fixture.Server) {
	for _, pid := range []int{my.PID, everyProcess} {
		ask(t, my, "truncate performance_schema.events_statements_summary_by_digest")
		client, said := my.MySQLClient(t, "sql/mysql.c", "20", "wait")
		got := standIn(t, client, sonde.SQLOptions{Server: true}, pid)
		got.agree(t, sqlprobe.MySQL, read(t, said))
		got.asTold(t, performanceSchema(t, my), 12)
		if q := got["SELECT nope FROM m"]; q == nil || q.Error != "Unknown column ? in ?" {
			t.Errorf("%+v", q)
		}
	}
}

// MySQL's own client library, its functions that do not block included, tells what its program counts.
func libmysqlclientCountsAsItsProgram(t *testing.T, my *fixture.Server) {
	for _, pid := range []int{0, everyProcess} {
		client, path := my.MySQLClient(t, "sql/mysql.c", "20", "wait")
		got := standIn(t, client, sonde.SQLOptions{}, pid)
		said := strings.Replace(read(t, path), "1 1 0 select 'before', ?\n", "", 1)
		got.agree(t, sqlprobe.MySQL, asItComes(said, 20))
		got.check(t, "(prepared before attach)", expect{1, 1, 0})
		if q := got["SELECT nope FROM m"]; q == nil || q.Error != "Unknown column ? in ?" {
			t.Errorf("%+v", q)
		}
	}
}

// performanceSchema is what a server says of itself since its table was truncated.
func performanceSchema(t *testing.T, my *fixture.Server) string {
	t.Helper()
	return ask(t, my, "select count_star, sum_rows_sent + sum_rows_affected, sum_errors, digest_text from performance_schema.events_statements_summary_by_digest where digest_text is not null")
}

// asTold compares with that.
func (q queries) asTold(t *testing.T, truth string, atLeast int) {
	t.Helper()
	digester, compared := sqlprobe.NewDigester(), 0
	other := regexp.MustCompile(`^(CREATE|DROP|TRUNCATE|PREPARE|DEALLOCATE|KILL|CALL)|performance_schema|information_schema|\.\.\.`)
	for line := range strings.Lines(truth) {
		var want expect
		fmt.Sscan(line, &want.calls, &want.rows, &want.errors)
		text := strings.TrimPrefix(strings.SplitN(strings.TrimSpace(line), "\t", 4)[3], "EXECUTE ")
		digest := digester.Digest(sqlprobe.MySQL, text, false)
		if other.MatchString(text) || q[digest] == nil && strings.Contains(text, "@@") {
			continue
		}
		compared++
		q.check(t, digest, want)
	}
	if compared < atLeast {
		t.Errorf("%d statements compared:\n%s\nseen\n%s", compared, truth, q)
	}
}
