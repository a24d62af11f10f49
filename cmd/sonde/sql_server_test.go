package main

import (
	"fmt"
	"strings"
	"testing"

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
