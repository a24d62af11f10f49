package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
)

// QueryDetail gives all that is known of one statement, as lines: its digest whole, its figures, its slowest executions, when it ran,
// how long it took.
func QueryDetail(q *event.Query, o Options) []string {
	var lines []string
	for _, l := range wrap(StatementName(q)+mark(q), o.Width) {
		lines = append(lines, o.in(bold, l))
	}
	lines = append(append(lines, ""), figures(q)...)
	if len(q.Slowest) > 0 {
		lines = append(lines, "", "slowest")
	}
	for _, s := range q.Slowest {
		head := o
		head.Stamp = true
		text := strings.TrimSuffix(string(appendStatement([]byte("  "), s, head)), "\n")
		lines = append(lines, strings.Split(text, "\n")...)
	}
	if when := moments(agg.Fewer(q.Timeline, 20), o); len(when) > 0 {
		lines = append(append(lines, "", "when, by the time spent"), when...)
	}
	return append(append(lines, "", "how long"), latencies(q.Latency, o)...)
}

// figures are what the row of the table says, and what it has no room for.
func figures(q *event.Query) []string {
	text := q.System + "  " + count(q.Count, "call")
	if q.Errors > 0 {
		text += ", " + strconv.FormatUint(q.Errors, 10) + " failed"
	}
	if q.Rows >= 0 {
		text += ", " + count(uint64(q.Rows), "row")
	}
	lines := []string{text + ", " + Duration(time.Duration(q.Latency.Sum)) + " in all",
		quantiles("each", event.Quantiles{P50: q.P50, P95: q.P95, P99: q.P99, Max: time.Duration(q.Latency.Max)})}
	if q.FirstRow != nil {
		lines = append(lines, quantiles("first row", *q.FirstRow))
	}
	lines = append(lines, "from "+clean(strings.Join(q.Programs, ", "))+" "+pidList(q.PIDs))
	if q.Error != "" {
		lines = append(lines, "last error: "+clean(q.Error))
	}
	return lines
}

func quantiles(name string, t event.Quantiles) string {
	return fmt.Sprintf("%s: p50 %s, p95 %s, p99 %s, max %s", name, Duration(t.P50), Duration(t.P95), Duration(t.P99), Duration(t.Max))
}

func pidList(pids []int) string {
	words := make([]string, len(pids))
	for i, pid := range pids {
		words[i] = strconv.Itoa(pid)
	}
	if len(pids) >= manyPIDs {
		words = append(words, "...")
	}
	return "[" + strings.Join(words, " ") + "]"
}

// moments draws a timeline: a line per step with its calls and the time they took.
func moments(t event.Timeline, o Options) []string {
	buckets := make([]event.Bucket, len(t.Steps))
	for i, s := range t.Steps {
		buckets[i] = event.Bucket{Low: int64(i), High: int64(i + 1), Count: uint64(s.Sum)}
	}
	return barLines(buckets, func(b event.Bucket) string {
		return t.Start.In(o.zone()).Add(time.Duration(b.Low) * t.Step).Format(ClockOf(t.Step))
	}, func(b event.Bucket) string {
		return fmt.Sprintf("%8d %7s", t.Steps[b.Low].Count, Duration(time.Duration(b.Count)))
	}, "  ", o)
}

// ClockOf is the layout of a clock that tells steps of this length apart.
func ClockOf(step time.Duration) string {
	switch {
	case step < time.Second:
		return "15:04:05.00"
	case step < time.Hour:
		return "15:04:05"
	}
	return "Jan _2 15:04"
}

// wrap breaks text between words into lines that fit.
func wrap(text string, width int) []string {
	if width <= 0 {
		return []string{text}
	}
	var lines []string
	runes := []rune(text)
	for len(runes) > width {
		at := width
		for at > width/2 && runes[at] != ' ' {
			at--
		}
		if runes[at] != ' ' {
			at = width
		}
		lines = append(lines, string(runes[:at]))
		runes = []rune(strings.TrimLeft(string(runes[at:]), " "))
	}
	return append(lines, string(runes))
}
