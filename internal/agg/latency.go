package agg

import "github.com/sonde-project/sonde/event"

// Latency gathers times one by one. The zero value is empty.
type Latency struct {
	count, sum, min, max int64
	buckets              map[int64]uint64 // by low bound
}

// Add counts a time in nanoseconds.
func (l *Latency) Add(ns int64) {
	if l.count == 0 {
		l.min, l.max, l.buckets = ns, ns, map[int64]uint64{}
	}
	l.count++
	l.sum += ns
	l.min, l.max = min(l.min, ns), max(l.max, ns)
	low, _ := bucketOf(ns)
	l.buckets[low]++
}

// Aggregate is what was gathered, as quantiles.
func (l *Latency) Aggregate() event.Aggregate {
	a := event.Aggregate{Kind: event.AggQuantiles, Signed: true, Sum: l.sum, Min: l.min, Max: l.max}
	a.Buckets, a.Count = ascending(l.buckets)
	return a
}

// Merge adds what from gathered.
func (l *Latency) Merge(from *Latency) {
	switch {
	case from.count == 0:
		return
	case l.count == 0:
		l.min, l.max, l.buckets = from.min, from.max, map[int64]uint64{}
	}
	l.count += from.count
	l.sum += from.sum
	l.min, l.max = min(l.min, from.min), max(l.max, from.max)
	for low, n := range from.buckets {
		l.buckets[low] += n
	}
}

// Sum is the sum of all times.
func (l *Latency) Sum() int64 { return l.sum }
