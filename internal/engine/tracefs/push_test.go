package tracefs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

// keep leaves all predicates to sonde.
func keep(s *Session) {
	for _, e := range s.events {
		e.pushed, e.rest = pushed{}, nil
	}
}

// content is what a session counted by key.
func content(t *testing.T, s *Session) string {
	t.Helper()
	var b strings.Builder
	if err := s.Cells(0, func(key []byte, values [][]byte) error {
		_, err := fmt.Fprintf(&b, "%x=%x ", key, values)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The program calls add(i, -i * i) for i from 0 to 99. The other arguments make a record that is worth filtering.
func TestThePredicatesThatTheKernelEvaluatesDecideAsSondeDoes(t *testing.T) {
	for pred, want := range map[string]uint64{ // hits that pass
		"args.a > 90":                                 9,
		"args.a <= 90":                                91,
		"args.a == 7":                                 1,
		"args.a != 7":                                 99,
		"7 < args.a":                                  92,
		"args.b < -100":                               89,
		"args.b >= 0":                                 1,
		"arg1 > 100":                                  99, // without a sign
		"(int8)args.a == -1":                          0,
		"(int32)args.b > -10":                         4,
		"(uint8)args.b == 0xff":                       1,
		"(uint32)args.b >= 4294967291":                2,
		"args.a & 1":                                  50,
		"(args.a & 6) == 0":                           26,
		"args.a":                                      99,
		"!args.a":                                     1,
		"args.a > 10 && args.a < 20":                  9,
		"args.a < 10 || args.b < -9000":               15,
		"!(args.a < 10 || args.b < -9000)":            85,
		"comm == \"nobody\"":                          0,
		"comm != \"nobody\" && args.a > 97":           2,
		"args.a > 10 && args.a * 2 > 190":             4, // what comes first
		"args.a > 9223372036854775806":                0,
		"args.b > -9223372036854775807 && args.a < 1": 1,
	} {
		text := "uprobe:PROGRAM:add /" + pred + "/ { @[arg0, arg1, arg2, arg3, arg4] = count(); }"
		down, counts, _ := observe(t, "add", text, nil)
		if down.events[0].rest == nil {
			t.Errorf("%s: sonde evaluates it: %v", pred, down.events[0].kept)
		}
		up, kept, _ := observeAs(t, "add", text, nil, keep)
		if passed := counts.Of[plan.CountHits] - counts.Of[plan.CountFiltered]; counts.Of != kept.Of || counts.Of[plan.CountHits] != 100 || passed != want {
			t.Errorf("%s: the kernel %v, sonde %v, want %d of 100 to pass", pred, counts.Of, kept.Of, want)
		}
		if a, b := content(t, down), content(t, up); len(a) != len(b) {
			t.Errorf("%s: the kernel's\n%s\nsonde's\n%s", pred, a, b)
		}
	}
}

func TestPredicatesStayWithSondeForAReason(t *testing.T) {
	program := fixture.Build(t, "engine/calls.c")
	for text, want := range map[string]string{
		"uprobe:PROGRAM:add /args.a > 3/ { @[arg0, arg1, arg2, arg3] = count(); }":           "the kernel evaluates %di:s64 > 3",
		"uprobe:PROGRAM:greet /args.name != 0/ { printf(\"%s\", str(args.name)); }":          "the kernel evaluates %di:u64 != 0",
		"uprobe:PROGRAM:add /args.a > 3/ { @[arg0] = count(); }":                             "not larger",
		"uprobe:PROGRAM:norm /args.p->x > 3/ { @[arg0, arg1, arg2, arg3] = count(); }":       "more than comparisons of registers",
		"uprobe:PROGRAM:add /args.a > args.b/ { @[arg0, arg1, arg2, arg3] = count(); }":      "more than comparisons of registers",
		"uprobe:PROGRAM:add /pid == 3/ { @[arg0, arg1, arg2, arg3] = count(); }":             "more than comparisons of registers",
		"uprobe:PROGRAM:add /(uint8)args.a == 300/ { @[arg0, arg1, arg2, arg3] = count(); }": "more than comparisons of registers",
		"uprobe:PROGRAM:add /comm == \"a*\"/ { @[arg0, arg1, arg2, arg3] = count(); }":       "more than comparisons of registers",
		"uprobe:PROGRAM:add { @[arg0, arg1, arg2, arg3] = count(); }":                        "",
		"uretprobe:PROGRAM:add /retval > 10/ { @ = count(); }":                               "sonde evaluates it: ",
		"uretprobe:PROGRAM:add /retval > 10/ { call(); }":                                    "sonde evaluates what it asks of the return",
		"uretprobe:PROGRAM:add /args.a > 3 && retval > 10/ { call(); }":                      "the kernel evaluates %di:s64 > 3\npredicate of uretprobe:PROGRAM:add: sonde evaluates what it asks of the return",
	} {
		got := strings.ReplaceAll(strings.Join(Predicates(planOf(t, text, program, os.Getpid())), "\n"), program, "PROGRAM")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	named := planOf(t, "uprobe:PROGRAM:add /args.a > 3/ { @[arg0, arg1, arg2, arg3] = count(); }", program, os.Getpid())
	named.Filter.Comm = "calls"
	if got := Predicates(named); len(got) != 1 || !strings.Contains(got[0], "threads are told by their names") {
		t.Errorf("%q", got)
	}
}

// A ring that nobody reads takes few records: each call that is not there is filtered or lost, and all are in the account.
func TestHitsThatTheKernelFiltersAreInTheAccount(t *testing.T) {
	for text, calls := range map[string]uint64{
		"uprobe:PROGRAM:leaf /args.n >= 300/ { printf(\"%d %d %d %d\", arg0, arg1, arg2, arg3); }": 1000,
		"uretprobe:PROGRAM:leaf /args.n >= 300/ { call(); }":                                       1000,
	} {
		for _, ring := range []int{4096, 1 << 20} {
			_, counts, _ := observe(t, "leaf", text, func(p *plan.Plan) { p.Limits.Ring = ring })
			if !accounted(&counts, calls) || ring > 4096 && (counts.Of[plan.CountFiltered] != 300 || counts.Of[plan.CountLostRing] != 0) {
				t.Errorf("%s, %d bytes: %+v", text, ring, counts.Stats())
			}
		}
	}
}

func accounted(c *engine.Counts, calls uint64) bool {
	s := c.Stats()
	return s.Hits == calls && s.Events+s.Filtered+s.Lost == calls
}
