package render

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
)

// scriptMap gives the lines of a map as a script prints it: "@name[key]: value", smallest first, histograms below their key.
func scriptMap(p *event.MapPrint, o Options) []string {
	var lines []string
	for _, e := range sortedEntries(p) {
		lines = append(lines, scriptEntry(mapName(p.Map), p.Map.Kind, e, max(p.Div, 1), o)...)
	}
	return lines
}

// mapName is the name as the script has it: "@" and what follows.
func mapName(m event.Map) string { return "@" + strings.TrimPrefix(m.Name, "@") }

// sortedEntries are the entries to print, the smallest value first: of a print with a limit, those with the largest values.
func sortedEntries(p *event.MapPrint) []event.Entry {
	entries := slices.Clone(p.Map.Entries)
	slices.SortStableFunc(entries, func(a, b event.Entry) int {
		return cmp.Or(cmp.Compare(entryWeight(a), entryWeight(b)), compareKeys(a.Key, b.Key))
	})
	if p.Top > 0 && len(entries) > p.Top {
		return entries[len(entries)-p.Top:]
	}
	return entries
}

func scriptEntry(name string, kind event.AggKind, e event.Entry, div int64, o Options) []string {
	head := clean(name) + scriptKey(e.Key) + ":"
	switch kind {
	case event.AggHist, event.AggLhist, event.AggQuantiles:
		buckets := slices.Clone(e.Agg.Buckets)
		for i := range buckets {
			buckets[i].Count /= uint64(div)
		}
		lines := append([]string{head}, bars(buckets, numberLabel, "", o)...)
		return append(lines, "")
	}
	return []string{head + " " + scriptValue(kind, e.Agg, div)}
}

func scriptValue(kind event.AggKind, a event.Aggregate, div int64) string {
	switch kind {
	case event.AggCount:
		return strconv.FormatUint(a.Count/uint64(div), 10)
	case event.AggSum:
		return number(a, a.Sum, div)
	case event.AggMin:
		return number(a, a.Min, div)
	case event.AggMax:
		return number(a, a.Max, div)
	case event.AggAvg:
		return number(a, average(a), div)
	case event.AggStats:
		return fmt.Sprintf("count %d, average %s, total %s", a.Count, number(a, average(a), div), number(a, a.Sum, div))
	}
	return plain(divided(a.Value, div))
}

func divided(v event.Value, div int64) event.Value {
	if div > 1 && numeric(v) {
		v.Int /= div
		v.Uint /= uint64(div)
	}
	return v
}

func average(a event.Aggregate) int64 {
	switch {
	case a.Count == 0:
		return 0
	case a.Signed:
		return a.Sum / int64(a.Count)
	}
	return int64(uint64(a.Sum) / a.Count)
}

// number divides and writes a sum with the sign of its expression.
func number(a event.Aggregate, v, div int64) string {
	if a.Signed {
		return strconv.FormatInt(v/div, 10)
	}
	return strconv.FormatUint(uint64(v)/uint64(div), 10)
}

// scriptKey writes "[ls, 3]", "" for a map without key; stacks stand on lines of their own.
func scriptKey(key []event.Value) string {
	if len(key) == 0 {
		return ""
	}
	parts := make([]string, len(key))
	for i, v := range key {
		parts[i] = scriptPart(v)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func scriptPart(v event.Value) string {
	if v.Kind != event.KindStack {
		return plain(v)
	}
	var b strings.Builder
	b.WriteByte('\n')
	for i := range v.Frames {
		b.WriteString("    " + clean(v.Frames[i].String()) + "\n")
	}
	return b.String()
}

// entryWeight is what entries are sorted by. Within a map all are signed or none is; signed ones move up by half the range.
func entryWeight(e event.Entry) uint64 {
	w := uint64(agg.Weight(e.Agg))
	switch e.Agg.Kind {
	case event.AggSum, event.AggMin, event.AggMax:
		if !e.Agg.Signed {
			return w
		}
	case event.AggCount, event.AggHist, event.AggLhist, event.AggQuantiles:
		return w
	}
	return w ^ 1<<63
}

// compareKeys orders equal values by key, numbers as numbers.
func compareKeys(a, b []event.Value) int {
	for i := range min(len(a), len(b)) {
		if numeric(a[i]) && numeric(b[i]) {
			if c := cmp.Compare(int64(a[i].Bits()), int64(b[i].Bits())); c != 0 {
				return c
			}
			continue
		}
		if c := cmp.Compare(agg.KeyText(a[i]), agg.KeyText(b[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}
