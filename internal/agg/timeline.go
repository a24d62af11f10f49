package agg

import (
	"slices"
	"time"

	"github.com/sonde-project/sonde/event"
)

// Timelines is the clock that timelines of one run share: where they start and how long their steps are. The zero value is ready.
type Timelines struct {
	start time.Time
	step  int // index into stepLengths
}

// Timeline gathers what ended when. The zero value is empty.
type Timeline struct {
	step  int
	steps []event.Step
}

// stepLengths are the lengths that steps take as a run goes on, each a multiple of the one before, so that steps can be joined.
var stepLengths = [...]time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour,
	24 * time.Hour, 7 * 24 * time.Hour, 700 * 24 * time.Hour}

// keptSteps bounds a timeline: when a run has more, steps get longer.
const keptSteps = 120

// Add counts in t what began and took so long; failed when it failed.
func (c *Timelines) Add(t *Timeline, began time.Time, took time.Duration, failed bool) {
	if c.start.IsZero() {
		c.start = began
	}
	since := max(began.Add(took).Sub(c.start), 0)
	for since/stepLengths[c.step] >= keptSteps && c.step < len(stepLengths)-1 {
		c.step++
	}
	t.stretch(c.step)
	at := min(int(since/stepLengths[c.step]), keptSteps-1)
	t.reach(at)
	one := event.Step{Count: 1, Sum: took, Max: took}
	if failed {
		one.Errors = 1
	}
	join(&t.steps[at], one)
}

// Merge adds what from gathered.
func (c *Timelines) Merge(t, from *Timeline) {
	t.stretch(c.step)
	from.stretch(c.step)
	t.reach(len(from.steps) - 1)
	for i, s := range from.steps {
		join(&t.steps[i], s)
	}
}

// Read gives what was gathered.
func (c *Timelines) Read(t *Timeline) event.Timeline {
	t.stretch(c.step)
	return event.Timeline{Start: c.start, Step: stepLengths[c.step], Steps: slices.Clone(t.steps)}
}

// reach makes step number at exist.
func (t *Timeline) reach(at int) {
	if n := at + 1 - len(t.steps); n > 0 {
		t.steps = append(t.steps, make([]event.Step, n)...)
	}
}

// stretch joins steps until they are as long as the clock's.
func (t *Timeline) stretch(step int) {
	if t.step >= step {
		return
	}
	times := int(stepLengths[step] / stepLengths[t.step])
	joined := make([]event.Step, (len(t.steps)+times-1)/times)
	for i, s := range t.steps {
		join(&joined[i/times], s)
	}
	t.step, t.steps = step, joined
}

func join(to *event.Step, s event.Step) {
	to.Count += s.Count
	to.Errors += s.Errors
	to.Sum += s.Sum
	to.Max = max(to.Max, s.Max)
}

// Fewer joins the steps of a timeline until there are at most so many.
func Fewer(t event.Timeline, most int) event.Timeline {
	times := (len(t.Steps) + most - 1) / most
	if times <= 1 {
		return t
	}
	joined := make([]event.Step, (len(t.Steps)+times-1)/times)
	for i, s := range t.Steps {
		join(&joined[i/times], s)
	}
	return event.Timeline{Start: t.Start, Step: t.Step * time.Duration(times), Steps: joined}
}
