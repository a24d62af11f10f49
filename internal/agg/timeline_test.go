package agg

import (
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
)

// However long a run is, its timeline keeps every execution, in a bounded number of steps.
func TestATimelineStretchesAndLosesNothing(t *testing.T) {
	start := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for _, length := range []time.Duration{time.Millisecond, 3 * time.Second, 7 * time.Minute, 50 * time.Hour, 1000 * 24 * time.Hour} {
		var clock Timelines
		var busy, early, all Timeline
		const n = 1000
		clock.Add(&early, start, time.Millisecond, true)
		for i := range n {
			clock.Add(&busy, start.Add(length/n*time.Duration(i)), time.Millisecond, false)
		}
		got := clock.Read(&busy)
		if len(got.Steps) > keptSteps {
			t.Errorf("%v: %d steps", length, len(got.Steps))
		}
		if end := start.Add(got.Step * time.Duration(len(got.Steps))); end.Before(start.Add(length - length/n)) {
			t.Errorf("%v: %d steps of %v end too early", length, len(got.Steps), got.Step)
		}
		if sum := total(got); sum.Count != n || sum.Sum != n*time.Millisecond || sum.Max != time.Millisecond || sum.Errors != 0 {
			t.Errorf("%v: %+v", length, sum)
		}
		first := clock.Read(&early)
		if first.Step != got.Step || !first.Start.Equal(got.Start) || len(first.Steps) != 1 || first.Steps[0].Errors != 1 {
			t.Errorf("%v: the early one is %+v", length, first)
		}
		clock.Merge(&all, &busy)
		clock.Merge(&all, &early)
		if sum := total(clock.Read(&all)); sum.Count != n+1 || sum.Errors != 1 {
			t.Errorf("%v: merged %+v", length, sum)
		}
		if few := Fewer(got, 7); len(few.Steps) > 7 || total(few) != total(got) {
			t.Errorf("%v: fewer are %+v", length, few)
		}
	}
}

func total(t event.Timeline) (sum event.Step) {
	for _, s := range t.Steps {
		join(&sum, s)
	}
	return sum
}

// Each length of a step is a multiple of the one before, or joining them would put executions into the wrong one.
func TestStepLengthsAreMultiples(t *testing.T) {
	for i := 1; i < len(stepLengths); i++ {
		if stepLengths[i]%stepLengths[i-1] != 0 {
			t.Errorf("%v after %v", stepLengths[i], stepLengths[i-1])
		}
	}
}
