package live

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
	"github.com/sonde-project/sonde/internal/render"
)

// Statements are the statements of a run as they stand at a time.
type Statements struct {
	Time         time.Time
	Queries      []*event.Query
	Transactions []*event.Transaction
}

// RunStatements shows what source gives, as Run does: a table of statements, and one statement in detail.
func RunStatements(ctx context.Context, in, out *os.File, source func() Statements, o Options) error {
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	if Interactive(in, out) {
		_, err := show(ctx, in, out, newStatements(source, o))
		return err
	}
	s := newStatements(source, o)
	return printed(ctx, out, o, func() (time.Time, []string, error) {
		s.read(source())
		return s.last.Time, s.first(), nil
	})
}

// printedRows is how many statements are printed each time where the table cannot be drawn in place.
const printedRows = 20

// first are the head and the first rows, and how much is in those that are left out.
func (s *statements) first() []string {
	rows := s.visible()
	if len(rows) <= printedRows {
		return render.LiveQueries(rows, s.rate, s.o.Options)
	}
	calls, digests := uint64(0), uint64(0)
	for _, q := range rows[printedRows:] {
		calls, digests = calls+q.Count, digests+max(q.Others, 1)
	}
	return append(render.LiveQueries(rows[:printedRows], s.rate, s.o.Options), fmt.Sprintf("(%d other statements, %d calls)", digests, calls))
}

// statements is the table of statements on a terminal, or one of them.
type statements struct {
	o        Options
	source   func() Statements
	size     size
	last     Statements
	rates    map[name]float64
	order    int  // index into statementOrders
	reversed bool // smallest first
	filter   string
	typing   bool // the filter is being typed
	paused   bool
	started  time.Time
	at       int  // row of the cursor
	chosen   name // statement under the cursor once it was moved; the cursor stays with it
	detail   bool // chosen is shown instead of the table
	scroll   int  // of the detail
}

// name tells a statement from all others.
type name struct{ system, digest string }

func nameOf(q *event.Query) name { return name{q.System, q.Digest} }

type taken struct{ Statements }

func newStatements(source func() Statements, o Options) *statements {
	return &statements{o: o, source: source, size: size{80, 24}, order: byTotal}
}

func (s *statements) Init() tea.Cmd { return s.ask }

// ask reads the source outside of the drawing loop.
func (s *statements) ask() tea.Msg { return taken{s.source()} }

func (s *statements) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.size = size{msg.Width, msg.Height}
	case due:
		return s, s.ask
	case taken:
		if s.started.IsZero() {
			s.started = msg.Time
		}
		if !s.paused {
			s.read(msg.Statements)
		}
		return s, tea.Tick(s.o.Interval, func(time.Time) tea.Msg { return due{} })
	case tea.KeyPressMsg:
		if s.typing {
			s.filter, s.typing = edited(s.filter, msg)
			s.at, s.chosen = 0, name{}
			return s, nil
		}
		return s, s.pressed(msg.String())
	}
	return s, nil
}

// read takes a reading and computes how often each statement was executed since the one before.
func (s *statements) read(now Statements) {
	before := map[name]uint64{}
	for _, q := range s.last.Queries {
		before[nameOf(q)] = q.Count
	}
	s.rates = map[name]float64{}
	if !s.last.Time.IsZero() {
		for _, q := range now.Queries {
			if was := before[nameOf(q)]; q.Count > was {
				s.rates[nameOf(q)] = agg.Rate(q.Count-was, s.last.Time, now.Time)
			}
		}
	}
	s.last = now
}

func (s *statements) rate(q *event.Query) float64 { return s.rates[nameOf(q)] }

func (s *statements) pressed(key string) tea.Cmd {
	switch {
	case key == "q" || key == "ctrl+c":
		return tea.Quit
	case key == "space" || key == " ":
		s.paused = !s.paused
	case s.detail:
		s.inDetail(key)
	case key == "enter":
		if q := s.current(); q != nil {
			s.chosen, s.detail, s.scroll = nameOf(q), true, 0
		}
	case key == "/":
		s.typing = true
	case key == "esc":
		s.filter = ""
	default:
		if !s.sortBy(key) {
			s.moveTo(moved(s.row(), key, s.page()))
		}
	}
	return nil
}

func (s *statements) inDetail(key string) {
	switch key {
	case "esc", "enter", "backspace":
		s.detail = false
	default:
		s.scroll = moved(s.scroll, key, s.page())
	}
	s.scroll = min(max(s.scroll, 0), max(len(s.detailLines())-s.page(), 0))
}

func (s *statements) moveTo(row int) {
	rows := s.visible()
	if row == s.at && s.chosen == (name{}) || len(rows) == 0 {
		return
	}
	s.at = min(max(row, 0), len(rows)-1)
	s.chosen = nameOf(rows[s.at])
}

// row is where the cursor is: with its statement, wherever that has gone.
func (s *statements) row() int {
	rows := s.visible()
	if s.chosen != (name{}) {
		if i := slices.IndexFunc(rows, func(q *event.Query) bool { return nameOf(q) == s.chosen }); i >= 0 {
			return i
		}
	}
	return min(s.at, max(len(rows)-1, 0))
}

// current is the statement under the cursor; nil when there is none.
func (s *statements) current() *event.Query {
	rows := s.visible()
	if len(rows) == 0 {
		return nil
	}
	return rows[s.row()]
}

// visible are the statements that pass the filter, sorted; those that stand for others come last.
func (s *statements) visible() []*event.Query {
	var rows []*event.Query
	for _, q := range s.last.Queries {
		if s.filter == "" || speaksOf(q, strings.ToLower(s.filter)) {
			rows = append(rows, q)
		}
	}
	s.sort(rows)
	return rows
}

// speaksOf looks for the text in what a statement's row and detail say, whatever its case.
func speaksOf(q *event.Query, text string) bool {
	has := func(where string) bool { return strings.Contains(strings.ToLower(where), text) }
	return has(q.Digest) || has(q.System) || has(q.Error) || has(q.Example) || slices.ContainsFunc(q.Programs, has) ||
		slices.ContainsFunc(q.PIDs, func(pid int) bool { return has(fmt.Sprint(pid)) })
}

// page is how many rows fit: the screen without title, head, transactions, losses and help.
func (s *statements) page() int {
	return max(s.size.height-2-len(s.last.Transactions)-len(s.foot()), 1)
}

// foot is what stands below the table.
func (s *statements) foot() []string {
	o := s.o
	o.Width = s.size.width
	return append(o.losses(), s.help()...)
}

func (s *statements) View() tea.View {
	if s.detail {
		if lines := s.detailLines(); len(lines) > 0 {
			first := min(s.scroll, len(lines)-1)
			return drawn(s.title(), lines[first:min(first+s.page(), len(lines))], s.foot(), s.size)
		}
	}
	return drawn(s.title(), s.tableLines(), s.foot(), s.size)
}

// detailLines show the chosen statement; none when it has no row any more.
func (s *statements) detailLines() []string {
	o := s.o.Options
	o.Width = s.size.width
	for _, q := range s.last.Queries {
		if nameOf(q) == s.chosen {
			return render.QueryDetail(q, o)
		}
	}
	return nil
}

// tableLines are the head, the rows around the cursor and the transactions.
func (s *statements) tableLines() []string {
	o := s.o.Options
	o.Width = max(s.size.width-2, 1)
	lines := render.LiveQueries(s.visible(), s.rate, o)
	if len(lines) == 0 {
		return nil
	}
	row, page := s.row(), s.page()
	first := min(max(row-page/2, 0), max(len(lines)-1-page, 0))
	body := []string{"  " + lines[0]}
	for i, l := range lines[1:][first:min(first+page, len(lines)-1)] {
		mark := "  "
		if first+i == row {
			mark = "> "
		}
		body = append(body, mark+l)
	}
	for _, t := range s.last.Transactions {
		body = append(body, cut("  "+render.Transactions(t), s.size.width))
	}
	return body
}

func (s *statements) title() string {
	calls := uint64(0)
	for _, q := range s.last.Queries {
		calls += q.Count
	}
	title := fmt.Sprintf("sonde sql  %d of %d statements, %d calls, by %s", len(s.visible()), len(s.last.Queries), calls, statementOrders[s.order].name)
	if s.reversed {
		title += " reversed"
	}
	if !s.last.Time.IsZero() {
		title += ", " + s.last.Time.Sub(s.started).Round(time.Second).String()
	}
	if s.filter != "" && !s.typing {
		title += fmt.Sprintf(", filter %q", s.filter)
	}
	if s.paused {
		title += ", paused"
	}
	return title
}

// help are the keys, on as many lines as they take.
func (s *statements) help() []string {
	switch {
	case s.typing:
		return []string{"filter: " + s.filter}
	case s.detail:
		return filled([]string{"esc back", "up down scroll", "space pause", "q quit"}, s.size.width)
	}
	words := []string{"enter details", "/ filter", "space pause", "q quit", "sort:"}
	for _, o := range statementOrders {
		words = append(words, o.key+" "+o.name)
	}
	return filled(words, s.size.width)
}
