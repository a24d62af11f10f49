// Package live redraws a table of a running observation: on a terminal in place, with sort keys and a filter, elsewhere
// as one plain table after the other.
//
// In: a source of snapshots. Out: the screen, until the run ends or the user leaves. Invariant: the source is asked from one
// goroutine at a time. It must not know engines.
package live

import (
	"bufio"
	"context"
	"errors"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/term"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
	"github.com/sonde-project/sonde/internal/render"
)

// Source reads out the maps of the running script.
type Source func() (event.Snapshot, error)

// Options is how a live table begins.
type Options struct {
	render.Options
	Interval time.Duration // between two readings, 0 a second
	// Losses says what is not in the figures so far, a line for each kind; nil: nothing is known of it. It is asked while drawing.
	Losses func() []string
}

// losses are the lines that warn of them.
func (o Options) losses() []string {
	if o.Losses == nil {
		return nil
	}
	lines := o.Losses()
	for i, l := range lines {
		if o.Width > 0 {
			l = cut(l, o.Width)
		}
		lines[i] = o.Warning(l)
	}
	return lines
}

// Run shows what source gives until ctx ends, the source fails, or the user leaves with q or Ctrl-C; only the source's
// failure and a closed output are errors. When out is no terminal it prints a table every interval.
func Run(ctx context.Context, in, out *os.File, source Source, o Options) error {
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	if !Interactive(in, out) {
		return plain(ctx, out, source, o)
	}
	last, err := show(ctx, in, out, newScreen(source, o))
	if s, ok := last.(screen); ok && s.err != nil {
		return s.err
	}
	return err
}

// Interactive says whether a table can be drawn in place and answer to keys.
func Interactive(in, out *os.File) bool {
	return term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd()))
}

// show runs a model on a terminal until it quits or ctx ends.
func show(ctx context.Context, in, out *os.File, model tea.Model) (tea.Model, error) {
	last, err := tea.NewProgram(model, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler()).Run()
	if ctx.Err() != nil || errors.Is(err, tea.ErrInterrupted) {
		err = nil
	}
	return last, err
}

// plain prints tables one below the other, a line with the time above each.
func plain(ctx context.Context, out *os.File, source Source, o Options) error {
	t := newTable(o.Order)
	return printed(ctx, out, o, func() (time.Time, []string, error) {
		snapshot, err := source()
		if err != nil {
			return time.Time{}, nil, err
		}
		t.read(snapshot)
		return snapshot.Time, t.lines(o.Options), nil
	})
}

// printed prints what lines gives every interval, the head and as many rows as are wanted.
func printed(ctx context.Context, out *os.File, o Options, lines func() (time.Time, []string, error)) error {
	w := bufio.NewWriter(out)
	tick := time.NewTicker(o.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		at, lines, err := lines()
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			continue
		}
		if o.Top > 0 && len(lines) > o.Top+1 {
			lines = lines[:o.Top+1]
		}
		w.WriteString(at.Format("15:04:05") + "\n")
		for _, l := range append(lines, o.losses()...) {
			w.WriteString(l + "\n")
		}
		w.WriteString("\n")
		if err := w.Flush(); err != nil {
			return err
		}
	}
}

// table is the state of what is shown: the last reading, and how often each row was counted since the one before.
type table struct {
	last   event.Snapshot
	kind   event.AggKind
	rows   []agg.Row
	rates  map[string]float64
	order  agg.Order
	byRate bool
	filter string
}

func newTable(order agg.Order) table { return table{order: order} }

// read takes a snapshot; its first map that has a table is the one shown.
func (t *table) read(s event.Snapshot) {
	m, ok := shown(s)
	if !ok {
		return
	}
	t.rates = map[string]float64{}
	if !t.last.Time.IsZero() {
		if changed, ok := shown(agg.Diff(t.last, s)); ok {
			for _, row := range agg.Rows(changed) {
				t.rates[row.Name()] = agg.Rate(row.Agg.Count, t.last.Time, s.Time)
			}
		}
	}
	t.last, t.kind, t.rows = s, m.Kind, agg.Rows(m)
}

func shown(s event.Snapshot) (event.Map, bool) {
	for _, m := range s.Maps {
		if render.IsTable(m.Kind) {
			return m, true
		}
	}
	return event.Map{}, false
}

func (t *table) rate(row agg.Row) float64 { return t.rates[row.Name()] }
