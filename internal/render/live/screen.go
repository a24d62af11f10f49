package live

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/sonde-project/sonde/event"
)

// screen is the table on a terminal: what bubbletea updates and draws.
type screen struct {
	table
	o       Options
	source  Source
	width   int
	height  int
	scroll  int
	typing  bool // the filter is being typed
	paused  bool
	started time.Time
	err     error
}

// due asks for the next reading; read is its result.
type due struct{}

type read struct {
	snapshot event.Snapshot
	err      error
}

func newScreen(source Source, o Options) screen {
	return screen{table: newTable(o.Order), o: o, source: source, width: 80, height: 24}
}

func (s screen) Init() tea.Cmd { return s.ask }

// ask reads the source outside of the drawing loop.
func (s screen) ask() tea.Msg {
	snapshot, err := s.source()
	return read{snapshot, err}
}

func (s screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
	case due:
		return s, s.ask
	case read:
		return s.take(msg)
	case tea.KeyPressMsg:
		if s.typing {
			return s.typed(msg), nil
		}
		return s.pressed(msg.String())
	}
	return s, nil
}

func (s screen) take(r read) (tea.Model, tea.Cmd) {
	if r.err != nil {
		s.err = r.err
		return s, tea.Quit
	}
	if s.started.IsZero() {
		s.started = r.snapshot.Time
	}
	if !s.paused {
		s.table.read(r.snapshot)
	}
	return s, tea.Tick(s.o.Interval, func(time.Time) tea.Msg { return due{} })
}

func (s screen) pressed(key string) (tea.Model, tea.Cmd) {
	switch key {
	case "q", "ctrl+c":
		return s, tea.Quit
	case "/":
		s.typing = true
	case "esc":
		s.filter = ""
	case "space", " ":
		s.paused = !s.paused
	default:
		if !s.sortBy(key) {
			s.scroll = moved(s.scroll, key, s.page())
		}
	}
	s.scroll = min(max(s.scroll, 0), max(len(s.visible())-s.page(), 0))
	return s, nil
}

// typed edits the filter, which works while it is typed.
func (s screen) typed(key tea.KeyPressMsg) screen {
	s.filter, s.typing = edited(s.filter, key)
	s.scroll = 0
	return s
}

// page is how many rows fit: the screen without title, head, losses and help.
func (s screen) page() int { return max(s.height-2-len(s.foot()), 1) }

// foot is what stands below the table.
func (s screen) foot() []string {
	o := s.o
	o.Width = s.width
	return append(o.losses(), s.help())
}

func (s screen) View() tea.View {
	o := s.o.Options
	o.Width = s.width
	lines := s.lines(o)
	var body []string
	if len(lines) > 0 {
		first := min(s.scroll, len(lines)-1)
		rows := lines[1:][first:]
		body = append(append(body, lines[0]), rows[:min(len(rows), s.page())]...)
	}
	return drawn(s.title(), body, s.foot(), size{s.width, s.height})
}

func (s screen) title() string {
	title := fmt.Sprintf("sonde  %d rows, by %s", len(s.visible()), s.sorted())
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

func (s screen) help() string {
	if s.typing {
		return "filter: " + s.filter
	}
	var keys []string
	for _, k := range sortKeys {
		if !k.times || s.kind == event.AggQuantiles {
			keys = append(keys, k.key+" "+k.name)
		}
	}
	return "sort: " + strings.Join(keys, ", ") + "   / filter   space pause   q quit"
}
