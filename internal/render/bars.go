package render

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
)

// barWidth is how long the longest bar of a histogram is where the line has room for it.
const barWidth = 52

// bars draws buckets as lines "[2, 4)   12 |@@@@   |", the fullest bucket over the whole width. indent goes before each.
func bars(buckets []event.Bucket, label func(event.Bucket) string, indent string, o Options) []string {
	return barLines(buckets, label, func(b event.Bucket) string { return fmt.Sprintf("%8d", b.Count) }, indent, o)
}

// barLines is bars with a figure of one's own before each bar.
func barLines(buckets []event.Bucket, label, figure func(event.Bucket) string, indent string, o Options) []string {
	most, widest := uint64(1), 16
	for _, b := range buckets {
		most = max(most, b.Count)
		widest = max(widest, utf8.RuneCountInString(label(b)))
	}
	width := barWidth
	lines := make([]string, len(buckets))
	for i, b := range buckets {
		number := figure(b)
		if o.Width > 0 {
			width = min(width, max(o.Width-len(indent)-widest-len(number)-4, 8))
		}
		full := int(float64(b.Count) / float64(most) * float64(width))
		bar := strings.Repeat("@", full) + strings.Repeat(" ", width-full)
		lines[i] = fmt.Sprintf("%s%-*s %s |%s|", indent, widest, label(b), number, o.in(cyan, bar))
	}
	return lines
}

// numberLabel names a bucket of numbers: [0], [2, 4), [512, 1K), (..., 0), [100, ...).
func numberLabel(b event.Bucket) string {
	switch {
	case b.Low == math.MinInt64:
		return "(..., " + binary(b.High) + ")"
	case b.High == math.MaxInt64:
		return "[" + binary(b.Low) + ", ...)"
	case b.High-b.Low == 1:
		return "[" + binary(b.Low) + "]"
	}
	return "[" + binary(b.Low) + ", " + binary(b.High) + ")"
}

// timeLabel names a bucket of nanoseconds.
func timeLabel(b event.Bucket) string {
	low := Duration(time.Duration(max(b.Low, 0)))
	if b.High == math.MaxInt64 {
		return "[" + low + ", ...)"
	}
	return "[" + low + ", " + Duration(time.Duration(b.High)) + ")"
}

// latencies draws the durations of one row.
func latencies(a event.Aggregate, o Options) []string {
	return bars(agg.PowersOfTwo(a.Buckets), timeLabel, "  ", o)
}
