package live

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/render"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// at is a reading n seconds after noon: malloc counts 10 a second, free 1, both from a start of their own.
func at(n int) event.Snapshot {
	entry := func(name string, count int) event.Entry {
		return event.Entry{Key: []event.Value{event.String(name)}, Function: &event.FunctionRef{Target: "/lib/libc.so.6", Function: name},
			Agg: event.Aggregate{Kind: event.AggCount, Count: uint64(count)}}
	}
	return event.Snapshot{Time: noon.Add(time.Duration(n) * time.Second), Maps: []event.Map{
		{Name: "other", Kind: event.AggHist},
		{Kind: event.AggCount, Keys: []string{"func"}, Entries: []event.Entry{entry("malloc", 10*n), entry("free", 1000+n), entry("calloc", 3)}}}}
}

// shownAfter drives the screen: readings and keys, and what it shows then, without blanks at the ends of lines.
func shownAfter(t *testing.T, o Options, steps ...any) string {
	t.Helper()
	var model tea.Model = newScreen(nil, o)
	for _, step := range steps {
		switch step := step.(type) {
		case int:
			model, _ = model.Update(read{snapshot: at(step)})
		case tea.Msg:
			model, _ = model.Update(step)
		}
	}
	return model.(screen).View().Content
}

func key(text string) tea.KeyPressMsg {
	switch text {
	case "enter":
		return tea.KeyPressMsg{Code: tea.KeyEnter}
	case "esc":
		return tea.KeyPressMsg{Code: tea.KeyEscape}
	case "backspace":
		return tea.KeyPressMsg{Code: tea.KeyBackspace}
	case "down":
		return tea.KeyPressMsg{Code: tea.KeyDown}
	}
	return tea.KeyPressMsg{Code: rune(text[0]), Text: text}
}

func TestTheScreenShowsCountsAndRates(t *testing.T) {
	want := strings.Join([]string{
		"sonde  3 rows, by count, 2s",
		"COUNT  RATE/S  FUNCTION",
		" 1002     1.0  free",
		"   20      10  malloc",
		"    3       0  calloc",
		"",
		"sort: c count, r rate, n name   / filter   space pause   q quit",
	}, "\n")
	got := shownAfter(t, Options{}, tea.WindowSizeMsg{Width: 80, Height: 7}, 0, 2)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestKeysSortFilterPauseAndScroll(t *testing.T) {
	size := tea.WindowSizeMsg{Width: 80, Height: 24}
	for name, c := range map[string]struct {
		steps []any
		first string // function of the first row
		rows  string
		title string
	}{
		"by count":         {nil, "free", "3 rows", "by count"},
		"by rate":          {[]any{key("r")}, "malloc", "3 rows", "by rate"},
		"by name":          {[]any{key("n")}, "calloc", "3 rows", "by name"},
		"no times, no p99": {[]any{key("9")}, "free", "3 rows", "by count"},
		"filter":           {[]any{key("/"), key("A"), key("L"), key("x"), key("backspace"), key("enter")}, "malloc", "2 rows", `filter "AL"`},
		"filter by target": {[]any{key("/"), key("b"), key("c"), key("."), key("enter")}, "free", "3 rows", "filter"},
		"filter left":      {[]any{key("/"), key("z"), key("esc")}, "free", "3 rows", "by count"},
		"filter cleared":   {[]any{key("/"), key("z"), key("enter"), key("esc")}, "free", "3 rows", "by count"},
		"paused":           {[]any{key(" "), 200}, "free", "3 rows", "paused"},
		"scrolled":         {[]any{tea.WindowSizeMsg{Width: 80, Height: 4}, key("down")}, "malloc", "3 rows", "by count"},
		"scrolled too far": {[]any{tea.WindowSizeMsg{Width: 80, Height: 5}, key("down"), key("down"), key("down")}, "malloc", "3 rows", "by count"},
	} {
		got := strings.Split(shownAfter(t, Options{}, append([]any{size, 0, 2}, c.steps...)...), "\n")
		if !strings.HasSuffix(got[2], " "+c.first) || !strings.Contains(got[0], c.rows) || !strings.Contains(got[0], c.title) {
			t.Errorf("%s:\n%s", name, strings.Join(got, "\n"))
		}
	}
}

func TestAScreenNeverHasMoreLinesThanTheTerminal(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {20, 3}, {10, 1}, {300, 4}} {
		got := strings.Split(shownAfter(t, Options{}, tea.WindowSizeMsg{Width: size[0], Height: size[1]}, 0, 1), "\n")
		if size[1] >= 4 && len(got) != size[1] {
			t.Errorf("%v: %d lines", size, len(got))
		}
		for _, l := range []string{got[0], got[len(got)-1]} {
			if len([]rune(l)) > size[0] {
				t.Errorf("%v: %q is too wide", size, l)
			}
		}
	}
}

// source counts up with every reading.
func source(n *atomic.Int64) Source {
	return func() (event.Snapshot, error) { return at(int(n.Add(1))), nil }
}

func TestOnATerminalKeysWorkAndTheScreenIsRestored(t *testing.T) {
	screen := fixture.NewScreen(t, 10, 80)
	ended := make(chan error, 1)
	var n atomic.Int64
	go func() {
		ended <- Run(context.Background(), screen.TTY, screen.TTY, source(&n), Options{Interval: 20 * time.Millisecond})
	}()
	screen.Sees("malloc")
	screen.Types("/cal\r")
	screen.Sees(`filter "cal"`)
	screen.Types("q")
	leaves(t, screen, ended)
}

// leaves expects that a table ends well and leaves the alternate screen.
func leaves(t *testing.T, screen *fixture.Screen, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the table does not end")
	}
	screen.Sees("\x1b[?1049l")
}

func TestTheEndOfTheRunEndsTheScreen(t *testing.T) {
	terminal := fixture.NewScreen(t, 24, 80).TTY
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var n atomic.Int64
	if err := Run(ctx, terminal, terminal, source(&n), Options{Interval: 10 * time.Millisecond}); err != nil {
		t.Error(err)
	}
	if n.Load() < 2 {
		t.Errorf("%d readings", n.Load())
	}
}

func TestWithoutATerminalTablesFollowEachOther(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ended := make(chan error, 1)
	go func() {
		n := 0
		ended <- Run(context.Background(), reader, writer, func() (event.Snapshot, error) {
			if n++; n > 2 {
				writer.Close()
			}
			return at(n), nil
		}, Options{Interval: time.Millisecond, Options: render.Options{Order: agg.ByName, Top: 2}})
	}()
	buf := make([]byte, 4096)
	got := ""
	for {
		n, err := reader.Read(buf)
		got += string(buf[:n])
		if err != nil {
			break
		}
	}
	head := "COUNT  RATE/S  FUNCTION\n"
	want := "12:00:01\n" + head + "    3       0  calloc\n 1001       0  free\n\n12:00:02\n" + head + "    3       0  calloc\n 1002     1.0  free\n\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed output: %v", err)
	}
}

func TestASourceThatFailsEndsTheScreen(t *testing.T) {
	broken := errors.New("gone")
	model, cmd := newScreen(nil, Options{}).Update(read{err: broken})
	if model.(screen).err != broken || cmd == nil {
		t.Error("the failure is not kept")
	}
}

func lossy() []string { return []string{"lost 5 events: 5 ring full", "missed 1 return: 1 exit"} }

// What is not in the figures is said while they grow, and takes room of the rows.
func TestLossesStandBelowTheTable(t *testing.T) {
	want := strings.Join([]string{
		"sonde  3 rows, by count, 2s",
		"COUNT  RATE/S  FUNCTION",
		" 1002     1.0  free",
		"   20      10  malloc",
		"lost 5 events: 5 ring full",
		"missed 1 return: 1 exit",
		"sort: c count, r rate, n name   / filter   space pause   q quit",
	}, "\n")
	got := shownAfter(t, Options{Losses: lossy}, tea.WindowSizeMsg{Width: 80, Height: 7}, 0, 2)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	statements := newStatements(nil, Options{Losses: lossy})
	statements.Update(tea.WindowSizeMsg{Width: 140, Height: 12})
	statements.Update(taken{statementsAt(0)})
	for _, step := range []string{"", "enter"} { // the table, one statement
		if step != "" {
			statements.Update(key(step))
		}
		lines := strings.Split(statements.View().Content, "\n")
		if len(lines) != 12 || !strings.Contains(strings.Join(lines, "\n"), strings.Join(lossy(), "\n")) {
			t.Errorf("%d lines\n%s", len(lines), strings.Join(lines, "\n"))
		}
	}
}
