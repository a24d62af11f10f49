package render

import (
	"strconv"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
)

// queryTable gives the lines of the table of statements as they come, what a row has no room for below.
func queryTable(queries []*event.Query, o Options) []string {
	if len(queries) == 0 {
		return nil
	}
	if o.Top > 0 && len(queries) > o.Top {
		queries = queries[:o.Top]
	}
	lines := queryGrid(queries, nil).lines(o)
	for _, q := range queries {
		lines = append(lines, queryNotes(q, o)...)
	}
	return lines
}

// LiveQueries gives the lines of a table of statements that is drawn again and again, the head first, with how often each was
// executed per second.
func LiveQueries(queries []*event.Query, perSecond func(*event.Query) float64, o Options) []string {
	if len(queries) == 0 {
		return nil
	}
	return queryGrid(queries, perSecond).lines(o)
}

// queryColumns are the columns of a table of statements. Those that are empty in every row are left out, and where there is no room those
// with the greatest spare first.
var queryColumns = []struct {
	column
	cell func(*event.Query) string
}{
	{column{name: "CALLS", right: true}, func(q *event.Query) string { return strconv.FormatUint(q.Count, 10) }},
	{column{name: "ERRORS", right: true, spare: 1}, func(q *event.Query) string { return someCount(q.Errors) }},
	{column{name: "ROWS", right: true, spare: 3}, func(q *event.Query) string { return rowCount(q.Rows) }},
	{column{name: "TOTAL", right: true}, func(q *event.Query) string { return Duration(time.Duration(q.Latency.Sum)) }},
	{column{name: "P50", right: true, spare: 4}, func(q *event.Query) string { return Duration(q.P50) }},
	{column{name: "P95", right: true, spare: 5}, func(q *event.Query) string { return Duration(q.P95) }},
	{column{name: "P99", right: true}, func(q *event.Query) string { return Duration(q.P99) }},
	{column{name: "MAX", right: true}, func(q *event.Query) string { return Duration(time.Duration(q.Latency.Max)) }},
	{column{name: "FIRST ROW", right: true, spare: 6}, firstRow},
	{column{name: "PROGRAM", spare: 2}, Issuers},
	{column{name: "STATEMENT", paint: bold, least: 32}, func(q *event.Query) string { return StatementName(q) + mark(q) }},
}

// queryGrid lays out statements; perSecond is nil where rates are not shown.
func queryGrid(queries []*event.Query, perSecond func(*event.Query) float64) *grid {
	g := &grid{rows: make([][]string, len(queries))}
	for i, c := range queryColumns {
		cells, some := make([]string, len(queries)), false
		for k, q := range queries {
			cells[k] = c.cell(q)
			some = some || cells[k] != ""
		}
		if some {
			g.append(c.column, cells)
		}
		if i > 0 || perSecond == nil {
			continue
		}
		for k, q := range queries {
			cells[k] = rate(perSecond(q))
		}
		g.append(column{name: "RATE/S", right: true, spare: 7}, cells)
	}
	return g
}

// firstRow is the time below which half of the first rows came, "" where they are not told apart.
func firstRow(q *event.Query) string {
	if q.FirstRow == nil {
		return ""
	}
	return Duration(q.FirstRow.P50)
}

// StatementName is what a row is called: its digest, or how many digests it stands for.
func StatementName(q *event.Query) string {
	if q.Others > 0 {
		return "(" + count(q.Others, "other statement") + ")"
	}
	return clean(q.Digest)
}

// Issuers says who issues a statement: "psql[4242]", "pgbench[8 PIDs]".
func Issuers(q *event.Query) string {
	names := clean(strings.Join(q.Programs, ","))
	switch n := len(q.PIDs); {
	case n == 0:
		return names
	case n == 1:
		return names + "[" + strconv.Itoa(q.PIDs[0]) + "]"
	case n < manyPIDs:
		return names + "[" + strconv.Itoa(n) + " PIDs]"
	}
	return names + "[many PIDs]"
}

// manyPIDs is from how many PIDs on their number is not known: no more are kept.
const manyPIDs = 16

// RepeatedOften is from how many executions in one transaction on a statement is marked.
const RepeatedOften = 10

// mark points out a statement that one transaction executes again and again, one that is several, and one of which not every execution is in the row.
func mark(q *event.Query) string {
	text := ""
	if q.Repeated >= RepeatedOften {
		text = "  [" + strconv.FormatUint(q.Repeated, 10) + " times in one transaction]"
	}
	if q.Together > 0 {
		text += "  [" + strconv.FormatUint(q.Together, 10) + " statements in one text]"
	}
	if q.Partial {
		text += "  [perhaps more among the others]"
	}
	return text
}

// queryNotes are what a row of the table has no room for: the last error and the stack of the slowest execution.
func queryNotes(q *event.Query, o Options) []string {
	if q.Error == "" && len(q.Stack) == 0 {
		return nil
	}
	lines := []string{"", o.in(bold, StatementName(q))}
	if q.Error != "" {
		lines = append(lines, "    last error: "+clean(q.Error))
	}
	return append(lines, frames(q.Stack)...)
}

func frames(stack []event.Frame) []string {
	var lines []string
	for i := range stack {
		lines = append(lines, "    "+clean(stack[i].String()))
	}
	return lines
}

func transactionLines(all []*event.Transaction, o Options) []string {
	var lines []string
	for _, t := range all {
		lines = append(lines, "", o.in(faint, Transactions(t)))
	}
	return lines
}

// Transactions is a sentence about the transactions of a system.
func Transactions(t *event.Transaction) string {
	text := t.System + ": " + count(t.Count, "transaction") + ", " + digits(float64(t.Statements)/float64(max(t.Count, 1))) + " statements each, " +
		Duration(time.Duration(t.Latency.Sum/int64(max(t.Count, 1)))) + " on average, at most " + Duration(time.Duration(t.Latency.Max))
	if t.RolledBack > 0 {
		text += ", " + strconv.FormatUint(t.RolledBack, 10) + " rolled back"
	}
	return text
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
	if o.Stamp {
		b = append(b, o.in(faint, s.Time.In(o.zone()).Format("15:04:05.000"))+"  "...)
	}
	b = append(b, o.in(bold, Duration(s.Duration))...)
	b = append(b, "  "+clean(s.Comm)+"["+strconv.Itoa(s.PID)+"]"...)
	if s.Rows >= 0 {
		b = append(b, "  "+count(uint64(s.Rows), "row")...)
	}
	if s.FirstRow > 0 && s.FirstRow < s.Duration {
		b = append(b, ", the first after "+Duration(s.FirstRow)...)
	}
	b = append(b, "  "+clean(strings.Join(strings.Fields(s.Text), " "))...)
	if s.Cut {
		b = append(b, " ..."...)
	}
	if s.Failed {
		b = append(b, o.in(yellow, strings.TrimSuffix("  failed: "+clean(s.Error), ": "))...)
	}
	b = append(b, '\n')
	for _, line := range frames(s.Stack) {
		b = append(append(b, line...), '\n')
	}
	return b
}

func statementHeads() []string {
	return []string{"time", "pid", "tid", "comm", "system", "duration_ns", "first_row_ns", "rows", "error", "digest", "text"}
}

func statementCells(s *event.Statement) []string {
	message := s.Error
	if s.Failed && message == "" {
		message = "failed"
	}
	return []string{stamp(s.Time), strconv.Itoa(s.PID), strconv.Itoa(s.TID), s.Comm, s.System, strconv.FormatInt(int64(s.Duration), 10),
		someCount(uint64(s.FirstRow)), rowCount(s.Rows), message, s.Digest, s.Text}
}

func queryHeads() []string {
	return []string{"system", "digest", "count", "errors", "error", "rows", "sum_ns", "p50_ns", "p95_ns", "p99_ns", "max_ns",
		"first_row_p50_ns", "first_row_p95_ns", "first_row_p99_ns", "first_row_max_ns", "repeated", "others", "programs", "pids", "example"}
}

func queryCells(q *event.Query) []string {
	ns := func(d time.Duration) string { return strconv.FormatInt(int64(d), 10) }
	first := []string{"", "", "", ""}
	if f := q.FirstRow; f != nil {
		first = []string{ns(f.P50), ns(f.P95), ns(f.P99), ns(f.Max)}
	}
	pids := make([]string, len(q.PIDs))
	for i, pid := range q.PIDs {
		pids[i] = strconv.Itoa(pid)
	}
	cells := []string{q.System, q.Digest, strconv.FormatUint(q.Count, 10), strconv.FormatUint(q.Errors, 10), q.Error, rowCount(q.Rows),
		strconv.FormatInt(q.Latency.Sum, 10), ns(q.P50), ns(q.P95), ns(q.P99), strconv.FormatInt(q.Latency.Max, 10)}
	return append(append(cells, first...), someCount(q.Repeated), someCount(q.Others), strings.Join(q.Programs, " "), strings.Join(pids, " "), q.Example)
}
