package render

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
)

// table gives the lines of a map as a table, sorted and cut as the options say: counts, or latencies with their
// histograms. Maps of another kind have none.
func table(m event.Map, o Options) []string {
	rows := agg.Top(agg.Rows(m), o.Order, o.Top)
	if len(rows) == 0 {
		return nil
	}
	g := tableGrid(m.Kind, rows)
	lines := g.lines(o)
	if m.Kind != event.AggQuantiles || o.Histograms < 0 {
		return lines
	}
	for i, row := range rows {
		if o.Histograms > 0 && i == o.Histograms {
			left := len(rows) - i
			return append(lines, "", o.in(faint, fmt.Sprintf("(%s without histogram)", count(uint64(left), "more row"))))
		}
		lines = append(lines, "", o.in(bold, rowTitle(row)))
		lines = append(lines, latencies(row.Agg, o)...)
	}
	return lines
}

// Live gives the lines of a table that is drawn again and again, the head first: rows as they are, in their order, with how
// often each was counted per second.
func Live(kind event.AggKind, rows []agg.Row, perSecond func(agg.Row) float64, o Options) []string {
	if len(rows) == 0 {
		return nil
	}
	g := tableGrid(kind, rows)
	g.columns = slices.Insert(g.columns, 1, column{name: "RATE/S", right: true})
	for i := range g.rows {
		g.rows[i] = slices.Insert(g.rows[i], 1, rate(perSecond(rows[i])))
	}
	return g.lines(o)
}

// IsTable says whether a map of this kind has a table: counts and latencies.
func IsTable(kind event.AggKind) bool { return kind == event.AggCount || kind == event.AggQuantiles }

func tableGrid(kind event.AggKind, rows []agg.Row) *grid {
	g := &grid{columns: numberColumns(kind)}
	targets := targetNames(rows)
	withFunction := rows[0].Function.Function != ""
	if withFunction {
		g.columns = append(g.columns, column{name: "FUNCTION", paint: bold})
	}
	if len(targets) > 1 {
		g.columns = append(g.columns, column{name: "TARGET"})
	}
	for _, p := range rows[0].By {
		g.columns = append(g.columns, column{name: strings.ToUpper(clean(p.Name)), right: numeric(p.Value)})
	}
	for _, row := range rows {
		cells := numbers(kind, row)
		if withFunction {
			cells = append(cells, clean(row.Function.Function))
		}
		if len(targets) > 1 {
			cells = append(cells, targets[row.Function.Target])
		}
		for _, p := range row.By {
			cells = append(cells, line(p.Value))
		}
		g.add(cells...)
	}
	return g
}

func numberColumns(kind event.AggKind) []column {
	columns := []column{{name: "COUNT", right: true}}
	if kind == event.AggQuantiles {
		for _, name := range []string{"TOTAL", "AVG", "P50", "P90", "P99", "MAX"} {
			columns = append(columns, column{name: name, right: true})
		}
	}
	return columns
}

func numbers(kind event.AggKind, row agg.Row) []string {
	cells := []string{strconv.FormatUint(row.Agg.Count, 10)}
	if kind == event.AggQuantiles {
		for _, ns := range []int64{row.Agg.Sum, int64(row.Average()), agg.Quantile(row.Agg, 0.5), agg.Quantile(row.Agg, 0.9),
			agg.Quantile(row.Agg, 0.99), row.Agg.Max} {
			cells = append(cells, Duration(time.Duration(ns)))
		}
	}
	return cells
}

// targetNames gives each target the shortest name that tells it from the others: its file name, or the whole path.
func targetNames(rows []agg.Row) map[string]string {
	names, bases := map[string]string{}, map[string]int{}
	for _, row := range rows {
		target := row.Function.Target
		if _, ok := names[target]; !ok {
			names[target] = target
			bases[path.Base(target)]++
		}
	}
	for target := range names {
		names[target] = clean(target)
		if base := path.Base(target); bases[base] == 1 {
			names[target] = clean(base)
		}
	}
	return names
}

func numeric(v event.Value) bool {
	switch v.Kind {
	case event.KindInt, event.KindUint, event.KindFloat, event.KindDuration:
		return v.Problem == ""
	}
	return false
}

// rowTitle names a row above its histogram.
func rowTitle(row agg.Row) string {
	title := clean(row.Function.Function)
	for i, p := range row.By {
		if i > 0 || title != "" {
			title += " "
		}
		title += clean(p.Name) + "=" + line(p.Value)
	}
	return title
}
