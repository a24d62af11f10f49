package agg

import (
	"math"
	"math/bits"

	"github.com/sonde-project/sonde/event"
)

// Quantile gives the value below which the share q (0 to 1) of what was gathered lies: exact when it is all in one
// place, else interpolated inside the bucket that holds the rank, and never outside Min and Max.
func Quantile(a event.Aggregate, q float64) int64 {
	total := uint64(0)
	for _, b := range a.Buckets {
		total += b.Count
	}
	if total == 0 {
		return 0
	}
	rank, before := q*float64(total-1), uint64(0)
	for _, b := range a.Buckets {
		if rank < float64(before+b.Count) {
			return clamp(a, within(a, b, rank-float64(before)))
		}
		before += b.Count
	}
	return clamp(a, a.Buckets[len(a.Buckets)-1].High-1)
}

// within spreads a bucket's values evenly over it: value number rank of b.Count (from 0) sits in the middle of its share.
func within(a event.Aggregate, b event.Bucket, rank float64) int64 {
	low, high := bounds(a, b)
	share := min((rank+0.5)/float64(b.Count), 1)
	return low + int64(share*float64(high-low))
}

// bounds closes the open ends of the first and last bucket.
func bounds(a event.Aggregate, b event.Bucket) (low, high int64) {
	low, high = b.Low, b.High-1
	if low == math.MinInt64 {
		low = min(high, 0)
	}
	if b.High == math.MaxInt64 && !exact(a) {
		high = low
	}
	if exact(a) {
		low, high = max(low, a.Min), min(high, a.Max)
	}
	return low, max(low, high)
}

func exact(a event.Aggregate) bool { return a.Kind == event.AggQuantiles && a.Count > 0 }

func clamp(a event.Aggregate, v int64) int64 {
	if exact(a) {
		return min(max(v, a.Min), a.Max)
	}
	return v
}

// subBits is the resolution of buckets made here: 1<<subBits per power of two, an error of at most 6 %.
const subBits = 3

// bucketOf gives the log-linear bucket of a value: below 1<<subBits one each, above that 1<<subBits per power of two.
func bucketOf(v int64) (low, high int64) {
	if v < 1<<subBits {
		v = max(v, 0)
		return v, v + 1
	}
	shift := bits.Len64(uint64(v)) - 1 - subBits
	low = v >> shift << shift
	if high = low + 1<<shift; high < low {
		high = math.MaxInt64
	}
	return low, high
}

// PowersOfTwo merges buckets into [0], [1], [2, 4), [4, 8), ... with the empty ones between them, as histograms show them.
// A bucket that straddles a power of two goes where it begins.
func PowersOfTwo(buckets []event.Bucket) []event.Bucket {
	var merged []event.Bucket
	for _, b := range buckets {
		if b.Count == 0 {
			continue
		}
		low, high := power(b.Low)
		if n := len(merged); n > 0 && merged[n-1].Low == low {
			merged[n-1].Count += b.Count
			continue
		}
		for n := len(merged); n > 0 && merged[n-1].High < low && low > 0; n = len(merged) {
			l, h := power(merged[n-1].High)
			merged = append(merged, event.Bucket{Low: l, High: h})
		}
		merged = append(merged, event.Bucket{Low: low, High: high, Count: b.Count})
	}
	return merged
}

func power(v int64) (low, high int64) {
	switch {
	case v < 0:
		return math.MinInt64, 0
	case v == 0:
		return 0, 1
	}
	low = 1 << (bits.Len64(uint64(v)) - 1)
	if low == 1<<62 {
		return low, math.MaxInt64
	}
	return low, low * 2
}
