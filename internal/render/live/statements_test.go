package live

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
)

// query is a statement with figures that put it first in one order and last in another.
func query(digest, program string, pid, count, total, tail int) *event.Query {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	return &event.Query{System: "postgresql", Digest: digest, Count: uint64(count), Rows: int64(count), Programs: []string{program}, PIDs: []int{pid},
		P50: ms(tail), P95: ms(tail), P99: ms(tail), Latency: event.Aggregate{Kind: event.AggQuantiles, Sum: int64(ms(total)), Max: int64(ms(tail))},
		Slowest: []*event.Statement{{Time: noon, Duration: ms(tail), Text: "example of " + digest, Comm: program, PID: pid, Rows: 1}}, Example: "example of " + digest,
		Timeline: event.Timeline{Start: noon, Step: time.Second, Steps: []event.Step{{Count: uint64(count), Sum: ms(total)}}}}
}

// statementsAt is a reading n seconds after noon.
func statementsAt(n int) Statements {
	failing := query("INSERT b", "psql", 30, 3, 50, 20)
	failing.Errors, failing.Error, failing.FirstRow = 1, "duplicate", &event.Quantiles{P50: time.Millisecond}
	others := query("", "app", 20, 9999, 9999, 9999)
	others.Others = 7
	return Statements{Time: noon.Add(time.Duration(n) * time.Second), Queries: []*event.Query{query("SELECT a", "web", 10, 100+50*n, 300, 5), failing,
		query("UPDATE c", "app", 20, 10, 400, 90), others}, Transactions: []*event.Transaction{{System: "postgresql", Count: 2, Statements: 6}}}
}

// drive gives readings (numbers) and keys to the model, and what it shows then.
func drive(steps ...any) (*statements, []string) {
	model := newStatements(nil, Options{})
	for _, step := range steps {
		switch step := step.(type) {
		case int:
			model.Update(taken{statementsAt(step)})
		case string:
			model.Update(key(step))
		case tea.Msg:
			model.Update(step)
		}
	}
	return model, strings.Split(model.View().Content, "\n")
}

func TestTheTableOfStatements(t *testing.T) {
	_, got := drive(tea.WindowSizeMsg{Width: 140, Height: 11}, 0, 2)
	want := strings.Join([]string{
		"sonde sql  4 of 4 statements, 10212 calls, by total, 2s",
		"  CALLS  RATE/S  ERRORS  ROWS  TOTAL     P50     P95     P99     MAX  FIRST ROW  PROGRAM   STATEMENT",
		">    10       0            10  400ms    90ms    90ms    90ms    90ms             app[20]   UPDATE c",
		"    200      50           200  300ms     5ms     5ms     5ms     5ms             web[10]   SELECT a",
		"      3       0       1     3   50ms    20ms    20ms    20ms    20ms        1ms  psql[30]  INSERT b",
		"   9999       0          9999  10s    10s     10s     10s     10s             app[20]   (7 other statements)",
		"  postgresql: 2 transactions, 3 statements each, 0ns on average, at most 0ns",
		"", "",
		"enter details  / filter  space pause  q quit  sort:  c calls  r rate  e errors  w rows  t total  5 p50  p p95  9 p99  m max  f first row",
		"a program  n statement",
	}, "\n")
	squeeze := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	for i, l := range strings.Split(want, "\n") {
		if i >= len(got) || squeeze(got[i]) != squeeze(l) {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
		}
	}
}

func TestKeysSortFilterAndMoveAmongStatements(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []any
		rows  string // first letters of the statements shown, "(" for the others
		at    string // where the cursor is
	}{
		{"total", nil, "USI(", "U"},
		{"total, smallest first", []any{"t"}, "ISU(", "I"},
		{"calls", []any{"c"}, "SUI(", "S"},
		{"rate", []any{"r"}, "SIU(", "S"},
		{"errors", []any{"e"}, "ISU(", "I"},
		{"rows", []any{"w"}, "SUI(", "S"},
		{"p50", []any{"5"}, "UIS(", "U"},
		{"p95", []any{"p"}, "UIS(", "U"},
		{"p99", []any{"9"}, "UIS(", "U"},
		{"max", []any{"m"}, "UIS(", "U"},
		{"first row", []any{"f"}, "ISU(", "I"},
		{"program", []any{"a"}, "UIS(", "U"},
		{"statement", []any{"n"}, "ISU(", "I"},
		{"statement, backwards", []any{"n", "n"}, "USI(", "U"},
		{"the cursor moves", []any{"down"}, "USI(", "S"},
		{"the cursor stays with its statement", []any{"down", "c"}, "SUI(", "S"},
		{"the cursor stays on the screen", []any{"down", "down", "down", "down", "down"}, "USI(", "("},
		{"filter as it is typed", []any{"/", "S", "e", "L"}, "S", "S"},
		{"filter by program", []any{"/", "p", "s", "q", "enter"}, "I", "I"},
		{"filter by PID", []any{"/", "3", "0"}, "I", "I"},
		{"filter by error", []any{"/", "d", "u", "p", "l"}, "I", "I"},
		{"letters of the filter sort nothing", []any{"/", "n", "backspace", "enter"}, "USI(", "U"},
		{"filter cleared", []any{"/", "z", "enter", "esc"}, "USI(", "U"},
		{"nothing fits", []any{"/", "z"}, "", ""},
	} {
		steps := append([]any{tea.WindowSizeMsg{Width: 140, Height: 20}, 0, 2}, c.steps...)
		model, _ := drive(steps...)
		rows, at := "", ""
		for _, l := range model.tableLines() {
			for _, s := range []string{"UPDATE c", "SELECT a", "INSERT b", "(7 other statements)"} {
				if strings.HasSuffix(l, s) {
					rows += s[:1]
					if l[0] == '>' {
						at = s[:1]
					}
				}
			}
		}
		if rows != c.rows || at != c.at {
			t.Errorf("%s: rows %q and cursor %q, want %q and %q", c.name, rows, at, c.rows, c.at)
		}
	}
}

func TestEnterShowsAStatementAndEscapeLeavesIt(t *testing.T) {
	size := tea.WindowSizeMsg{Width: 100, Height: 40}
	_, got := drive(size, 0, 2, "down", "down", "enter")
	text := strings.Join(got, "\n")
	for _, want := range []string{"INSERT b", "3 calls, 1 failed", "last error: duplicate", "[30]", "slowest", "example of INSERT b", "when", "how long", "esc back"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "SELECT a") {
		t.Errorf("another statement in\n%s", text)
	}
	if _, got = drive(size, 0, "enter", "esc"); !strings.Contains(strings.Join(got, "\n"), "SELECT a") {
		t.Error("escape does not lead back")
	}
	_, scrolled := drive(tea.WindowSizeMsg{Width: 100, Height: 6}, 0, "enter", "down", "down")
	if !strings.Contains(scrolled[1], "400ms in all") {
		t.Errorf("scrolled to\n%s", strings.Join(scrolled, "\n"))
	}
	gone, _ := drive(size, 0, "enter")
	gone.Update(taken{Statements{Time: noon.Add(time.Hour), Queries: []*event.Query{query("NEW", "x", 1, 1, 1, 1)}}})
	if text := gone.View().Content; !strings.Contains(text, "NEW") {
		t.Errorf("a statement that has no row any more leaves\n%s", text)
	}
}

// Whatever there is to show and however small the terminal, no line is too many or too long.
func TestStatementsFitTheTerminal(t *testing.T) {
	for _, s := range [][2]int{{140, 24}, {80, 24}, {40, 10}, {20, 3}, {10, 1}} {
		for _, keys := range [][]any{nil, {"enter"}, {"/", "x"}} {
			_, got := drive(append([]any{tea.WindowSizeMsg{Width: s[0], Height: s[1]}, 0, 2}, keys...)...)
			if len(got) > s[1] {
				t.Errorf("%v %v: %d lines", s, keys, len(got))
			}
			if len([]rune(got[0])) > s[0] || s[1] > 20 && s[0] >= 80 && len([]rune(got[2])) > s[0] {
				t.Errorf("%v %v: too wide\n%s", s, keys, strings.Join(got, "\n"))
			}
		}
	}
}

// Where the table cannot be drawn in place, the first rows are printed, and what is left out is counted.
func TestWithoutATerminalTheFirstStatementsFollowEachOther(t *testing.T) {
	few := newStatements(nil, Options{})
	few.read(statementsAt(1))
	if got := few.first(); len(got) != 5 {
		t.Errorf("%q", got)
	}
	many := newStatements(nil, Options{})
	now := statementsAt(1)
	for i := range 30 {
		now.Queries = append(now.Queries, query(fmt.Sprintf("SELECT %c", 'a'+i), "app", 1, 2, 1, 1))
	}
	many.read(now)
	got := many.first()
	if want := "(20 other statements, 10025 calls)"; len(got) != printedRows+2 || got[len(got)-1] != want {
		t.Errorf("%d lines, the last %q, want %q", len(got), got[len(got)-1], want)
	}
}

func TestStatementsOnATerminal(t *testing.T) {
	screen := fixture.NewScreen(t, 30, 120)
	var n atomic.Int64
	ended := make(chan error, 1)
	go func() {
		ended <- RunStatements(context.Background(), screen.TTY, screen.TTY, func() Statements { return statementsAt(int(n.Add(1))) }, Options{Interval: 20 * time.Millisecond})
	}()
	screen.Sees("UPDATE c")
	screen.Types("/sel")
	screen.Sees("filter: sel")
	screen.Types("\r\r")
	screen.Sees("example of SELECT a")
	screen.Types("\x03")
	leaves(t, screen, ended)
}
