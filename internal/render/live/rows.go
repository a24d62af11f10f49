package live

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
	"github.com/sonde-project/sonde/internal/render"
)

// lines gives the head and the rows that pass the filter, sorted.
func (t *table) lines(o render.Options) []string {
	rows := t.visible()
	agg.Sort(rows, t.order)
	if t.byRate {
		slices.SortStableFunc(rows, func(a, b agg.Row) int { return cmp.Compare(t.rate(b), t.rate(a)) })
	}
	return render.Live(t.kind, rows, t.rate, o)
}

func (t *table) visible() []agg.Row {
	var rows []agg.Row
	for _, row := range t.rows {
		if t.filter == "" || matches(row, strings.ToLower(t.filter)) {
			rows = append(rows, row)
		}
	}
	return rows
}

// matches looks for the text in the row's names, whatever their case.
func matches(row agg.Row, text string) bool {
	if strings.Contains(strings.ToLower(row.Function.Function), text) || strings.Contains(strings.ToLower(row.Function.Target), text) {
		return true
	}
	return slices.ContainsFunc(row.By, func(p agg.Part) bool {
		return strings.Contains(strings.ToLower(p.Value.Text(event.LangUnknown)), text)
	})
}

// sortKeys are the keys that choose the order, as the help line shows them.
var sortKeys = []struct {
	key   string
	name  string
	order agg.Order
	rate  bool
	times bool // only where times are measured
}{
	{"c", "count", agg.ByCount, false, false},
	{"r", "rate", agg.ByCount, true, false},
	{"t", "total", agg.ByTotal, false, true},
	{"a", "avg", agg.ByAverage, false, true},
	{"5", "p50", agg.ByP50, false, true},
	{"9", "p99", agg.ByP99, false, true},
	{"m", "max", agg.ByMax, false, true},
	{"n", "name", agg.ByName, false, false},
}

// sortBy follows a sort key and says whether it was one.
func (t *table) sortBy(key string) bool {
	for _, k := range sortKeys {
		if k.key == key && (!k.times || t.kind == event.AggQuantiles) {
			t.order, t.byRate = k.order, k.rate
			return true
		}
	}
	return false
}

// sorted names the order in force.
func (t *table) sorted() string {
	if t.byRate {
		return "rate"
	}
	return t.order.String()
}
