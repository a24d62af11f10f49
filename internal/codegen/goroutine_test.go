package codegen_test

import (
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

// goCalls is a plan that traces Go functions by their first argument and result, both in RAX.
func goCalls(t *testing.T, program string, names ...string) *target {
	g := observe(t, program)
	g.Emissions = []plan.Emission{{Kind: plan.EmitCall, Frame: true, Entry: 1, Slots: []plan.Slot{number(reg(ctype.RAX))}}}
	body := plan.Body{
		Frame: &plan.Frame{Slots: []plan.Slot{number(reg(ctype.RAX))}, Depth: true},
		Stmts: []plan.Stmt{&plan.Emit{}},
	}
	body.Goid, _ = g.file.GoidOffset()
	var sites []plan.Site
	for _, name := range names {
		sites = append(append(sites, g.returns(name, 0)...), g.entry(name, 0))
	}
	g.probe(plan.Return, body, sites...)
	return g
}

func TestGoCallsArePairedByGoroutineOnStacksThatMove(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		program := fixture.Build(t, "codegen/goroutines")
		g := goCalls(t, program, "main.deep", "main.yields", "main.panics", "main.recovers")
		s := watch(t, g, f, program)
		goroutines := map[uint64]int{}
		ends := map[string]int{}
		for _, r := range records(t, s) {
			c := g.callOf(r, 2)
			arg, result := int64(c.slots[0]), int64(c.slots[1])
			ends[c.function]++
			switch c.function {
			case "main.deep":
				if result != arg || c.depth != uint32(200-arg) {
					t.Errorf("%+v", c)
				}
			case "main.yields":
				if result != arg+1 || c.depth != 0 {
					t.Errorf("%+v", c)
				}
				goroutines[u64(r, plan.RecordGoid)]++
			case "main.recovers":
				want := arg
				if arg%2 == 1 {
					want = -1
				}
				if result != want && !(arg%2 == 1 && c.outcome == event.Recovered) {
					t.Errorf("%+v", c)
				}
			}
		}
		for name, want := range map[string]int{"main.deep": 8 * 201, "main.yields": 400, "main.recovers": 10, "main.panics": 5} {
			if ends[name] != want {
				t.Errorf("%s ended %d times of %d", name, ends[name], want)
			}
		}
		if len(goroutines) != 8 {
			t.Errorf("%d goroutines of 8: %v", len(goroutines), goroutines)
		}
		for id, n := range goroutines {
			if n != 50 || id == 0 || id > 1000 {
				t.Errorf("goroutine %d made %d calls of 50", id, n)
			}
		}
		c := counts(t, s)
		if c.Of[plan.CountHits] != 8*201+400+10+10 || c.Of[plan.CountUnreadable] != 0 {
			t.Errorf("%+v", c)
		}
		if lost := c.Of[plan.CountMissedUnwound] + c.Unfinished + c.Exited; lost != 5 {
			t.Errorf("%d calls of main.panics did not end, want 5: %+v", lost, c)
		}
	})
}
