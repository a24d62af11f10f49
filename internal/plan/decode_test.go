package plan_test

import (
	"encoding/binary"
	"encoding/json"
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/plantest"
)

var (
	goInt   = &ctype.Type{Kind: ctype.Int, Name: "int", Size: 8, Lang: event.LangGo}
	boolean = &ctype.Type{Kind: ctype.Bool, Name: "bool", Size: 1}
)

// symbols knows one function, in which another is inlined.
type symbols struct{}

func (symbols) Function(_ int, addr uint64) string {
	if addr == 0x401000 {
		return "work"
	}
	return ""
}

func (symbols) Frame(_ int, pc uint64) []event.Frame {
	if pc < 0x401000 || pc > 0x402000 {
		return []event.Frame{{PC: pc}}
	}
	return []event.Frame{{PC: pc, Function: "inner", Inlined: true}, {PC: pc, Function: "work", Offset: pc - 0x401000}}
}

func (symbols) DynamicType(int, uint64) (string, *ctype.Type) { return "", nil }

// runPlan is a plan with a record of every kind.
func runPlan() *plan.Plan {
	word := plan.Type{Kind: plan.IntType, Size: 4, Signed: true}
	tuple := plan.Type{Kind: plan.TupleType, Elems: []plan.Type{{Kind: plan.IntType, Size: 8}, {Kind: plan.StrType, Size: 10}}}
	arg := func(slot int, t plan.Type) plan.Node {
		return plan.Node{T: t, Pieces: []plan.NodePiece{{Slot: slot, Size: 8}}}
	}
	p := &plan.Plan{
		Objects:   []plan.Object{{Path: "/lib/libx.so"}},
		Functions: []plan.Function{{Name: "f", Lang: event.LangC}, {Name: "g", Lang: event.LangGo}},
		Maps: []plan.Map{
			{Name: "x", Kind: event.AggCount, Keys: []plan.Type{{Kind: plan.FuncType}}, Part: []string{"func"}, Dense: true},
			{Name: "h", Kind: event.AggHist, Keys: []plan.Type{{Kind: plan.StrType, Size: 16}, {Kind: plan.StackType}}, Part: []string{"comm", "ustack"}},
			{Name: "v", Kind: event.AggValue, Value: word},
			{Name: "m", Kind: event.AggMin, Keys: []plan.Type{{Kind: plan.IntType}}, Value: plan.Type{Signed: true}},
			{Name: "", Kind: event.AggCount},
		},
		Limits: plan.DefaultLimits(),
		Emissions: []plan.Emission{
			{Kind: plan.EmitPrintf, Format: "%d %s %s %s %s %s %r\n", Shape: plan.Shape{ErrnoSlot: -1, StackSlot: -1, Args: []plan.Node{
				arg(0, word), arg(1, plan.Type{Kind: plan.StrType, Size: 16}), arg(2, plan.Type{Kind: plan.FuncType}), arg(3, tuple),
				arg(4, plan.Type{Kind: plan.UsymType}), arg(5, plan.Type{Kind: plan.StackType}), arg(6, plan.Type{Kind: plan.BytesType, Size: 4}),
			}}, Slots: []plan.Slot{
				{Kind: plan.SlotInt}, {Kind: plan.SlotText, Size: 16}, {Kind: plan.SlotInt}, {Kind: plan.SlotTuple}, {Kind: plan.SlotSym}, {Kind: plan.SlotStack}, {Kind: plan.SlotBuf, Size: 4},
			}},
			{Kind: plan.EmitCall, Frame: true, Entry: 1, Slots: []plan.Slot{{Kind: plan.SlotInt}, {Kind: plan.SlotStack}}, Shape: plan.Shape{
				Args:   []plan.Node{{Name: "n", Type: goInt, Pieces: []plan.NodePiece{{Slot: 0, Size: 8}}}},
				Result: &plan.Node{Type: goInt, Pieces: []plan.NodePiece{{Slot: 1, Size: 8}}}, Errno: "negative", ErrnoSlot: -1, StackSlot: 2,
			}, ByFunction: map[int]plan.Shape{1: {ErrnoSlot: -1, StackSlot: -1, Args: []plan.Node{{Name: "b", Type: boolean, Pieces: []plan.NodePiece{{Slot: 0, Size: 8}}}}}}},
			{Kind: plan.EmitMapPrint, Map: 0, Top: 3, Div: 2},
			{Kind: plan.EmitMapZero, Map: 1},
			{Kind: plan.EmitExit, Code: 4},
			{Kind: plan.EmitPrint, Slots: []plan.Slot{{Kind: plan.SlotInt}}, Shape: plan.Shape{ErrnoSlot: -1, StackSlot: -1, Args: []plan.Node{arg(0, word)}}},
		},
	}
	body := plan.Body{Frame: &plan.Frame{Slots: []plan.Slot{{Kind: plan.SlotInt}}}}
	for i := range p.Emissions {
		body.Stmts = append(body.Stmts, &plan.If{Then: []plan.Stmt{&plan.Loop{Body: []plan.Stmt{&plan.Emit{Emission: i}}}}})
	}
	p.Probes = []plan.Probe{{Name: "uprobe:x:f", Bodies: []plan.Body{body}}}
	return p
}

func number(n uint64) plantest.Captured { return plantest.Captured{Number: n} }

func data(kind plan.SlotKind, b string) plantest.Captured {
	return plantest.Captured{Kind: kind, Bytes: []byte(b), Code: uint32(len(b))}
}

var clock = plan.Clock{Wall: time.Unix(1000, 0).UTC(), Mono: 5e9}

func TestRecordsBecomeEvents(t *testing.T) {
	d := plan.NewDecoder(runPlan(), clock, symbols{})
	stack := string(plantest.Words(0x401010, 0x401021, 0))
	tuple := string(plantest.Words(7)) + "abc\x00.......\x00\x00\x00\x00\x00"
	for _, c := range []struct {
		name  string
		kind  plan.EmissionKind
		head  plantest.Header
		slots []plantest.Captured
		want  string
	}{
		{"printf", plan.EmitPrintf, plantest.Header{Emission: 0, Time: 6e9, PID: 3, TID: 4}, []plantest.Captured{
			number(^uint64(0)), data(plan.SlotText, "text\x00\x00\x00\x00"), number(1), data(plan.SlotTuple, tuple),
			{Kind: plan.SlotSym, Number: 0x401000}, data(plan.SlotStack, stack), {Kind: plan.SlotBuf, Bytes: []byte{1, 2, 3, 255}, Code: 4 | plan.SlotCut},
		}, `{"type":"printf","time":"1970-01-01T00:16:41Z","pid":3,"tid":4,"text":"-1 text g (7, \"abc\") work ` +
			`\n        inner\n        work+16\n        inner\n        work+33\n \"\\001\\002\\003\\377\"...\n",` +
			`"args":[-1,"text","g",[7,"abc"],"work",["inner","work","inner","work"],{"cut":{"bytes":"010203ff"}}]}`},
		{"a call with its stack", plan.EmitCall, plantest.Header{Emission: 1, Time: 5e9, PID: 3, TID: 4, Duration: 9, Goroutine: 2, Depth: 1, Outcome: event.Returned, Comm: "prog"},
			[]plantest.Captured{number(5), number(6), data(plan.SlotStack, stack)},
			`{"type":"call","time":"1970-01-01T00:16:40Z","pid":3,"tid":4,"goroutine":2,"comm":"prog","target":"/lib/libx.so","function":"f","args":{"n":5},"return":6,"duration_ns":9,"depth":1,"stack":["inner","work","inner","work"]}`},
		{"a function with a shape of its own", plan.EmitCall, plantest.Header{Emission: 1, Function: 1, Time: 5e9, Outcome: event.Returned},
			[]plantest.Captured{number(1), number(6)},
			`{"type":"call","time":"1970-01-01T00:16:40Z","pid":0,"tid":0,"comm":"","target":"/lib/libx.so","function":"g","args":{"b":true},"duration_ns":0}`},
		{"a call that has not returned has no result", plan.EmitCall, plantest.Header{Emission: 1, Time: 5e9, Outcome: event.Unfinished}, []plantest.Captured{number(5)},
			`{"type":"call","time":"1970-01-01T00:16:40Z","pid":0,"tid":0,"comm":"","target":"/lib/libx.so","function":"f","args":{"n":5},"outcome":"unfinished"}`},
		{"a tail call has the callee's result", plan.EmitCall, plantest.Header{Emission: 1, Time: 5e9, Outcome: event.TailCalled, Callee: 2}, []plantest.Captured{number(5), number(6)},
			`{"type":"call","time":"1970-01-01T00:16:40Z","pid":0,"tid":0,"comm":"","target":"/lib/libx.so","function":"f","args":{"n":5},"duration_ns":0,"outcome":"tail-called","callee":"g"}`},
		{"zero", plan.EmitMapZero, plantest.Header{Emission: 3}, nil, `{"type":"clear","map":"@h"}`},
		{"exit", plan.EmitExit, plantest.Header{Emission: 4}, nil, `{"type":"exit","code":4}`},
		{"print", plan.EmitPrint, plantest.Header{Emission: 5, Time: 5e9}, []plantest.Captured{number(9)}, `{"type":"print","time":"1970-01-01T00:16:40Z","pid":0,"tid":0,"value":9}`},
	} {
		e, err := d.Record(plantest.Record(c.kind, c.head, c.slots))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got, err := json.Marshal(e); err != nil || string(got) != c.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", c.name, err, got, c.want)
		}
	}
	e, err := d.Record(plantest.Record(plan.EmitMapPrint, plantest.Header{Emission: 2}, nil))
	if m, ok := e.(*event.MapPrint); err != nil || !ok || m.Map.Name != "x" || m.Top != 3 || m.Div != 2 {
		t.Errorf("print(@x): %+v, %v", e, err)
	}
}

// TestMissingSlotsSayWhy: the codes of memory slots.
func TestMissingSlotsSayWhy(t *testing.T) {
	d := plan.NewDecoder(runPlan(), clock, nil)
	for code, want := range map[uint32]string{
		plan.SlotUnreadable: "<unreadable>", plan.SlotFull: "<lost>", plan.SlotSkipped: "...", plan.SlotUnavailable: "<unavailable>", 200: "<lost>",
	} {
		slots := make([]plantest.Captured, 7)
		for i := range slots {
			slots[i] = plantest.Captured{Kind: plan.SlotBuf, Code: code}
		}
		e, err := d.Record(plantest.Record(plan.EmitPrintf, plantest.Header{}, slots))
		if err != nil {
			t.Fatal(err)
		}
		if v := e.(*event.Print).Args[1]; v.Text(event.LangC) != want {
			t.Errorf("code %x: %s, want %s", code, v.Text(event.LangC), want)
		}
	}
}

func TestBadRecordsAreErrors(t *testing.T) {
	d := plan.NewDecoder(runPlan(), clock, nil)
	for name, record := range map[string][]byte{
		"empty":           nil,
		"short":           make([]byte, 23),
		"short call":      plantest.Record(plan.EmitPrintf, plantest.Header{Emission: 1}, nil),
		"no emission":     plantest.Record(plan.EmitPrintf, plantest.Header{Emission: 99}, nil),
		"no function":     plantest.Record(plan.EmitCall, plantest.Header{Emission: 1, Function: 9}, nil),
		"no emission, -1": plantest.Record(plan.EmitPrintf, plantest.Header{Emission: -1}, nil),
	} {
		if e, err := d.Record(record); err == nil {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// FuzzRecord: no bytes make the decoder panic, and what it gives can be printed.
func FuzzRecord(f *testing.F) {
	p := runPlan()
	f.Add(plantest.Record(plan.EmitCall, plantest.Header{Emission: 1, Outcome: event.Returned}, []plantest.Captured{number(5), number(6), data(plan.SlotStack, "12345678")}))
	f.Add(plantest.Record(plan.EmitPrintf, plantest.Header{}, []plantest.Captured{number(5), data(plan.SlotText, "x"), number(6), data(plan.SlotTuple, "12345678")}))
	d := plan.NewDecoder(p, clock, symbols{})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := d.Record(b)
		if err != nil {
			return
		}
		if call, ok := e.(*event.Call); ok {
			for i := range call.Args {
				call.Args[i].Value.Text(call.Language)
			}
		}
		if out, err := json.Marshal(e); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	})
}

// cells gives map cells as an engine does.
func cells(list ...[2][]byte) plan.Cells {
	return func(fn func(key []byte, values [][]byte) error) error {
		for _, c := range list {
			half := len(c[1]) / 2
			if err := fn(c[0], [][]byte{c[1][:half], c[1][half:]}); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestMapsAreSummedOverCPUs(t *testing.T) {
	p := runPlan()
	d := plan.NewDecoder(p, clock, symbols{})
	m, err := d.Map(0, cells([2][]byte{{1, 0, 0, 0}, plantest.Words(2, 3)}, [2][]byte{{0, 0, 0, 0}, plantest.Words(0, 0)}), nil)
	if err != nil || len(m.Entries) != 1 || m.Entries[0].Agg.Count != 5 || m.Entries[0].Function.Function != "g" || m.Entries[0].Key[0].Str != "g" {
		t.Errorf("count by func: %+v, %v", m, err)
	}

	hist := func(sum uint64, values ...int64) []byte {
		b := make([]byte, p.Maps[1].ValueSize())
		binary.LittleEndian.PutUint64(b, uint64(len(values)))
		binary.LittleEndian.PutUint64(b[8:], sum)
		for _, v := range values {
			b[16+8*p.Maps[1].BucketOf(v)]++
		}
		return b
	}
	key := append([]byte("ls\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), plantest.Words(77, 3)...)
	stack := func(id uint64) []uint64 {
		if id != 77 {
			t.Errorf("stack ID %d", id)
		}
		return []uint64{0x401010, 0x10, 0, 1}
	}
	m, err = d.Map(1, cells([2][]byte{key, append(hist(9, 4, 5), hist(20, 20)...)}), stack)
	if err != nil || len(m.Entries) != 1 {
		t.Fatalf("hist: %+v, %v", m, err)
	}
	entry := m.Entries[0]
	if entry.Key[0].Str != "ls" || len(entry.Key[1].Frames) != 3 || entry.Agg.Count != 3 || entry.Agg.Sum != 29 {
		t.Errorf("hist: %+v", entry)
	}
	want := []event.Bucket{{Low: 4, High: 8, Count: 2}, {Low: 8, High: 16}, {Low: 16, High: 32, Count: 1}}
	for i, b := range entry.Agg.Buckets {
		if len(entry.Agg.Buckets) != len(want) || b != want[i] {
			t.Errorf("buckets %v, want %v", entry.Agg.Buckets, want)
		}
	}

	m, err = d.Map(2, func(fn func([]byte, [][]byte) error) error {
		return fn(make([]byte, 8), [][]byte{plantest.Words(^uint64(4))})
	}, nil)
	if err != nil || m.Entries[0].Agg.Value.Int != -5 {
		t.Errorf("value: %+v, %v", m, err)
	}

	low := func(v int64) uint64 { return p.Maps[3].Order(v, true) }
	m, err = d.Map(3, cells([2][]byte{plantest.Words(8), plantest.Words(1, low(3), 1, low(-2))}, [2][]byte{plantest.Words(9), plantest.Words(0, 0, 1, low(6))}), nil)
	if err != nil || m.Entries[0].Agg.Min != -2 || m.Entries[1].Agg.Min != 6 || m.Entries[1].Key[0].Uint != 9 {
		t.Errorf("min: %+v, %v", m, err)
	}

	m, err = d.Map(4, cells([2][]byte{{0, 0, 0, 0}, plantest.Words(0, 0)}), nil)
	if err != nil || len(m.Entries) != 1 || m.Entries[0].Agg.Count != 0 {
		t.Errorf("a count without key that is 0: %+v, %v", m, err)
	}
	for name, bad := range map[string]plan.Cells{
		"short key": cells([2][]byte{{0}, plantest.Words(0, 0)}), "short value": cells([2][]byte{{0, 0, 0, 0}, {1, 2}}),
	} {
		if _, err := d.Map(4, bad, nil); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := d.Map(9, cells(), nil); err == nil {
		t.Error("a map that the plan has not is accepted")
	}
}
