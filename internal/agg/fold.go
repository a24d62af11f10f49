package agg

import (
	"slices"
	"time"

	"github.com/sonde-project/sonde/event"
)

// Fold gathers calls into one map per question, in the form that engines hand out maps, so that tables need not know who
// counted. It serves engines that only deliver calls, and recordings.
type Fold struct {
	keys    []string
	part    func(c *event.Call) []event.Value
	entries map[string]*folded
}

type folded struct {
	entry   event.Entry
	buckets map[int64]uint64 // by low bound
}

// NewFold keys by function and, when part is not nil, by what part says of a call; keys names those parts.
func NewFold(keys []string, part func(c *event.Call) []event.Value) *Fold {
	return &Fold{keys: append([]string{"func"}, keys...), part: part, entries: map[string]*folded{}}
}

// Add counts a call. Its duration counts when it ended.
func (f *Fold) Add(c *event.Call) {
	e := f.entry(c)
	a := &e.entry.Agg
	a.Count++
	if !c.Outcome.Ended() {
		return
	}
	ns := int64(c.Duration)
	if len(e.buckets) == 0 {
		a.Min, a.Max = ns, ns
	}
	a.Sum += ns
	a.Min, a.Max = min(a.Min, ns), max(a.Max, ns)
	low, _ := bucketOf(ns)
	e.buckets[low]++
}

func (f *Fold) entry(c *event.Call) *folded {
	key := []event.Value{event.String(c.Function)}
	if f.part != nil {
		key = append(key, f.part(c)...)
	}
	name := c.Target
	for _, v := range key {
		name += "\x00" + KeyText(v)
	}
	e := f.entries[name]
	if e == nil {
		ref := &event.FunctionRef{Target: c.Target, Function: c.Function, Language: c.Language}
		e = &folded{entry: event.Entry{Key: key, Function: ref}, buckets: map[int64]uint64{}}
		f.entries[name] = e
	}
	return e
}

// Counts is how often each key was called.
func (f *Fold) Counts() event.Map { return f.read(event.AggCount) }

// Latencies is how long the ended calls of each key took.
func (f *Fold) Latencies() event.Map { return f.read(event.AggQuantiles) }

func (f *Fold) read(kind event.AggKind) event.Map {
	m := event.Map{Kind: kind, Keys: f.keys}
	for _, e := range f.entries {
		entry := e.entry
		entry.Agg.Kind = kind
		if kind == event.AggCount {
			entry.Agg = event.Aggregate{Kind: kind, Count: entry.Agg.Count}
		} else {
			entry.Agg.Buckets, entry.Agg.Count = ascending(e.buckets)
			if entry.Agg.Count == 0 {
				continue
			}
		}
		m.Entries = append(m.Entries, entry)
	}
	return m
}

// ascending lays buckets side by side, with the empty ones between them, and sums them up.
func ascending(counts map[int64]uint64) (buckets []event.Bucket, total uint64) {
	var lows []int64
	for low, count := range counts {
		lows, total = append(lows, low), total+count
	}
	if total == 0 {
		return nil, 0
	}
	slices.Sort(lows)
	for low, last := lows[0], lows[len(lows)-1]; low <= last; {
		_, high := bucketOf(low)
		buckets = append(buckets, event.Bucket{Low: low, High: high, Count: counts[low]})
		low = high
	}
	return buckets, total
}

// Diff is what was gathered between two snapshots of one run. Entries that did not change are left out, values that are
// not sums (last value, minimum, maximum) are those of the later one. A map that was cleared in between counts from zero.
func Diff(before, after event.Snapshot) event.Snapshot {
	old := map[string]event.Aggregate{}
	for _, m := range before.Maps {
		for _, e := range m.Entries {
			old[entryName(m, e)] = e.Agg
		}
	}
	diff := event.Snapshot{Time: after.Time}
	for _, m := range after.Maps {
		changed := m
		changed.Entries = nil
		for _, e := range m.Entries {
			e.Agg = subtract(e.Agg, old[entryName(m, e)])
			if e.Agg.Count > 0 || m.Kind == event.AggValue || m.Kind == event.AggSum && e.Agg.Sum != 0 ||
				m.Kind == event.AggMin || m.Kind == event.AggMax {
				changed.Entries = append(changed.Entries, e)
			}
		}
		diff.Maps = append(diff.Maps, changed)
	}
	return diff
}

// Rate is a count gathered between two snapshots, per second.
func Rate(count uint64, before, after time.Time) float64 {
	if !after.After(before) {
		return 0
	}
	return float64(count) / after.Sub(before).Seconds()
}

func entryName(m event.Map, e event.Entry) string {
	name := m.Name
	if e.Function != nil {
		name += "\x00" + e.Function.Target
	}
	for _, v := range e.Key {
		name += "\x00" + KeyText(v)
	}
	return name
}

func subtract(a, b event.Aggregate) event.Aggregate {
	if b.Count > a.Count || a.Kind == event.AggValue || a.Kind == event.AggMin || a.Kind == event.AggMax {
		return a
	}
	a.Count -= b.Count
	a.Sum -= b.Sum
	was := map[int64]uint64{}
	for _, bucket := range b.Buckets {
		was[bucket.Low] = bucket.Count
	}
	var left []event.Bucket
	for _, bucket := range a.Buckets {
		bucket.Count -= min(was[bucket.Low], bucket.Count)
		if bucket.Count > 0 || len(left) > 0 {
			left = append(left, bucket)
		}
	}
	for len(left) > 0 && left[len(left)-1].Count == 0 {
		left = left[:len(left)-1]
	}
	a.Buckets = left
	return a
}
