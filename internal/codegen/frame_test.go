package codegen_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

func TestDurationsAreKeptInSmallFrames(t *testing.T) {
	eachReturn(t, func(t *testing.T, f codegen.Features, sites func(*target, string) []plan.Site) {
		program := fixture.Build(t, "codegen/work.c")
		g := observe(t, program)
		g.Maps = []plan.Map{
			{Name: "@", Kind: event.AggQuantiles, Bits: 3, Keys: []plan.Type{function}, Value: ulong, Dense: true},
			{Name: "@depth", Kind: event.AggSum, Keys: []plan.Type{function}, Value: ulong},
		}
		key := []plan.Expr{&plan.Value{B: plan.Func, T: function}}
		g.probe(plan.Return, plan.Body{
			Frame: &plan.Frame{Depth: true},
			Stmts: []plan.Stmt{
				&plan.MapAggregate{Map: 0, Key: key, X: builtin(plan.Duration)},
				&plan.MapAggregate{Map: 1, Key: key, X: builtin(plan.Depth)},
			},
		}, append(sites(g, "outer"), sites(g, "inner")...)...)
		code, err := codegen.Compile(g.Plan, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range code.Maps {
			if m.Name == code.Frames[0].Name && m.ValueSize != 16 {
				t.Errorf("frames of %d bytes", m.ValueSize)
			}
		}
		s := watch(t, g, f, program, "outer", "200")
		got := cells(t, s, g.Plan, 0)
		outer, inner := got[int64(g.function("outer"))], got[int64(g.function("inner"))]
		if outer.count != 200 || inner.count != 400 || inner.min <= 0 || inner.max > 1e9 || outer.min < 2*inner.min {
			t.Errorf("outer %d from %d to %d, inner %d from %d to %d", outer.count, outer.min, outer.max, inner.count, inner.min, inner.max)
		}
		if got := values(t, s, 1); got[int64(g.function("inner"))] != 400 || got[int64(g.function("outer"))] != 0 {
			t.Errorf("depths %v", got)
		}
		wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 600, plan.CountReturns: 600})
	})
}

func TestWhatTheEntrySavedIsThereAtTheReturn(t *testing.T) {
	eachReturn(t, func(t *testing.T, f codegen.Features, sites func(*target, string) []plan.Site) {
		program := fixture.Build(t, "codegen/work.c")
		g := observe(t, program)
		buf := plan.Type{Kind: plan.BytesType, Size: 3}
		g.Maps = []plan.Map{{Name: "@", Kind: event.AggCount, Keys: []plan.Type{text(8), text(64), buf, long}, Value: ulong}}
		savedText := func(slot, size int) plan.Expr { return &plan.Saved{Slot: slot, T: text(size)} }
		g.probe(plan.Return, plan.Body{
			Frame: &plan.Frame{
				Slots: []plan.Slot{str(reg(ctype.RDI), 64), str(reg(ctype.RSI), 200), number(num(42)), str(reg(ctype.RDX), 64),
					{Kind: plan.SlotBuf, X: reg(ctype.RSI), Len: num(2), Size: 16}},
				Pred: &plan.Binary{Op: "!=", X: &plan.Str{Addr: reg(ctype.RDI), Max: 64}, Y: &plan.Text{S: ""}, T: long},
			},
			Pred: &plan.Binary{Op: "!=", X: savedText(3, 64), Y: &plan.Text{S: "nothing"}, T: long},
			Stmts: []plan.Stmt{&plan.MapAggregate{Map: 0, Key: []plan.Expr{savedText(0, 64), savedText(1, 200), &plan.Saved{Slot: 4, T: buf},
				&plan.Saved{Slot: 2, T: long}}}},
		}, sites(g, "texts")...)
		s := watch(t, g, f, program, "texts", "4")
		got := map[string]uint64{}
		s.Cells(0, func(key []byte, values [][]byte) error {
			for _, v := range values {
				got[string(key)] += u64(v, 0)
			}
			return nil
		})
		key := func(a, b string) string {
			return string(padded(a, 8)) + string(padded(b, 64)) + string(padded("\x02", 8)) + string(padded(b[:2], 8)) + string(padded("\x2a", 8))
		}
		want := map[string]uint64{key("one", "two"): 1, key("a", "bc"): 2}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %q, want %q", fmt.Sprint(got), fmt.Sprint(want))
		}
		// The entry turned the empty text away.
		wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 4, plan.CountReturns: 3, plan.CountFiltered: 1})
	})
}

func TestReturnsWithoutAFrameAreHits(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		program := fixture.Build(t, "codegen/work.c")
		g := observe(t, program)
		g.Maps = []plan.Map{valueMap("@")}
		g.probe(plan.Return, plan.Body{
			Pred:  op(reg(ctype.RAX), ">", num(2)),
			Stmts: []plan.Stmt{&plan.MapAdd{Map: 0, Key: []plan.Expr{reg(ctype.RAX)}, X: num(1)}},
		}, g.trampoline("inner", 0))
		s := watch(t, g, f, program, "outer", "4")
		want(t, values(t, s, 0), map[int64]int64{3: 2, 4: 1})
		wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 8, plan.CountReturns: 8, plan.CountFiltered: 5})
	})
}

func TestTooManyOpenCallsAreCountedLost(t *testing.T) {
	f := features(t)
	program := fixture.Build(t, "engine/calls.c")
	g := observe(t, program)
	g.Limits.Frames = 5
	g.probe(plan.Return, g.traced(), g.entry("down", 0), g.trampoline("down", 0))
	s := watch(t, g, f, program, "down")
	// Of eight nested calls the outer five are kept.
	wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 80, plan.CountReturns: 50, plan.CountEvents: 50, plan.CountLostFrames: 30})
	for _, r := range records(t, s) {
		if c := g.callOf(r, 1); c.slots[0] < 3 {
			t.Errorf("%+v", c)
		}
	}
}

func TestGoAndOtherFunctionsShareABody(t *testing.T) {
	f := features(t)
	program, other := fixture.Build(t, "codegen/work.c"), fixture.Build(t, "codegen/goroutines")
	g, h := observe(t, program), goCalls(t, other, "main.yields")
	g.traced()
	body := h.Probes[0].Bodies[0]
	sites := []plan.Site{g.entry("inner", 0), g.trampoline("inner", 0)}
	g.Objects = append(g.Objects, h.Objects[0])
	for _, s := range h.Probes[0].Sites {
		s.Object, s.Function = 1, len(g.Functions)
		sites = append(sites, s)
	}
	g.Functions = append(g.Functions, h.Functions[0])
	g.probe(plan.Return, body, sites...)
	a, b := fixture.Start(t, program, "outer", "10"), fixture.Start(t, other)
	g.Filter.PIDs = []int{a.PID, b.PID}
	s := load(t, g.Plan, f)
	arm(t, s)
	a.Release()
	b.Release()
	s.Disarm()
	ends := map[string]int{}
	for _, r := range records(t, s) {
		name := g.Functions[u32(r, plan.RecordFunction)].Name
		ends[name]++
		if goid := u64(r, plan.RecordGoid); (goid != 0) != strings.HasPrefix(name, "main.") {
			t.Errorf("%s in goroutine %d", name, goid)
		}
	}
	if ends["inner"] != 20 || ends["main.yields"] != 400 {
		t.Errorf("calls: %v", ends)
	}
	wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 420, plan.CountReturns: 420, plan.CountEvents: 420})
}

func TestTextOnAPageThatNobodyTouchedIsRead(t *testing.T) {
	full := features(t)
	without := full
	without.CopyFromUserStr = 0
	for name, f := range map[string]codegen.Features{"kernel function": full, "second try": without} {
		program := fixture.Build(t, "engine/calls.c")
		g := observe(t, program)
		g.Emissions = []plan.Emission{{Kind: plan.EmitPrint, Slots: []plan.Slot{str(reg(ctype.RDI), 64)}}}
		g.probe(plan.Entry, plan.Body{Stmts: []plan.Stmt{&plan.Emit{}}}, g.entry("peek", 0))
		s := watch(t, g, f, program, "untouched")
		var got []string
		for _, r := range records(t, s) {
			got = append(got, slotText(r, plan.PrintHeader, 0))
		}
		if !slices.Equal(got, []string{"fresh", "<unreadable>", "<unreadable>"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestStacksAreKeysAndEqualOnesAreOne(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		program := fixture.Build(t, "codegen/work.c")
		g := observe(t, program)
		g.Maps = []plan.Map{{Name: "@", Kind: event.AggCount, Keys: []plan.Type{{Kind: plan.StackType, Size: 64}}, Value: ulong}}
		g.probe(plan.Entry, plan.Body{Stmts: []plan.Stmt{&plan.MapAggregate{Map: 0, Key: []plan.Expr{&plan.UserStack{Frames: 8}}}}}, g.entry("inner", 0))
		s := watch(t, g, f, program, "outer", "50")
		total, n := uint64(0), 0
		s.Cells(0, func(key []byte, values [][]byte) error {
			n++
			for _, v := range values {
				total += u64(v, 0)
			}
			pcs := s.Stack(u64(key, 0))
			if len(pcs) == 0 || len(pcs) > 8 || pcs[0]&0xfff != uint64(g.Probes[0].Sites[0].Addr)&0xfff || u64(key, 8) == 0 {
				t.Errorf("stack %#x of process %d: %#x", u64(key, 0), u64(key, 8), pcs)
			}
			return nil
		})
		// outer() calls it from two places, which only unwinding with frame pointers tells apart.
		if total != 100 || n < 1 || n > 2 {
			t.Errorf("%d stacks with %d calls of 100", n, total)
		}
		wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 100})
	})
}

func TestProgramsThatRunOnceSendRecords(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		m := newMemory(t)
		p := begin(&plan.Emit{Emission: 1}, &plan.Emit{Emission: 0}, &plan.Emit{Emission: 2})
		p.Emissions = []plan.Emission{
			{Kind: plan.EmitPrintf, Slots: []plan.Slot{number(builtin(plan.PID)), str(m.put("hello\x00"), 64), {Kind: plan.SlotStack, X: &plan.UserStack{Frames: 4}, Size: 32}}},
			{Kind: plan.EmitMapPrint}, {Kind: plan.EmitExit, Code: 3},
		}
		p.Probes[0].Bodies[0].Pred = op(builtin(plan.Nsecs), ">", num(0))
		s := run(t, p, f)
		got := records(t, s)
		if len(got) != 3 || u32(got[0], 0) != 1 || u32(got[1], 0) != 0 || u32(got[2], 0) != 2 {
			t.Fatalf("%x", got)
		}
		if pid := u64(got[1], plan.PrintHeader); pid != u64(got[1], plan.RecordPID)>>32 || pid == 0 {
			t.Errorf("process %d", pid)
		}
		if s := slotText(got[1], plan.PrintHeader, 1); s != "hello" {
			t.Errorf("text %q", s)
		}
		wantCounts(t, s, map[plan.Counter]uint64{plan.CountEvents: 3})
	})
}
