package page

import (
	"strconv"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/render"
)

// column is a column of the table; Key names it in the page's address.
type column struct {
	Name, Key string
	Text      bool
	cell      func(*event.Query) (text string, value int64)
}

func columns() []column {
	ns := func(of func(*event.Query) time.Duration) func(*event.Query) (string, int64) {
		return func(q *event.Query) (string, int64) { return duration(of(q)), int64(of(q)) }
	}
	first := func(of func(*event.Quantiles) time.Duration) func(*event.Query) (string, int64) {
		return func(q *event.Query) (string, int64) {
			if q.FirstRow == nil {
				return "", -1
			}
			return render.Duration(of(q.FirstRow)), int64(of(q.FirstRow))
		}
	}
	return []column{
		{Name: "calls", Key: "calls", cell: func(q *event.Query) (string, int64) { return number(int64(q.Count)), int64(q.Count) }},
		{Name: "errors", Key: "errors", cell: func(q *event.Query) (string, int64) { return some(int64(q.Errors)), int64(q.Errors) }},
		{Name: "rows", Key: "rows", cell: func(q *event.Query) (string, int64) { return known(q.Rows), q.Rows }},
		{Name: "total", Key: "total", cell: ns(func(q *event.Query) time.Duration { return time.Duration(q.Latency.Sum) })},
		{Name: "p50", Key: "p50", cell: ns(func(q *event.Query) time.Duration { return q.P50 })},
		{Name: "p95", Key: "p95", cell: ns(func(q *event.Query) time.Duration { return q.P95 })},
		{Name: "p99", Key: "p99", cell: ns(func(q *event.Query) time.Duration { return q.P99 })},
		{Name: "max", Key: "max", cell: ns(func(q *event.Query) time.Duration { return time.Duration(q.Latency.Max) })},
		{Name: "first row p50", Key: "first", cell: first(func(f *event.Quantiles) time.Duration { return f.P50 })},
		{Name: "in one transaction", Key: "repeated", cell: repeated},
		{Name: "program", Key: "program", Text: true, cell: func(q *event.Query) (string, int64) { return render.Issuers(q), 0 }},
	}
}

// repeated is how often one transaction executed a statement, if more than once.
func repeated(q *event.Query) (string, int64) {
	if q.Repeated < 2 {
		return "", 0
	}
	return number(int64(q.Repeated)), int64(q.Repeated)
}

// duration is empty for a time that was not measured.
func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return render.Duration(d)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func some(n int64) string {
	if n == 0 {
		return ""
	}
	return number(n)
}

func known(n int64) string {
	if n < 0 {
		return ""
	}
	return number(n)
}

// row is a statement in the table, with what unfolds below it.
type row struct {
	ID         int
	Cells      []cell
	Name       string // one line
	Whole      string
	Marks      []string
	Notes      []string
	Slowest    []execution
	When, Long chart
}

type cell struct {
	Text   string
	Value  int64
	IsName bool
}

// execution is one of the slowest of a statement.
type execution struct {
	At, Took, First, Rows, From, Text, Error string
	Failed                                   bool
	Stack                                    string
}

func (p *Page) row(id int, q *event.Query) row {
	whole := render.StatementName(q)
	out := row{ID: id, Whole: whole, Name: cut(whole, 300), Marks: marks(q), Notes: notes(q), When: p.when(q.Timeline), Long: howLong(q.Latency)}
	for _, c := range columns() {
		text, value := c.cell(q)
		out.Cells = append(out.Cells, cell{text, value, c.Text})
	}
	for _, s := range q.Slowest {
		out.Slowest = append(out.Slowest, p.execution(s))
	}
	return out
}

func (p *Page) execution(s *event.Statement) execution {
	x := execution{At: s.Time.In(p.o.Zone).Format("15:04:05.000"), Took: render.Duration(s.Duration), Rows: known(s.Rows), Text: s.Text,
		From: s.Comm + "[" + strconv.Itoa(s.PID) + "]", Failed: s.Failed, Error: s.Error}
	if s.FirstRow > 0 && s.FirstRow < s.Duration {
		x.First = render.Duration(s.FirstRow)
	}
	if s.Cut {
		x.Text += " ..."
	}
	frames := make([]string, len(s.Stack))
	for i := range s.Stack {
		frames[i] = s.Stack[i].String()
	}
	x.Stack = strings.Join(frames, "\n")
	return x
}

// marks point out what is worth a look.
func marks(q *event.Query) []string {
	var all []string
	if q.Repeated >= render.RepeatedOften {
		all = append(all, "N+1? "+number(int64(q.Repeated))+" times in one transaction")
	}
	if q.Errors > 0 {
		all = append(all, number(int64(q.Errors))+" failed")
	}
	if q.Together > 0 {
		all = append(all, number(int64(q.Together))+" statements in one text")
	}
	if q.Partial {
		all = append(all, "perhaps more among the others")
	}
	return all
}

func notes(q *event.Query) []string {
	all := []string{q.System}
	if f := q.FirstRow; f != nil {
		all = append(all, "first row: p50 "+render.Duration(f.P50)+", p95 "+render.Duration(f.P95)+", p99 "+render.Duration(f.P99)+", max "+render.Duration(f.Max))
	}
	if len(q.PIDs) > 0 {
		words := make([]string, len(q.PIDs))
		for i, pid := range q.PIDs {
			words[i] = strconv.Itoa(pid)
		}
		all = append(all, "PIDs "+strings.Join(words, ", "))
	}
	if q.Error != "" {
		all = append(all, "last error: "+q.Error)
	}
	return all
}
