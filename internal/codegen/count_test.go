package codegen_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

func TestADenseCountIsAHandfulOfInstructions(t *testing.T) {
	p := &plan.Plan{Functions: make([]plan.Function, 500), Maps: []plan.Map{denseCount()},
		Probes: []plan.Probe{{Kind: plan.Entry, Bodies: []plan.Body{countBody()}, Sites: []plan.Site{{Function: 3}}}}}
	code, err := codegen.Compile(p, codegen.Features{Multi: true, CPUs: 8})
	if err != nil {
		t.Fatal(err)
	}
	text := code.Progs[0].Spec.Instructions
	calls := 0
	for _, ins := range text {
		if ins.IsBuiltinCall() {
			calls++
		}
	}
	if calls != 2 || len(text) > 24 {
		t.Errorf("%d instructions with %d calls:\n%v", len(text), calls, text)
	}
	if len(code.HitsFrom) != 1 || code.HitsFrom[0] != 0 {
		t.Errorf("hits come from %v", code.HitsFrom)
	}
}

// Values of an array are kept during the run unless the plan clears them, sets them to zero or deletes one.
func TestArraysThatNothingSetsBackAreKept(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *plan.Plan)
		kept   int
	}{
		"nothing": {func(*plan.Plan) {}, 1},
		"cleared": {func(p *plan.Plan) { p.Emissions = []plan.Emission{{Kind: plan.EmitMapClear}} }, 0},
		"zeroed":  {func(p *plan.Plan) { p.Emissions = []plan.Emission{{Kind: plan.EmitMapZero}} }, 0},
		"deleted": {func(p *plan.Plan) {
			body := &p.Probes[0].Bodies[0]
			body.Stmts = append(body.Stmts, &plan.MapDelete{Key: body.Stmts[0].(*plan.MapAggregate).Key})
		}, 0},
	} {
		p := &plan.Plan{Functions: make([]plan.Function, 500), Maps: []plan.Map{denseCount()},
			Probes: []plan.Probe{{Kind: plan.Entry, Bodies: []plan.Body{countBody()}, Sites: []plan.Site{{Function: 3}}}}}
		c.change(p)
		code, err := codegen.Compile(p, codegen.Features{Multi: true, CPUs: 8})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(code.Kept) != c.kept {
			t.Errorf("%s: %v are kept", name, code.Kept)
		}
	}
}

func TestCountsUnderThreadsAreExact(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		const calls = 4000
		program := fixture.Build(t, "codegen/work.c")
		g := observe(t, program)
		g.Maps = []plan.Map{denseCount(), {Name: "@all", Kind: event.AggCount, Value: ulong}}
		g.probe(plan.Entry, countBody(), g.entry("work", 0), g.entry("inner", 0))
		for i, m := range everyMap([]plan.Type{long}) {
			if i%2 == 0 {
				g.Maps = append(g.Maps, m)
			}
		}
		var feed []plan.Stmt
		for m := 2; m < len(g.Maps); m++ {
			feed = append(feed, &plan.MapAggregate{Map: m, Key: []plan.Expr{op(reg(ctype.RDI), "&", num(3))}, X: reg(ctype.RDI)})
		}
		feed = append(feed, &plan.MapAggregate{Map: 1})
		g.probe(plan.Entry, plan.Body{Stmts: feed}, g.entry("work", 0))
		s := watch(t, g, f, program, "threads", strconv.Itoa(calls))
		wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 2 * 4 * calls})
		if got := values(t, s, 0); len(got) != 1 || got[0] != 4*calls {
			t.Errorf("dense: %v", got)
		}
		if got := values(t, s, 1); got[0] != 4*calls {
			t.Errorf("without key: %v", got)
		}
		for m := 2; m < len(g.Maps); m++ {
			got := cells(t, s, g.Plan, m)
			for k := range int64(4) {
				var fedWith []int64
				for n := k; n < calls; n += 4 {
					for range 4 {
						fedWith = append(fedWith, n)
					}
				}
				if want := fed(&g.Maps[m], fedWith); !sameCell(got[k], want) {
					t.Errorf("kind %d key %d: count %d of %d, sum %d of %d", g.Maps[m].Kind, k, got[k].count, want.count, got[k].sum, want.sum)
				}
			}
		}
	})
}

func TestHitsArePredicatedAndKeyedByWhatAHitHas(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		program := fixture.Build(t, "codegen/work.c")
		g := observe(t, program)
		g.Maps = []plan.Map{
			{Name: "@", Kind: event.AggCount, Keys: []plan.Type{text(16), ulong, ulong}, Value: ulong},
			{Name: "@pid", Kind: event.AggCount, Keys: []plan.Type{ulong}, Value: ulong},
			{Name: "@tid", Kind: event.AggCount, Keys: []plan.Type{ulong}, Value: ulong},
			{Name: "@sp", Kind: event.AggMin, Value: ulong}, {Name: "@pc", Kind: event.AggMin, Value: ulong},
			{Name: "@elapsed", Kind: event.AggMax, Value: ulong}, {Name: "@cpu", Kind: event.AggMax, Value: ulong},
		}
		key := func(b plan.Builtin) []plan.Expr { return []plan.Expr{builtin(b)} }
		g.probe(plan.Entry, plan.Body{
			Pred: op(reg(ctype.RDI), "<", num(70)),
			Stmts: []plan.Stmt{
				&plan.MapAggregate{Map: 0, Key: []plan.Expr{&plan.Value{B: plan.Comm, T: text(16)}, builtin(plan.UID), builtin(plan.GID)}},
				&plan.MapAggregate{Map: 1, Key: key(plan.PID)},
				&plan.MapAggregate{Map: 2, Key: key(plan.TID)},
				&plan.MapAggregate{Map: 3, X: builtin(plan.SP)},
				&plan.MapAggregate{Map: 4, X: builtin(plan.PC)},
				&plan.MapAggregate{Map: 5, X: builtin(plan.Elapsed)},
				&plan.MapAggregate{Map: 6, X: builtin(plan.CPU)},
			},
		}, g.entry("work", 0))
		program1 := fixture.Start(t, program, "threads", "100")
		g.Filter.PIDs = []int{program1.PID}
		s := load(t, g.Plan, f)
		arm(t, s)
		program1.Release()
		s.Disarm()
		wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 400, plan.CountFiltered: 120})
		if got := values(t, s, 1); len(got) != 1 || got[int64(program1.PID)] != 280 {
			t.Errorf("by process %d: %v", program1.PID, got)
		}
		if got := values(t, s, 2); len(got) != 4 {
			t.Errorf("by thread: %v", got)
		}
		n := 0
		s.Cells(0, func(k []byte, _ [][]byte) error {
			n++
			if string(k[:5]) != "work-" || u64(k, 16) != 0 || u64(k, 24) != 0 {
				t.Errorf("key %q", k)
			}
			return nil
		})
		if n != 1 {
			t.Errorf("%d keys of name, user and group", n)
		}
		if sp := uint64(cells(t, s, g.Plan, 3)[0].min); sp>>32 == 0 || sp%8 != 0 {
			t.Errorf("entry stack pointer %#x", sp)
		}
		if pc := uint64(cells(t, s, g.Plan, 4)[0].min); pc&0xfff != uint64(g.Probes[0].Sites[0].Addr)&0xfff {
			t.Errorf("site at %#x, seen at %#x", g.Probes[0].Sites[0].Addr, pc)
		}
		if ns := cells(t, s, g.Plan, 5)[0].max; ns < 1e3 || ns > 60e9 {
			t.Errorf("elapsed %d", ns)
		}
	})
}

func TestBodiesAreToldByTheSite(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		program := fixture.Build(t, "codegen/work.c")
		g := observe(t, program)
		g.Maps = []plan.Map{valueMap("@")}
		probe := plan.Probe{Kind: plan.Entry, Name: "many"}
		names := []string{"outer", "inner", "work", "texts", "buffer"}
		for i, name := range names {
			probe.Bodies = append(probe.Bodies, plan.Body{Stmts: []plan.Stmt{add(int64(i), num(1))}})
			probe.Sites = append(probe.Sites, g.entry(name, i))
		}
		g.Probes = []plan.Probe{probe}
		s := watch(t, g, f, program, "outer", "30")
		if got := fmt.Sprint(values(t, s, 0)); got != "map[0:30 1:60]" {
			t.Errorf("bodies ran %s times", got)
		}
	})
}

func TestAThousandKeysInABurstAreAllThere(t *testing.T) {
	f := features(t)
	program := fixture.Build(t, "codegen/work.c")
	g := observe(t, program)
	g.Maps = []plan.Map{{Name: "@", Kind: event.AggQuantiles, Bits: 3, Keys: []plan.Type{long}, Value: ulong}}
	g.probe(plan.Entry, plan.Body{Stmts: []plan.Stmt{&plan.MapAggregate{Map: 0, Key: []plan.Expr{reg(ctype.RDI)}, X: num(1)}}}, g.entry("work", 0))
	s := watch(t, g, f, program, "threads", "5000")
	wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 20000})
	if got := cells(t, s, g.Plan, 0); len(got) != 5000 || got[4999].count != 4 {
		t.Errorf("%d keys", len(got))
	}
}
