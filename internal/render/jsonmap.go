package render

import (
	"math"

	"github.com/sonde-project/sonde/event"
)

// jsonMap is a map that a script printed; which members an entry has follows from the map's kind.
type jsonMap struct {
	Type    string      `json:"type"`
	Map     string      `json:"map"`
	Kind    string      `json:"kind"`
	Keys    []string    `json:"keys,omitempty"`
	Entries []jsonEntry `json:"entries"`
}

type jsonEntry struct {
	Key     []event.Value `json:"key,omitempty"`
	Target  string        `json:"target,omitempty"`
	Value   *event.Value  `json:"value,omitempty"`
	Count   *event.Value  `json:"count,omitempty"`
	Sum     *event.Value  `json:"sum,omitempty"`
	Average *event.Value  `json:"average,omitempty"`
	Buckets []jsonRange   `json:"buckets,omitempty"`
}

// jsonRange is a bucket of values v with ge <= v < lt; a side that is open is left out.
type jsonRange struct {
	AtLeast *event.Value `json:"ge,omitempty"`
	Below   *event.Value `json:"lt,omitempty"`
	Count   event.Value  `json:"count"`
}

// kindNames are the script's names of what maps hold, by event.AggKind.
var kindNames = [...]string{"value", "count", "sum", "avg", "min", "max", "stats", "hist", "lhist", "quantiles"}

func newMap(p *event.MapPrint) jsonMap {
	m := jsonMap{Type: "map", Map: mapName(p.Map), Kind: kindNames[p.Map.Kind], Keys: p.Map.Keys, Entries: []jsonEntry{}}
	entries := sortedEntries(p)
	for i := len(entries) - 1; i >= 0; i-- { // programs read the largest first, as in every other table
		m.Entries = append(m.Entries, newEntry(p.Map.Kind, entries[i], max(p.Div, 1)))
	}
	return m
}

func newEntry(kind event.AggKind, e event.Entry, div int64) jsonEntry {
	out := jsonEntry{Key: e.Key}
	if e.Function != nil {
		out.Target = e.Function.Target
	}
	number := func(v int64) *event.Value {
		n := event.Uint(uint64(v) / uint64(div))
		if e.Agg.Signed {
			n = event.Int(v / div)
		}
		return &n
	}
	counted := event.Uint(e.Agg.Count)
	switch kind {
	case event.AggValue:
		v := divided(e.Agg.Value, div)
		out.Value = &v
	case event.AggCount:
		counted.Uint /= uint64(div)
		out.Count = &counted
	case event.AggSum:
		out.Value = number(e.Agg.Sum)
	case event.AggMin:
		out.Value = number(e.Agg.Min)
	case event.AggMax:
		out.Value = number(e.Agg.Max)
	default:
		out.Count, out.Sum, out.Average = &counted, number(e.Agg.Sum), number(average(e.Agg))
		out.Buckets = ranges(e.Agg.Buckets, div)
	}
	return out
}

func ranges(buckets []event.Bucket, div int64) []jsonRange {
	var out []jsonRange
	for _, b := range buckets {
		r := jsonRange{Count: event.Uint(b.Count / uint64(div))}
		if b.Low != math.MinInt64 {
			low := event.Int(b.Low)
			r.AtLeast = &low
		}
		if b.High != math.MaxInt64 {
			high := event.Int(b.High)
			r.Below = &high
		}
		out = append(out, r)
	}
	return out
}
