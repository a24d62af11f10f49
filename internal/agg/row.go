// Package agg turns events into tables, histograms, call trees and their order.
//
// In: events and snapshots. Out: rows, sorted as asked, and calls in the order in which they began. Invariant: nothing is
// made up: a percentile lies inside the bucket it came from and between the exact minimum and maximum. It must not print
// and must not know where events come from.
package agg

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
)

// Row is one line of a table: a function, or another key, with what was gathered under it.
type Row struct {
	Function event.FunctionRef // zero when the map is not keyed by function
	By       []Part            // the key's other parts
	Agg      event.Aggregate
}

// Part is a named part of a key.
type Part struct {
	Name  string
	Value event.Value
}

// Rows gives the entries of a map as rows, in no order. The part that names the function goes to Row.Function.
func Rows(m event.Map) []Row {
	rows := make([]Row, 0, len(m.Entries))
	for _, e := range m.Entries {
		row := Row{Agg: e.Agg}
		for i, v := range e.Key {
			if i == 0 && e.Function != nil {
				row.Function = *e.Function
				continue
			}
			row.By = append(row.By, Part{Name: partName(m, i), Value: v})
		}
		rows = append(rows, row)
	}
	return rows
}

func partName(m event.Map, i int) string {
	if i < len(m.Keys) {
		return m.Keys[i]
	}
	return fmt.Sprintf("key%d", i)
}

// Name is what a row is called in messages and ties: function and keys.
func (r Row) Name() string {
	var text strings.Builder
	text.WriteString(r.Function.Function)
	text.WriteString(r.Function.Target)
	for _, p := range r.By {
		text.WriteByte(0)
		text.WriteString(KeyText(p.Value))
	}
	return text.String()
}

// Average is the mean of what was gathered, 0 for nothing.
func (r Row) Average() time.Duration {
	if r.Agg.Count == 0 {
		return 0
	}
	return time.Duration(r.Agg.Sum / int64(r.Agg.Count))
}

// Order says by what rows are sorted, largest first; names ascend.
type Order uint8

const (
	ByCount Order = iota
	ByTotal
	ByAverage
	ByP50
	ByP90
	ByP99
	ByMax
	ByName
)

var orderNames = [...]string{"count", "total", "avg", "p50", "p90", "p99", "max", "name"}

// String gives the name that ParseOrder reads.
func (o Order) String() string { return orderNames[o] }

// ParseOrder reads a column's name.
func ParseOrder(name string) (Order, error) {
	if i := slices.Index(orderNames[:], name); i >= 0 {
		return Order(i), nil
	}
	return 0, fmt.Errorf("sort by %q: not one of %s", name, strings.Join(orderNames[:], ", "))
}

// Sort orders rows in place; equal rows by name, so that two runs print alike.
func Sort(rows []Row, by Order) {
	slices.SortStableFunc(rows, func(a, b Row) int {
		if by != ByName {
			if c := cmp.Compare(b.weight(by), a.weight(by)); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.Name(), b.Name())
	})
}

// Top sorts rows and keeps the first n; 0 keeps all.
func Top(rows []Row, by Order, n int) []Row {
	Sort(rows, by)
	if n > 0 && len(rows) > n {
		return rows[:n]
	}
	return rows
}

func (r Row) weight(by Order) int64 {
	switch by {
	case ByTotal:
		return r.Agg.Sum
	case ByAverage:
		return int64(r.Average())
	case ByP50:
		return Quantile(r.Agg, 0.5)
	case ByP90:
		return Quantile(r.Agg, 0.9)
	case ByP99:
		return Quantile(r.Agg, 0.99)
	case ByMax:
		return r.Agg.Max
	}
	return Weight(r.Agg)
}

// Weight is the number that a map's entries are compared by: the count of what is counted, the value of what is stored.
func Weight(a event.Aggregate) int64 {
	switch a.Kind {
	case event.AggValue:
		return scalar(a.Value)
	case event.AggSum:
		return a.Sum
	case event.AggMin:
		return a.Min
	case event.AggMax:
		return a.Max
	case event.AggAvg, event.AggStats:
		return int64(Row{Agg: a}.Average())
	}
	return int64(min(a.Count, 1<<63-1))
}

func scalar(v event.Value) int64 {
	switch v.Kind {
	case event.KindUint, event.KindBool, event.KindPointer, event.KindFlags:
		return int64(min(v.Uint, 1<<63-1))
	case event.KindFloat:
		return int64(v.Float)
	}
	return v.Int
}

// KeyText spells a value so that equal values, and only those, spell alike.
func KeyText(v event.Value) string {
	switch v.Kind {
	case event.KindString, event.KindBytes, event.KindAddress:
		return v.Str
	case event.KindStack:
		var text strings.Builder
		for _, f := range v.Frames {
			fmt.Fprintf(&text, "%x ", f.PC)
		}
		return text.String()
	case event.KindFloat:
		return fmt.Sprint(v.Float)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d %d %s%s", v.Int, v.Uint, v.Str, v.Problem)
	for _, f := range v.Fields {
		text.WriteByte(1)
		text.WriteString(KeyText(f.Value))
	}
	return text.String()
}
