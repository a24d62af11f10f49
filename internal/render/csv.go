package render

import (
	"bufio"
	"encoding/csv"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
)

// csvTables writes tables with a head (RFC 4180). Where one table follows another of different columns, an empty line and
// the new head come between them. Numbers are in base units: nanoseconds.
type csvTables struct {
	w     *bufio.Writer
	csv   *csv.Writer
	o     Options
	heads []string // of the table being written
}

func newCSV(w io.Writer, o Options) *csvTables {
	buffered := bufio.NewWriterSize(w, 64<<10)
	return &csvTables{w: buffered, csv: csv.NewWriter(buffered), o: o}
}

func (c *csvTables) Event(e event.Event) error {
	switch e := e.(type) {
	case *event.Call:
		return c.call(e)
	case *event.Print:
		return c.row([]string{"time", "pid", "tid", "text"}, stamp(e.Time), strconv.Itoa(e.PID), strconv.Itoa(e.TID), e.Text())
	case *event.Record:
		return c.record(e)
	case *event.Log:
		return c.log(e)
	case *event.MapPrint:
		return c.showMap(e)
	case *event.Statement:
		return c.row(statementHeads(), statementCells(e)...)
	case *event.Query:
		return c.row(queryHeads(), queryCells(e)...)
	}
	return nil
}

func (c *csvTables) Flush() error {
	c.csv.Flush()
	if err := c.csv.Error(); err != nil {
		return err
	}
	return c.w.Flush()
}

func (c *csvTables) End(event.Stats) error { return c.Flush() }

// row writes a row of the table with these heads, and the heads when the table begins.
func (c *csvTables) row(heads []string, cells ...string) error {
	if !slices.Equal(heads, c.heads) {
		if c.heads != nil {
			c.csv.Flush()
			if _, err := c.w.WriteString("\n"); err != nil {
				return err
			}
		}
		c.heads = heads
		if err := c.csv.Write(cleanAll(slices.Clone(heads))); err != nil {
			return err
		}
	}
	return c.csv.Write(cleanAll(cells))
}

// cleanAll cleans the cells of a row. Line ends stay: what a script printed may have them, and quotes hold them together.
func cleanAll(cells []string) []string {
	for i, cell := range cells {
		if strings.Contains(cell, "\n") {
			lines := strings.Split(cell, "\n")
			cells[i] = strings.Join(cleanAll(lines), "\n")
		} else {
			cells[i] = clean(cell)
		}
	}
	return cells
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func (c *csvTables) call(e *event.Call) error {
	heads := []string{"time", "pid", "tid", "goroutine", "comm", "target", "function", "args", "return", "errno", "duration_ns",
		"outcome", "depth"}
	result, duration, goroutine := "", "", ""
	if e.Return != nil {
		result = e.Return.Text(e.Language)
	}
	if e.Outcome.Ended() {
		duration = strconv.FormatInt(int64(e.Duration), 10)
	}
	if e.Goroutine != 0 {
		goroutine = strconv.FormatUint(e.Goroutine, 10)
	}
	return c.row(heads, stamp(e.Time), strconv.Itoa(e.PID), strconv.Itoa(e.TID), goroutine, e.Comm, e.Target, e.Function,
		string(appendArgs(nil, e)), result, e.Errno, duration, e.Outcome.String(), strconv.Itoa(e.Depth))
}

func (c *csvTables) showMap(p *event.MapPrint) error {
	if c.o.Script || !IsTable(p.Map.Kind) {
		return c.scriptMap(p)
	}
	top := c.o.Top
	if p.Top > 0 {
		top = p.Top
	}
	for _, row := range agg.Top(agg.Rows(p.Map), c.o.Order, top) {
		heads, cells := []string{"target", "function"}, []string{row.Function.Target, row.Function.Function}
		for _, part := range row.By {
			heads, cells = append(heads, part.Name), append(cells, line(part.Value))
		}
		heads, cells = append(heads, "count"), append(cells, strconv.FormatUint(row.Agg.Count, 10))
		if p.Map.Kind == event.AggQuantiles {
			heads = append(heads, "sum_ns", "avg_ns", "min_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns")
			for _, ns := range []int64{row.Agg.Sum, int64(row.Average()), row.Agg.Min, agg.Quantile(row.Agg, 0.5), agg.Quantile(row.Agg, 0.9),
				agg.Quantile(row.Agg, 0.99), row.Agg.Max} {
				cells = append(cells, strconv.FormatInt(ns, 10))
			}
		}
		if err := c.row(heads, cells...); err != nil {
			return err
		}
	}
	return nil
}

// scriptMap writes a row per entry, and for histograms a row per bucket.
func (c *csvTables) scriptMap(p *event.MapPrint) error {
	entries := sortedEntries(p)
	slices.Reverse(entries)
	for _, e := range entries {
		heads, cells := []string{"map"}, []string{mapName(p.Map)}
		for i, v := range e.Key {
			heads, cells = append(heads, "key"+strconv.Itoa(i)), append(cells, line(v))
		}
		if err := c.scriptEntry(p, e, heads, cells); err != nil {
			return err
		}
	}
	return nil
}

func (c *csvTables) scriptEntry(p *event.MapPrint, e event.Entry, heads, cells []string) error {
	div := max(p.Div, 1)
	switch p.Map.Kind {
	case event.AggHist, event.AggLhist, event.AggQuantiles:
		for _, b := range e.Agg.Buckets {
			row := append(slices.Clone(cells), bound(b.Low), bound(b.High), strconv.FormatUint(b.Count/uint64(div), 10))
			if err := c.row(append(slices.Clone(heads), "low", "high", "count"), row...); err != nil {
				return err
			}
		}
		return nil
	case event.AggStats:
		return c.row(append(heads, "count", "average", "total"), append(cells, strconv.FormatUint(e.Agg.Count, 10),
			number(e.Agg, average(e.Agg), div), number(e.Agg, e.Agg.Sum, div))...)
	}
	return c.row(append(heads, "value"), append(cells, strings.TrimSpace(scriptValue(p.Map.Kind, e.Agg, div)))...)
}

// bound leaves the open side of a bucket empty.
func bound(v int64) string {
	if v == math.MinInt64 || v == math.MaxInt64 {
		return ""
	}
	return strconv.FormatInt(v, 10)
}
