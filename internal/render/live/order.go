package live

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/render"
)

// byTotal is the order that the table begins with.
const byTotal = 4

// statementOrders are the keys that sort statements, one for each column: numbers with the greatest first, text by the alphabet. A key that
// is in force already turns the order round.
var statementOrders = []struct {
	key, name string
	number    func(s *statements, q *event.Query) float64
	text      func(q *event.Query) string
}{
	{key: "c", name: "calls", number: func(_ *statements, q *event.Query) float64 { return float64(q.Count) }},
	{key: "r", name: "rate", number: func(s *statements, q *event.Query) float64 { return s.rate(q) }},
	{key: "e", name: "errors", number: func(_ *statements, q *event.Query) float64 { return float64(q.Errors) }},
	{key: "w", name: "rows", number: func(_ *statements, q *event.Query) float64 { return float64(q.Rows) }},
	{key: "t", name: "total", number: func(_ *statements, q *event.Query) float64 { return float64(q.Latency.Sum) }},
	{key: "5", name: "p50", number: func(_ *statements, q *event.Query) float64 { return float64(q.P50) }},
	{key: "p", name: "p95", number: func(_ *statements, q *event.Query) float64 { return float64(q.P95) }},
	{key: "9", name: "p99", number: func(_ *statements, q *event.Query) float64 { return float64(q.P99) }},
	{key: "m", name: "max", number: func(_ *statements, q *event.Query) float64 { return float64(q.Latency.Max) }},
	{key: "f", name: "first row", number: func(_ *statements, q *event.Query) float64 {
		if q.FirstRow == nil {
			return -1
		}
		return float64(q.FirstRow.P50)
	}},
	{key: "a", name: "program", text: render.Issuers},
	{key: "n", name: "statement", text: render.StatementName},
}

// sortBy follows a sort key and says whether it was one.
func (s *statements) sortBy(key string) bool {
	for i, o := range statementOrders {
		if o.key == key {
			s.reversed = i == s.order && !s.reversed
			s.order = i
			return true
		}
	}
	return false
}

func (s *statements) sort(rows []*event.Query) {
	o := statementOrders[s.order]
	slices.SortStableFunc(rows, func(a, b *event.Query) int {
		order := 0
		if o.text != nil {
			order = strings.Compare(o.text(a), o.text(b))
		} else {
			order = cmp.Compare(o.number(s, b), o.number(s, a))
		}
		if s.reversed {
			order = -order
		}
		return cmp.Or(cmp.Compare(min(a.Others, 1), min(b.Others, 1)), order)
	})
}
