package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/event"
)

// Footer writes what a run's figures are worth: hits, what was lost and missed and why, what it cost. It goes to standard
// error. A line stands there only when there is something to say, the first one always.
func Footer(w io.Writer, s event.Stats, o Options) error {
	var b strings.Builder
	fmt.Fprintf(&b, "sonde: %s", count(s.Hits, "hit"))
	if s.Filtered > 0 {
		fmt.Fprintf(&b, ", %d filtered", s.Filtered)
	}
	if s.Events > 0 {
		fmt.Fprintf(&b, ", %s", count(s.Events, "event"))
	}
	fmt.Fprintf(&b, " in %s", Duration(s.Elapsed))
	if s.Cost > 0 {
		fmt.Fprintf(&b, "; added about %s", Duration(s.Cost))
		if s.Elapsed > 0 {
			fmt.Fprintf(&b, " (%s %% of one CPU)", digits(100*float64(s.Cost)/float64(s.Elapsed)))
		}
	}
	switch {
	case s.Stops > usualStops:
		fmt.Fprintf(&b, "; stopped the process %d times, for %s at most", s.Stops, Duration(s.Stopped))
	case s.Stopped > 0:
		fmt.Fprintf(&b, "; stopped the process for %s", Duration(s.Stopped))
	}
	b.WriteByte('\n')
	for _, loss := range Losses(s) {
		b.WriteString(o.Warning("sonde: "+loss) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// usualStops is how often a process is stopped that has few probes: to share memory with it, to put them in, to take them out.
const usualStops = 3

// Warning gives the text in the colour of what must not be overlooked, where there are colours.
func (o Options) Warning(text string) string { return o.in(yellow, text) }

// Losses says what of a run is not in its results, one sentence for each kind; none when everything is.
func Losses(s event.Stats) []string {
	var all []string
	for _, loss := range []struct {
		n    uint64
		text string
	}{
		{s.Lost, "lost " + count(s.Lost, "event") + causes(s.LostBy)},
		{s.MissedReturns, "missed " + count(s.MissedReturns, "return") + causes(s.MissedBy)},
		{s.Unfinished, count(s.Unfinished, "call") + " unfinished"},
		{s.Truncated, count(s.Truncated, "value") + " truncated"},
		{s.Unreadable, count(s.Unreadable, "value") + " unreadable"},
	} {
		if loss.n > 0 {
			all = append(all, loss.text)
		}
	}
	return all
}

// causes writes ": 5 ring full, 2 map full", the most frequent first.
func causes[K ~string](by map[K]uint64) string {
	var names []K
	for cause, n := range by {
		if n > 0 {
			names = append(names, cause)
		}
	}
	slices.SortFunc(names, func(a, b K) int {
		if by[a] != by[b] {
			return int(min(by[b], 1<<62)) - int(min(by[a], 1<<62))
		}
		return strings.Compare(string(a), string(b))
	})
	var parts []string
	for _, cause := range names {
		parts = append(parts, fmt.Sprintf("%d %s", by[cause], cause))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}
