package page

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
	"github.com/sonde-project/sonde/internal/render"
)

// chart is a small bar chart, drawn as one path in a box of chartWidth by chartHeight.
type chart struct {
	Path              string
	Left, Right, Most string // labels of the axes
}

const (
	chartWidth  = 480
	chartHeight = 64
)

// bars draws heights side by side, the highest over the whole box.
func bars(heights []float64) string {
	most := 0.0
	for _, h := range heights {
		most = max(most, h)
	}
	var b strings.Builder
	width := float64(chartWidth) / float64(max(len(heights), 12))
	for i, h := range heights {
		if h <= 0 {
			continue
		}
		high := max(h/most*chartHeight, 1)
		b.WriteString("M" + place(float64(i)*width) + " " + strconv.Itoa(chartHeight) + "v-" + place(high) + "h" + place(width-1) + "V" + strconv.Itoa(chartHeight) + "z")
	}
	return b.String()
}

// place is a coordinate to a tenth.
func place(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// when shows the time spent, step by step.
func (p *Page) when(t event.Timeline) chart {
	t = agg.Fewer(t, 60)
	heights, most := make([]float64, len(t.Steps)), time.Duration(0)
	for i, s := range t.Steps {
		heights[i], most = float64(s.Sum), max(most, s.Sum)
	}
	if most == 0 {
		return chart{}
	}
	clock := render.ClockOf(t.Step)
	return chart{Path: bars(heights), Most: "time spent, at most " + render.Duration(most) + " in " + render.Duration(t.Step),
		Left: t.Start.In(p.o.Zone).Format(clock), Right: t.Start.In(p.o.Zone).Add(time.Duration(max(len(t.Steps), 12)) * t.Step).Format(clock)}
}

// howLong shows how many took how long, in powers of two.
func howLong(a event.Aggregate) chart {
	buckets := agg.PowersOfTwo(a.Buckets)
	if len(buckets) == 0 {
		return chart{}
	}
	heights, most := make([]float64, len(buckets)), uint64(0)
	for i, b := range buckets {
		heights[i], most = float64(b.Count), max(most, b.Count)
	}
	right := max(buckets[0].Low, 1) << min(max(len(buckets), 12), 62-bitsOf(buckets[0].Low))
	return chart{Path: bars(heights), Most: "how long, at most " + strconv.FormatUint(most, 10) + " alike",
		Left: render.Duration(time.Duration(buckets[0].Low)), Right: render.Duration(time.Duration(right))}
}

func bitsOf(n int64) int {
	bits := 0
	for ; n > 1; n >>= 1 {
		bits++
	}
	return bits
}

// overTime is the chart of the whole run: for each step the time spent in the statements that took the most, on top of each other.
type overTime struct {
	Bars              []box
	Legend            []legend
	Left, Right, Most string
}

type box struct {
	X, Y, W, H string
	Series     int
	Title      string
}

type legend struct {
	Series int
	Name   string
}

const (
	overWidth  = 960
	overHeight = 160
	ownColours = 6 // statements with a colour of their own; all others share the next
)

func (p *Page) overTime(queries []*event.Query) (o overTime) {
	series := stack(queries)
	if len(series) == 0 {
		return o
	}
	whole := event.Timeline{}
	for _, s := range series {
		whole = together(whole, s.timeline)
	}
	most := time.Duration(1)
	for _, s := range whole.Steps {
		most = max(most, s.Sum)
	}
	n := max(len(whole.Steps), 12)
	width := float64(overWidth) / float64(n)
	clock, begin := render.ClockOf(whole.Step), whole.Start.In(p.o.Zone)
	o.Left, o.Right = begin.Format(clock), begin.Add(time.Duration(n)*whole.Step).Format(clock)
	o.Most = render.Duration(most) + " in " + render.Duration(whole.Step)
	below := make([]time.Duration, len(whole.Steps))
	for i, s := range series {
		o.Legend = append(o.Legend, legend{i, s.name})
		for k, step := range s.timeline.Steps {
			if step.Sum == 0 {
				continue
			}
			below[k] += step.Sum
			up := func(d time.Duration) float64 { return float64(d) / float64(most) * overHeight }
			o.Bars = append(o.Bars, box{X: place(float64(k) * width), Y: place(overHeight - up(below[k])), W: place(width - 1), H: place(max(up(step.Sum), 0.1)), Series: i,
				Title: begin.Add(time.Duration(k)*whole.Step).Format(clock) + "  " + render.Duration(step.Sum) + " in " + strconv.FormatUint(step.Count, 10) + " calls of " + s.name})
		}
	}
	return o
}

// series is one colour of the chart of the run.
type series struct {
	name     string
	timeline event.Timeline
}

func stack(queries []*event.Query) []series {
	var all []series
	rest := series{name: "all others"}
	for _, q := range queries {
		t := q.Timeline
		switch {
		case len(t.Steps) == 0:
		case len(all) < ownColours && q.Others == 0:
			all = append(all, series{cut(render.StatementName(q), 100), t})
		default:
			rest.timeline = together(rest.timeline, t)
		}
	}
	if len(rest.timeline.Steps) > 0 {
		all = append(all, rest)
	}
	return all
}

// share is a bar of the chart of statements: how much of the time is whose.
type share struct {
	Name, Total, Percent, Width string
	ID                          int
}

func shares(queries []*event.Query) []share {
	var sum, most int64
	for _, q := range queries {
		sum += q.Latency.Sum
		most = max(most, q.Latency.Sum)
	}
	var all []share
	for i, q := range queries {
		if i == 10 || most == 0 {
			break
		}
		all = append(all, share{ID: i, Name: cut(render.StatementName(q), 110), Total: render.Duration(time.Duration(q.Latency.Sum)),
			Percent: strconv.FormatFloat(100*float64(q.Latency.Sum)/float64(sum), 'f', 1, 64) + " %", Width: place(float64(q.Latency.Sum) / float64(most) * 200)})
	}
	return all
}
