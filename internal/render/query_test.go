package render

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
)

// sampleQuery is a statement that ran n times, each time a millisecond longer.
func sampleQuery(digest string, n int) *event.Query {
	var latency agg.Latency
	var clock agg.Timelines
	var when agg.Timeline
	q := &event.Query{System: "postgresql", Digest: digest, Count: uint64(n), Rows: int64(3 * n), Programs: []string{"app"}, PIDs: []int{42}}
	for i := range n {
		d := time.Duration(i+1) * time.Millisecond
		latency.Add(int64(d))
		clock.Add(&when, noon.Add(time.Duration(i*i)*time.Millisecond), d, false)
		s := &event.Statement{Time: noon.Add(time.Duration(i*i) * time.Millisecond), Duration: d, FirstRow: d / 2, PID: 42, TID: 43, Comm: "app", System: q.System,
			Digest: digest, Text: "select  b\nfrom t where a = ?", Rows: 3}
		q.Slowest = slices.Insert(q.Slowest, 0, s)
	}
	q.Slowest = q.Slowest[:min(n, 2)]
	q.Latency, q.Timeline, q.Example = latency.Aggregate(), clock.Read(&when), q.Slowest[0].Text
	q.P50, q.P95, q.P99 = time.Duration(n)*time.Millisecond/2, time.Duration(n)*time.Millisecond, time.Duration(n)*time.Millisecond
	return q
}

func sampleStatements() []event.Event {
	many, failing, others := sampleQuery("SELECT b FROM t WHERE a = ?", 50), sampleQuery("INSERT INTO t VALUES ( ? )", 2), sampleQuery("", 9)
	many.FirstRow = &event.Quantiles{P50: 12 * time.Millisecond, P95: 24 * time.Millisecond, P99: 25 * time.Millisecond, Max: 25 * time.Millisecond}
	many.Repeated, many.PIDs, many.Programs = 12, []int{42, 43, 44}, []string{"app", "e\x1b[2Jvil"}
	failing.Errors, failing.Error, failing.Rows, failing.Partial = 1, "duplicate key value violates unique constraint ?", -1, true
	failing.Stack = []event.Frame{{Function: "PQexec", Offset: 4}, {Function: "main.save", File: "save.go", Line: 12}}
	failing.Slowest[0].Stack, failing.Slowest[0].Failed, failing.Slowest[0].Rows, failing.Slowest[0].FirstRow = failing.Stack, true, -1, 0
	others.Others = 3
	slow := failing.Slowest[0]
	return []event.Event{slow, many, failing, others,
		&event.Transaction{System: "postgresql", Count: 4, RolledBack: 1, Statements: 50, Latency: event.Aggregate{Count: 4, Sum: int64(8 * time.Millisecond), Max: int64(5 * time.Millisecond)}}}
}

func TestADetailWritesItsGolden(t *testing.T) {
	var out strings.Builder
	for _, e := range sampleStatements() {
		if q, ok := e.(*event.Query); ok {
			out.WriteString(strings.Join(QueryDetail(q, Options{Zone: time.UTC, Width: 100}), "\n") + "\n\n")
		}
	}
	golden(t, "sql-detail", []byte(out.String()))
}

// A long digest is shown whole, broken between words where there are any.
func TestALongDigestIsShownWhole(t *testing.T) {
	for _, digest := range []string{"SELECT " + strings.Repeat("column, ", 40) + "x FROM t", strings.Repeat("x", 205), strings.Repeat("é ", 100), ""} {
		lines := wrap(digest, 20)
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > 20 {
				t.Errorf("%q has %d columns", l, n)
			}
		}
		if got := strings.ReplaceAll(strings.Join(lines, ""), " ", ""); got != strings.ReplaceAll(digest, " ", "") {
			t.Errorf("%q became %q", digest, lines)
		}
	}
}

// On a narrow terminal columns that can be spared leave their room to the statement, and no line is wider.
func TestANarrowTableSparesColumns(t *testing.T) {
	queries := []*event.Query{sampleQuery("SELECT "+strings.Repeat("a, ", 50)+" FROM t", 50)}
	for _, width := range []int{60, 80, 100, 200} {
		lines := queryTable(queries, Options{Width: width})
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > width {
				t.Errorf("%d columns in %q", n, l)
			}
		}
		for _, name := range []string{"CALLS", "TOTAL", "STATEMENT"} {
			if !strings.Contains(lines[0], name) {
				t.Errorf("%s is not in %q", name, lines[0])
			}
		}
		if has := strings.Contains(lines[0], "P95"); has != (width > 80) {
			t.Errorf("width %d: %q", width, lines[0])
		}
	}
}
