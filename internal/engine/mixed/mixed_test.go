package mixed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// written is an engine whose records and cells a test wrote.
type written struct {
	engine.Session
	records [][]uint64 // times, a list for each read
	cells   map[string][]byte
	closed  *int
}

func (w *written) Read(_ time.Time, fn func([]byte)) error {
	if len(w.records) == 0 {
		return nil
	}
	now := w.records[0]
	w.records = w.records[1:]
	for _, at := range now {
		b := make([]byte, plan.PrintHeader)
		binary.LittleEndian.PutUint64(b[plan.RecordTime:], at)
		fn(b)
	}
	return nil
}

func (w *written) Cells(_ int, fn func([]byte, [][]byte) error) error {
	for key, value := range w.cells {
		if err := fn([]byte(key), [][]byte{value}); err != nil {
			return err
		}
	}
	return nil
}

func (w *written) Disarm() {}

func (w *written) Close() error { *w.closed++; return nil }

func together(parts ...*written) *Session {
	s := &Session{}
	for _, p := range parts {
		s.parts = append(s.parts, part{plan: &plan.Plan{}, Session: p})
	}
	return s
}

func TestRecordsOfBothEnginesComeInTheOrderOfTheirTimes(t *testing.T) {
	const never = 1 << 62 // later than any clock here
	s := together(&written{records: [][]uint64{{10, 40}, {never + 2}}}, &written{records: [][]uint64{{20, 30, never}, {never + 1}}})
	var got []uint64
	take := func(b []byte) { got = append(got, binary.LittleEndian.Uint64(b[plan.RecordTime:])) }
	for _, want := range [][]uint64{{10, 20, 30, 40}, nil, {never, never + 1, never + 2}} {
		if want != nil && want[0] == never {
			s.Disarm()
		}
		got = nil
		if err := s.Read(time.Time{}, take); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, want %v (%v)", got, want, err)
		}
	}
}

func TestCellsHaveTheValuesOfBothEngines(t *testing.T) {
	s := together(&written{cells: map[string][]byte{"a": {1}, "b": {2}}}, &written{cells: map[string][]byte{"b": {3}, "c": {4}}})
	got := map[string][][]byte{}
	err := s.Cells(0, func(key []byte, values [][]byte) error {
		got[string(key)] = values
		return nil
	})
	if text := fmt.Sprint(got); err != nil || text != "map[a:[[1]] b:[[2] [3]] c:[[4]]]" {
		t.Errorf("%s, %v", text, err)
	}
}

func TestWhatWasLoadedIsClosedWhenTheRestCannotBe(t *testing.T) {
	closed, broken := 0, errors.New("broken")
	_, err := New(Division{First: &plan.Plan{}, Second: &plan.Plan{}},
		func(*plan.Plan) (engine.Session, error) { return &written{closed: &closed}, nil },
		func(*plan.Plan) (engine.Session, error) { return nil, broken })
	if !errors.Is(err, broken) || closed != 1 {
		t.Errorf("closed %d times, %v", closed, err)
	}
}

// arming is an engine that arms, or fails to.
type arming struct {
	written
	name string
	err  error
	did  *[]string
}

func (a *arming) Arm() ([]plan.Refusal, error) {
	*a.did = append(*a.did, a.name)
	return nil, a.err
}

func TestTheSecondEngineTakesOverWhatTheFirstFailsToDo(t *testing.T) {
	part, rest, whole := &plan.Plan{}, &plan.Plan{}, &plan.Plan{}
	names := map[*plan.Plan]string{part: "part", rest: "rest", whole: "whole"}
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		whole      *plan.Plan
		open, arm  error // of the first
		did        []string
		err        error
		closedSoon int
	}{
		"nothing fails":          {whole, nil, nil, []string{"part", "rest"}, nil, 0},
		"it cannot be loaded":    {whole, broken, nil, []string{"whole"}, nil, 0},
		"it cannot be armed":     {whole, nil, broken, []string{"part", "whole"}, nil, 1},
		"nobody takes over":      {nil, nil, broken, []string{"part"}, broken, 0},
		"nobody takes that over": {nil, broken, nil, nil, broken, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var did []string
			closed := 0
			first := func(p *plan.Plan) (engine.Session, error) {
				if c.open != nil {
					return nil, c.open
				}
				return &arming{written{closed: &closed}, names[p], c.arm, &did}, nil
			}
			second := func(p *plan.Plan) (engine.Session, error) {
				return &arming{written{closed: &closed}, names[p], nil, &did}, nil
			}
			s, err := New(Division{First: part, Second: rest, Whole: c.whole}, first, second)
			if err == nil {
				_, err = s.Arm()
			}
			if !errors.Is(err, c.err) || !slices.Equal(did, c.did) || closed != c.closedSoon {
				t.Errorf("armed %v, closed %d: %v", did, closed, err)
			}
			if err != nil {
				return
			}
			want := Division{First: part, Second: rest, Whole: whole}
			if c.open != nil || c.arm != nil {
				want = Division{Second: whole, Err: broken}
			}
			if got := s.Division(); got.First != want.First || got.Second != want.Second || got.Err != want.Err {
				t.Errorf("it says %+v", got)
			}
		})
	}
}

func TestPlansAreDividedByFunction(t *testing.T) {
	entry := plan.Probe{Kind: plan.Entry, Bodies: []plan.Body{{}}, Sites: []plan.Site{{Function: 0}, {Function: 1}}}
	ret := plan.Probe{Kind: plan.Return, Bodies: []plan.Body{{Frame: &plan.Frame{}}}, Sites: []plan.Site{
		{Function: 0, Choice: site.Choice{Role: site.Entry}}, {Function: 0, Choice: site.Choice{Role: site.Ret}}, {Function: 1}}}
	deep := plan.Probe{Kind: plan.Return, Bodies: []plan.Body{{Frame: &plan.Frame{Depth: true}}}, Sites: entry.Sites}
	functions := []plan.Function{{Name: "f"}, {Name: "g"}}
	for name, c := range map[string]struct {
		plan          plan.Plan
		refused       []int // functions
		first, second string
		why           bool
	}{
		"nothing refused":    {plan.Plan{Probes: []plan.Probe{entry}}, nil, "[0 1]", "", false},
		"one of two":         {plan.Plan{Probes: []plan.Probe{entry, ret}}, []int{1}, "[0] [0 0]", "[1] [1]", false},
		"all":                {plan.Plan{Probes: []plan.Probe{entry}}, []int{0, 1}, "", "[0 1]", true},
		"counts":             {plan.Plan{Probes: []plan.Probe{entry}, Maps: []plan.Map{{Kind: event.AggCount}}}, []int{0}, "[1]", "[0]", false},
		"a value":            {plan.Plan{Probes: []plan.Probe{entry}, Maps: []plan.Map{{Kind: event.AggValue}}}, []int{0}, "", "[0 1]", true},
		"nesting":            {plan.Plan{Probes: []plan.Probe{deep}}, []int{0}, "", "[0 1]", true},
		"nesting, all fit":   {plan.Plan{Probes: []plan.Probe{deep}}, nil, "[0 1]", "", false},
		"nesting, none fits": {plan.Plan{Probes: []plan.Probe{deep}}, []int{0, 1}, "", "[0 1]", true},
	} {
		t.Run(name, func(t *testing.T) {
			c.plan.Functions = functions
			var refused []plan.Refusal
			for _, fn := range c.refused {
				refused = append(refused, plan.Refusal{Function: functions[fn].Name, Site: &plan.Site{Function: fn}})
			}
			d := Divide(&c.plan, refused)
			if got := sites(d.First); got != c.first {
				t.Errorf("first: %s, want %s", got, c.first)
			}
			if got := sites(d.Second); got != c.second {
				t.Errorf("second: %s, want %s", got, c.second)
			}
			if (d.Why != "") != c.why {
				t.Errorf("why: %q", d.Why)
			}
		})
	}
}

// sites lists the functions of the sites of each probe, "" for no plan.
func sites(p *plan.Plan) (text string) {
	if p == nil {
		return ""
	}
	for i := range p.Probes {
		var functions []int
		for _, s := range p.Probes[i].Sites {
			functions = append(functions, s.Function)
		}
		if i > 0 {
			text += " "
		}
		text += fmt.Sprint(functions)
	}
	return text
}
