package codegen_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

func str(x plan.Expr, size int) plan.Slot { return plan.Slot{Kind: plan.SlotStr, X: x, Size: size} }

func number(x plan.Expr) plan.Slot { return plan.Slot{Kind: plan.SlotInt, X: x} }

func TestSlotsHoldWhatWasCaptured(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		program := fixture.Build(t, "codegen/work.c")
		g := observe(t, program)
		g.Vars = []plan.Var{{Name: "$v", Type: text(16)}}
		null := op(reg(ctype.RDX), "==", num(0))
		slots := []plan.Slot{
			str(reg(ctype.RDI), 200), str(reg(ctype.RSI), 64), str(reg(ctype.RDX), 64),
			number(reg(ctype.RDX)),
			{Kind: plan.SlotMem, X: reg(ctype.RDI), Size: 4},
			{Kind: plan.SlotMem, X: reg(ctype.RDI), Size: 4, If: null},
			{Kind: plan.SlotInt, X: num(7), If: null},
			{Kind: plan.SlotText, X: &plan.Value{B: plan.Comm, T: text(16)}},
			{Kind: plan.SlotTuple, X: &plan.TupleOf{Elems: []plan.Expr{num(1), num(2)}, T: plan.Type{Kind: plan.TupleType, Elems: []plan.Type{long, long}}}},
			{Kind: plan.SlotStack, X: &plan.UserStack{Frames: 8}, Size: 64},
			{Kind: plan.SlotText, X: &plan.VarRef{Var: 0, T: text(16)}},
		}
		g.Emissions = []plan.Emission{{Kind: plan.EmitPrintf, Slots: slots}}
		g.probe(plan.Entry, plan.Body{Stmts: []plan.Stmt{&plan.SetVar{Var: 0, X: &plan.Text{S: "value"}}, &plan.Emit{}}}, g.entry("texts", 0))
		s := watch(t, g, f, program, "texts", "3")
		got := records(t, s)
		if len(got) != 3 {
			t.Fatalf("%d records", len(got))
		}
		comm, value := string(padded("work-c-", 16)), string(padded("value", 16))
		tuple := "\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"
		for i, want := range [][]string{
			{"one", "two", "<unreadable>", "0", "one\x00", "one\x00", "7", comm, tuple, "", value},
			{"", strings.Repeat("x", 64) + "...", "<unreadable>", "16", "", "<skipped>", "0", comm, tuple, "", value},
			{"a", "bc", "def", "", "a\x00", "<skipped>", "0", comm, tuple, "", value},
		} {
			for j, kind := range slots {
				if kind.Kind == plan.SlotInt {
					if n := fmt.Sprint(u64(got[i], plan.PrintHeader+8*j)); want[j] != "" && n != want[j] {
						t.Errorf("record %d slot %d: %s, want %s", i, j, n, want[j])
					}
					continue
				}
				text := slotText(got[i], plan.PrintHeader, j)
				switch {
				case kind.Kind == plan.SlotStack:
					if pc := g.Probes[0].Sites[0].Addr; len(text) < 8 || uint64(text[0])|uint64(text[1]&0xf)<<8 != uint64(pc)&0xfff {
						t.Errorf("record %d: stack %x, site %#x", i, text, pc)
					}
					continue
				case kind.Kind == plan.SlotMem && want[j] != "<skipped>":
					text = text[:len(want[j])]
				case j == 7:
					text = text[:7] + want[j][7:]
				}
				if text != want[j] {
					t.Errorf("record %d slot %d: %q, want %q", i, j, text, want[j])
				}
			}
		}
		// The NULL was not tried; the address 16 was.
		wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 3, plan.CountEvents: 3, plan.CountUnreadable: 1, plan.CountTruncated: 1})
	})
}

func TestBuffersAreAsLongAsTheirLength(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		program := fixture.Build(t, "codegen/work.c")
		g := observe(t, program)
		g.Emissions = []plan.Emission{{Kind: plan.EmitPrintf, Slots: []plan.Slot{{Kind: plan.SlotBuf, X: reg(ctype.RDI), Len: reg(ctype.RSI), Size: 100}}}}
		g.probe(plan.Entry, plan.Body{Stmts: []plan.Stmt{&plan.Emit{}}}, g.entry("buffer", 0))
		s := watch(t, g, f, program, "buffers", "0")
		hundred := make([]byte, 100)
		for i := range hundred {
			hundred[i] = byte(i)
		}
		var got []string
		for _, r := range records(t, s) {
			got = append(got, slotText(r, plan.PrintHeader, 0))
		}
		if want := []string{"", "\x00\x01\x02\x03\x04", string(hundred) + "...", "", "<unreadable>", "<unreadable>"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 6, plan.CountEvents: 6, plan.CountUnreadable: 1, plan.CountTruncated: 1})
	})
}

func TestATailThatIsFullSaysSo(t *testing.T) {
	f := features(t)
	program := fixture.Build(t, "codegen/work.c")
	g := observe(t, program)
	g.Limits.Capture = 40
	var slots []plan.Slot
	for range 6 {
		slots = append(slots, str(reg(ctype.RSI), 100))
	}
	g.Emissions = []plan.Emission{{Kind: plan.EmitPrintf, Slots: slots}}
	g.probe(plan.Entry, plan.Body{Stmts: []plan.Stmt{&plan.Emit{}}}, g.entry("texts", 0))
	s := watch(t, g, f, program, "texts", "3")
	var got []string
	for _, r := range records(t, s) {
		var texts []string
		for i := range slots {
			texts = append(texts, slotText(r, plan.PrintHeader, i))
		}
		got = append(got, strings.Join(texts, " "))
	}
	long := strings.Repeat("x", 100) + "..."
	want := []string{"two two two two two two", long + strings.Repeat(" <full>", 5), "bc bc bc bc bc bc"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 3, plan.CountEvents: 3, plan.CountTruncated: 6})
}

func TestCallsAreDeliveredFilteredOrLost(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		const calls = 2000
		program := fixture.Build(t, "codegen/work.c")
		g := observe(t, program)
		g.Limits.Ring = 4096
		g.Emissions = []plan.Emission{{Kind: plan.EmitCall, Slots: []plan.Slot{number(reg(ctype.RDI))}}}
		g.probe(plan.Entry, plan.Body{Pred: op(reg(ctype.RDI), ">=", num(500)), Stmts: []plan.Stmt{&plan.Emit{}}}, g.entry("work", 0))
		s := watch(t, g, f, program, "threads", fmt.Sprint(calls))
		got := records(t, s)
		c := counts(t, s)
		if c.Of[plan.CountFiltered] != 4*500 || int(c.Of[plan.CountEvents]) != len(got) || c.Of[plan.CountEvents]+c.Of[plan.CountLostRing] != 4*1500 ||
			c.Of[plan.CountHits] != 4*calls || len(got) == 0 || c.Of[plan.CountLostRing] == 0 {
			t.Errorf("%d records, %+v", len(got), c)
		}
		for _, r := range got {
			if n := u64(r, plan.CallHeader); n < 500 || n >= calls || len(r) != plan.CallHeader+8 {
				t.Fatalf("record of %d bytes with %d", len(r), n)
			}
		}
	})
}

// call is what a call record says.
type call struct {
	function string
	outcome  event.Outcome
	callee   string
	depth    uint32
	slots    []uint64
}

// callOf reads a call record with a number of slots.
func (g *target) callOf(b []byte, slots int) call {
	g.t.Helper()
	c := call{function: g.Functions[u32(b, plan.RecordFunction)].Name, outcome: event.Outcome(b[plan.RecordOutcome]), depth: u32(b, plan.RecordDepth)}
	if callee := int(u32(b, plan.RecordOutcome)>>8) - 1; callee >= 0 {
		c.callee = g.Functions[callee].Name
	}
	for i := range slots {
		c.slots = append(c.slots, u64(b, plan.CallHeader+8*i))
	}
	if c.outcome.Ended() {
		if d := u64(b, plan.RecordDuration); d == 0 || d > 10e9 {
			g.t.Errorf("%+v took %d ns", c, d)
		}
	}
	if u64(b, plan.RecordTime) == 0 || u64(b, plan.RecordPID)>>32 == 0 || b[plan.RecordComm] == 0 {
		g.t.Errorf("%+v at %d of %#x %q", c, u64(b, plan.RecordTime), u64(b, plan.RecordPID), b[plan.RecordComm:][:16])
	}
	return c
}

// traced is a body that sends calls with the first argument and the result.
func (g *target) traced() plan.Body {
	g.Emissions = append(g.Emissions, plan.Emission{Kind: plan.EmitCall, Frame: true, Entry: 1, Slots: []plan.Slot{number(reg(ctype.RAX))}})
	return plan.Body{
		Frame: &plan.Frame{Slots: []plan.Slot{number(reg(ctype.RDI))}, Depth: true},
		Stmts: []plan.Stmt{&plan.Emit{Emission: len(g.Emissions) - 1}},
	}
}

func (g *target) calls(records [][]byte) []string {
	var list []string
	for _, r := range records {
		list = append(list, fmt.Sprint(g.callOf(r, 2)))
	}
	return list
}

func sameCalls(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("calls:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// eachReturn runs a test with returns seen through the kernel's trampoline and at ret instructions.
func eachReturn(t *testing.T, fn func(t *testing.T, f codegen.Features, sites func(g *target, name string) []plan.Site)) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		t.Run("trampoline", func(t *testing.T) {
			fn(t, f, func(g *target, name string) []plan.Site { return []plan.Site{g.entry(name, 0), g.trampoline(name, 0)} })
		})
		t.Run("sites", func(t *testing.T) {
			fn(t, f, func(g *target, name string) []plan.Site { return append(g.returns(name, 0), g.entry(name, 0)) })
		})
	})
}

func TestCallsArePairedThroughRecursionAndNesting(t *testing.T) {
	eachReturn(t, func(t *testing.T, f codegen.Features, sites func(*target, string) []plan.Site) {
		program := fixture.Build(t, "codegen/work.c")
		g := observe(t, program)
		g.probe(plan.Return, g.traced(), append(sites(g, "outer"), sites(g, "inner")...)...)
		s := watch(t, g, f, program, "outer", "2")
		sameCalls(t, g.calls(records(t, s)), []string{
			"{inner 1  1 [0 0]}", "{inner 1  1 [1 1]}", "{outer 1  0 [0 1]}",
			"{inner 1  1 [1 1]}", "{inner 1  1 [2 2]}", "{outer 1  0 [1 3]}",
		})
		wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 6, plan.CountReturns: 6, plan.CountEvents: 6})
		if n := counts(t, s).Unfinished; n != 0 {
			t.Errorf("%d calls open", n)
		}
	})
	eachReturn(t, func(t *testing.T, f codegen.Features, sites func(*target, string) []plan.Site) {
		program := fixture.Build(t, "engine/calls.c")
		g := observe(t, program)
		g.probe(plan.Return, g.traced(), sites(g, "down")...)
		s := watch(t, g, f, program, "down")
		got := records(t, s)
		if len(got) != 80 {
			t.Errorf("%d calls of 80", len(got))
		}
		for i, r := range got {
			c, n := g.callOf(r, 2), uint64(i%8)
			// The innermost call jumps to leaf().
			if c.depth != uint32(7-n) || c.slots[0] != n || n > 0 && (c.outcome != event.Returned || c.slots[1] != n) {
				t.Errorf("call %d: %+v", i, c)
			}
		}
	})
}

func TestCallsThatAreLeftByLongjmpAreCountedMissed(t *testing.T) {
	eachReturn(t, func(t *testing.T, f codegen.Features, sites func(*target, string) []plan.Site) {
		program := fixture.Build(t, "engine/calls.c")
		g := observe(t, program)
		g.probe(plan.Return, g.traced(), append(sites(g, "jumps"), sites(g, "leaf")...)...)
		s := watch(t, g, f, program, "jump")
		// The depth is right again at the next call of the function that was left.
		sameCalls(t, g.calls(records(t, s)), []string{"{leaf 1  1 [0 0]}", "{leaf 1  1 [1 2]}", "{leaf 1  1 [2 4]}", "{leaf 1  1 [3 6]}"})
		wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 10, plan.CountReturns: 4, plan.CountEvents: 4, plan.CountMissedUnwound: 5})
	})
}

func TestTailJumpsEndCallsAndNameTheCallee(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		program := fixture.Build(t, "engine/calls.c")
		g := observe(t, program)
		sites := append(g.returns("leaves_by_jump", 0), g.entry("leaves_by_jump", 0))
		g.probe(plan.Return, g.traced(), sites...)
		s := watch(t, g, f, program, "tail")
		got := records(t, s)
		if len(got) != 5 {
			t.Fatalf("%d calls", len(got))
		}
		for i, r := range got {
			if c := g.callOf(r, 1); c.outcome != event.TailCalled || c.callee != "target_of_tail" || c.slots[0] != uint64(i) {
				t.Errorf("%+v", c)
			}
		}
	})
}

func TestConditionalTailJumpsEndOnlyTheCallsThatTheyTake(t *testing.T) {
	names := strings.Fields("o no b ae e ne be a s ns p np l ge le g")
	f := features(t)
	program := fixture.Build(t, "codegen/work.c")
	g := observe(t, program)
	var sites []plan.Site
	for _, name := range names {
		sites = append(append(sites, g.returns("jump_"+name, 0)...), g.entry("jump_"+name, 0))
	}
	g.probe(plan.Return, g.traced(), sites...)
	s := watch(t, g, f, program, "jumpers", "0")
	jumped := map[string]int{}
	for _, r := range records(t, s) {
		c := g.callOf(r, 1)
		if c.outcome == event.TailCalled {
			jumped[c.function]++
		}
	}
	for i, name := range names {
		if want := conditionTaken(i); jumped["jump_"+name] != want {
			t.Errorf("j%s: %d calls end by it, want %d", name, jumped["jump_"+name], want)
		}
	}
	wantCounts(t, s, map[plan.Counter]uint64{plan.CountHits: 16 * 64, plan.CountReturns: 16 * 64, plan.CountEvents: 16 * 64})
}

// conditionTaken is how often the condition holds for the values of the fixture, after cmp of the second with the first.
func conditionTaken(condition int) int {
	values := []int64{0, 1, -1, 2, 100, -100, 1<<63 - 1, -1 << 63}
	n := 0
	for _, a := range values {
		for _, b := range values {
			d := a - b
			over := (a < 0) != (b < 0) && (d < 0) != (a < 0)
			ones := 0
			for i := range 8 {
				ones += int(d>>i) & 1
			}
			holds := []bool{over, uint64(a) < uint64(b), a == b, uint64(a) <= uint64(b), d < 0, ones%2 == 0, a < b, a <= b}[condition/2]
			if holds == (condition%2 == 0) {
				n++
			}
		}
	}
	return n
}

func TestOpenCallsHaveRecordsToo(t *testing.T) {
	f := features(t)
	program := fixture.Build(t, "engine/calls.c")
	g := observe(t, program)
	g.probe(plan.Return, g.traced(), g.entry("stays", 0), g.trampoline("stays", 0), g.entry("leaf", 0), g.trampoline("leaf", 0))
	o := fixture.Start(t, program, "stay")
	g.Filter.PIDs = []int{o.PID}
	code, err := codegen.Compile(g.Plan, f)
	if err != nil {
		t.Fatal(err)
	}
	if len(code.Frames) != 1 || code.Frames[0].Record == 0 {
		t.Fatalf("frames %+v", code.Frames)
	}
	s := load(t, g.Plan, f)
	arm(t, s)
	o.Tell("")
	waitFor(t, func() bool { return counts(t, s).Of[plan.CountHits] == 2 })
	s.Disarm()
	n := 0
	err = s.Unfinished(func(open engine.OpenCall) error {
		n++
		c := g.callOf(open.Record, 1)
		if c.function != "stays" || c.outcome != event.Unfinished || len(open.Record) != plan.CallHeader+16 {
			t.Errorf("%+v, %d bytes", c, len(open.Record))
		}
		return nil
	})
	if err != nil || n != 1 {
		t.Errorf("%d open calls, %v", n, err)
	}
	o.Release()
}
