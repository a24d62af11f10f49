package render

import (
	"strconv"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
)

// queryTable gives the lines of the table of statements: the most expensive first, the slowest one's stack below.
func queryTable(queries []*event.Query, o Options) []string {
	if len(queries) == 0 {
		return nil
	}
	if o.Top > 0 && len(queries) > o.Top {
		queries = queries[:o.Top]
	}
	g := &grid{}
	for _, name := range []string{"CALLS", "ERRORS", "ROWS", "TOTAL", "P50", "P95", "P99", "MAX"} {
		g.columns = append(g.columns, column{name: name, right: true})
	}
	g.columns = append(g.columns, column{name: "PROGRAM"}, column{name: "STATEMENT", paint: bold})
	for _, q := range queries {
		g.add(strconv.FormatUint(q.Count, 10), someCount(q.Errors), rowCount(q.Rows), Duration(time.Duration(q.Latency.Sum)), Duration(q.P50),
			Duration(q.P95), Duration(q.P99), Duration(time.Duration(q.Latency.Max)), clean(strings.Join(q.Programs, ",")), clean(q.Digest)+mark(q))
	}
	lines := g.lines(o)
	for _, q := range queries {
		lines = append(lines, queryNotes(q, o)...)
	}
	return lines
}

// repeatedOften is from how many executions in one transaction on a statement is marked.
const repeatedOften = 10

// mark points out a statement that one transaction executes again and again.
func mark(q *event.Query) string {
	if q.Repeated < repeatedOften {
		return ""
	}
	return "  [" + strconv.FormatUint(q.Repeated, 10) + " times in one transaction]"
}

// queryNotes are what a row of the table has no room for: the last error and the stack of the slowest execution.
func queryNotes(q *event.Query, o Options) []string {
	if q.Error == "" && len(q.Stack) == 0 {
		return nil
	}
	lines := []string{"", o.in(bold, clean(q.Digest))}
	if q.Error != "" {
		lines = append(lines, "    last error: "+clean(q.Error))
	}
	for i := range q.Stack {
		lines = append(lines, "    "+clean(q.Stack[i].String()))
	}
	return lines
}

func transactionLines(all []*event.Transaction, o Options) []string {
	var lines []string
	for _, t := range all {
		text := t.System + ": " + count(t.Count, "transaction") + ", " + digits(float64(t.Statements)/float64(max(t.Count, 1))) + " statements each, " +
			Duration(time.Duration(t.Latency.Sum/int64(max(t.Count, 1)))) + " on average, at most " + Duration(time.Duration(t.Latency.Max))
		if t.RolledBack > 0 {
			text += ", " + strconv.FormatUint(t.RolledBack, 10) + " rolled back"
		}
		lines = append(lines, "", o.in(faint, text))
	}
	return lines
}

// someCount leaves a place empty where there was none.
func someCount(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

// rowCount is empty where the rows are unknown.
func rowCount(n int64) string {
	if n < 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// appendStatement writes one statement: "12.3ms  psql[4242]  3 rows  SELECT ...".
func appendStatement(b []byte, s *event.Statement, o Options) []byte {
	b = append(b, o.in(bold, Duration(s.Duration))...)
	b = append(b, "  "+clean(s.Comm)+"["+strconv.Itoa(s.PID)+"]"...)
	if s.Rows >= 0 {
		b = append(b, "  "+count(uint64(s.Rows), "row")...)
	}
	b = append(b, "  "+clean(strings.Join(strings.Fields(s.Text), " "))...)
	if s.Cut {
		b = append(b, " ..."...)
	}
	if s.Failed {
		b = append(b, o.in(yellow, "  failed: "+clean(s.Error))...)
	}
	b = append(b, '\n')
	for i := range s.Stack {
		b = append(b, "    "+clean(s.Stack[i].String())+"\n"...)
	}
	return b
}

func statementHeads() []string {
	return []string{"time", "pid", "tid", "comm", "system", "duration_ns", "rows", "error", "digest", "text"}
}

func statementCells(s *event.Statement) []string {
	message := s.Error
	if s.Failed && message == "" {
		message = "failed"
	}
	return []string{stamp(s.Time), strconv.Itoa(s.PID), strconv.Itoa(s.TID), s.Comm, s.System, strconv.FormatInt(int64(s.Duration), 10),
		rowCount(s.Rows), message, s.Digest, s.Text}
}

func queryHeads() []string {
	return []string{"system", "digest", "count", "errors", "rows", "sum_ns", "p50_ns", "p95_ns", "p99_ns", "max_ns", "programs"}
}

func queryCells(q *event.Query) []string {
	ns := func(d time.Duration) string { return strconv.FormatInt(int64(d), 10) }
	return []string{q.System, q.Digest, strconv.FormatUint(q.Count, 10), strconv.FormatUint(q.Errors, 10), rowCount(q.Rows),
		strconv.FormatInt(q.Latency.Sum, 10), ns(q.P50), ns(q.P95), ns(q.P99), strconv.FormatInt(q.Latency.Max, 10), strings.Join(q.Programs, " ")}
}
