package render

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
)

var update = flag.Bool("update", false, "write the goldens in testdata anew")

// golden compares output with testdata/NAME.golden.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	text := normal(got)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), text); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// normal makes goldens readable: escapes are spelled out. Nothing else differs from run to run.
func normal(got []byte) string { return strings.ReplaceAll(string(got), "\x1b", `\e`) }

var noon = time.Date(2026, 1, 2, 12, 0, 0, 123456789, time.UTC)

const libc, libz = "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libz.so.1"

func ref(target, function string) *event.FunctionRef {
	return &event.FunctionRef{Target: target, Function: function, Language: event.LangC}
}

func counts(byComm bool, targets ...string) event.Map {
	m := event.Map{Kind: event.AggCount, Keys: []string{"func"}}
	if byComm {
		m.Keys = append(m.Keys, "comm")
	}
	for i, function := range []string{"malloc", "free", "deflate"} {
		e := event.Entry{Key: []event.Value{event.String(function)}, Function: ref(targets[i%len(targets)], function),
			Agg: event.Aggregate{Kind: event.AggCount, Count: uint64(10 + i*i*995)}}
		if byComm {
			e.Key = append(e.Key, event.String([]string{"ls", "curl", "b\x1b[2Jad"}[i]))
		}
		m.Entries = append(m.Entries, e)
	}
	return m
}

func latencyMap() event.Map {
	fold := agg.NewFold(nil, nil)
	for i := range 200 {
		name := "PQexec"
		if i%4 == 0 {
			name = "PQconnectdb"
		}
		fold.Add(&event.Call{Target: libz, Function: name, Duration: time.Duration(900+i*i*37) * time.Nanosecond, Outcome: event.Returned})
	}
	return fold.Latencies()
}

func sampleCalls() []*event.Call {
	args := func(pairs ...any) []event.Field {
		var fields []event.Field
		for i := 0; i < len(pairs); i += 2 {
			fields = append(fields, event.Field{Name: pairs[i].(string), Value: pairs[i+1].(event.Value)})
		}
		return fields
	}
	number := func(n int64) *event.Value { v := event.Int(n); return &v }
	null := event.Value{Kind: event.KindNil}
	return []*event.Call{
		{Time: noon, PID: 100, TID: 100, Comm: "curl", Target: libc, Function: "getaddrinfo", Language: event.LangC,
			Args: args("node", event.String("localhost"), "service", null), Return: number(0), Duration: 1234567, Outcome: event.Returned},
		{Time: noon, PID: 100, TID: 100, Comm: "curl", Target: libc, Function: "open", Language: event.LangC, Depth: 1,
			Args: args("", event.String("/etc/ho\x1bsts"), "", event.Missing(event.Unreadable, 0x1000)), Return: number(-1), Errno: "ENOENT", Duration: 850, Outcome: event.Returned},
		{Time: noon, PID: 200, TID: 201, Comm: "worker", Target: libc, Function: "free", Language: event.LangC, Depth: 2,
			Args: args("ptr", event.Value{Kind: event.KindPointer, Uint: 0x5000}), Duration: 35100, Outcome: event.TailCalled, Callee: "_int_free"},
		{Time: noon, PID: 200, TID: 201, Comm: "worker", Target: libc, Function: "pause", Language: event.LangC, Outcome: event.Unfinished},
		{Time: noon, PID: 300, TID: 300, Comm: "app", Target: "/bin/app", Function: "ns::Box<int(char)>::put(int, char const*) const", Language: event.LangCPP,
			Args: args("n", event.Int(3)), Duration: 61 * time.Second, Outcome: event.Returned},
		{Time: noon, PID: 300, TID: 305, Goroutine: 17, Comm: "app", Target: "/bin/app", Function: "main.(*Store).Put", Language: event.LangGo,
			Args: args("key", event.String("k")), Outcome: event.Recovered, Duration: 2 * time.Millisecond},
		{Time: noon, PID: 300, TID: 306, Comm: "app", Target: "/bin/app", Function: "probe", Language: event.LangC, Outcome: event.Entered,
			Stack: []event.Frame{{PC: 0x401136, Function: "leaf", Offset: 6, File: "leaf.c", Line: 12}, {PC: 0x401200, Function: "main", Offset: 16, Target: "/bin/app"}, {PC: 0x7f0000000010}}},
	}
}

func scriptMaps() []event.Event {
	key := func(values ...event.Value) []event.Value { return values }
	agg := func(kind event.AggKind, a event.Aggregate) event.Aggregate { a.Kind = kind; a.Signed = true; return a }
	stack := event.Value{Kind: event.KindStack, Frames: []event.Frame{{Function: "malloc"}, {Function: "main", Offset: 12}}}
	m := func(name string, kind event.AggKind, entries ...event.Entry) event.Map {
		return event.Map{Name: name, Kind: kind, Entries: entries}
	}
	hist := []event.Bucket{{Low: math.MinInt64, High: 0, Count: 1}, {Low: 0, High: 1, Count: 2}, {Low: 1, High: 2}, {Low: 2, High: 4, Count: 26}, {Low: 512, High: 1024, Count: 13}, {Low: 1024, High: 2048, Count: 1}}
	lhist := []event.Bucket{{Low: math.MinInt64, High: 0, Count: 1}, {Low: 0, High: 10, Count: 3}, {Low: 100, High: math.MaxInt64, Count: 4}}
	y := m("y", event.AggValue, event.Entry{Key: key(event.Int(7)), Agg: agg(event.AggValue, event.Aggregate{Value: event.Int(1)})},
		event.Entry{Key: key(event.Int(10)), Agg: agg(event.AggValue, event.Aggregate{Value: event.Int(2)})},
		event.Entry{Key: key(event.Int(3)), Agg: agg(event.AggValue, event.Aggregate{Value: event.Int(2)})})
	return []event.Event{
		&event.Print{Time: noon, PID: 1, TID: 1, Format: "%-5s|%5d|%llx\n", Args: []event.Value{event.String("ab"), event.Int(-4), event.Uint(255)}},
		&event.Print{Time: noon, PID: 1, TID: 1, Args: []event.Value{event.Int(5)}},
		&event.MapPrint{Map: y, Top: 2, Div: 2},
		&event.MapPrint{Final: true, Map: m("", event.AggCount, event.Entry{Agg: agg(event.AggCount, event.Aggregate{Count: 12})})},
		&event.MapPrint{Final: true, Map: m("avg", event.AggAvg, event.Entry{Key: key(event.String("a")), Agg: agg(event.AggAvg, event.Aggregate{Count: 2, Sum: -11})})},
		&event.MapPrint{Final: true, Map: m("neg", event.AggSum, event.Entry{Key: key(event.Int(2)), Agg: agg(event.AggSum, event.Aggregate{Sum: 3})},
			event.Entry{Key: key(event.Int(1)), Agg: agg(event.AggSum, event.Aggregate{Sum: -5})})},
		&event.MapPrint{Final: true, Map: m("st", event.AggStats, event.Entry{Agg: agg(event.AggStats, event.Aggregate{Count: 5, Sum: 10})})},
		&event.MapPrint{Final: true, Map: m("h", event.AggHist, event.Entry{Agg: agg(event.AggHist, event.Aggregate{Count: 43, Sum: 9000, Buckets: hist})})},
		&event.MapPrint{Final: true, Map: m("l", event.AggLhist, event.Entry{Key: key(event.String("x")), Agg: agg(event.AggLhist, event.Aggregate{Count: 8, Buckets: lhist})})},
		&event.MapPrint{Final: true, Map: m("stacks", event.AggCount, event.Entry{Key: key(stack, event.String("ls")), Agg: agg(event.AggCount, event.Aggregate{Count: 3})})},
		&event.MapPrint{Final: true, Map: m("min", event.AggMin, event.Entry{Agg: event.Aggregate{Kind: event.AggMin, Min: -1}})},
		&event.MapPrint{Final: true, Map: y},
		&event.MapClear{Name: "y"}, &event.Exit{},
	}
}

func sampleStats() event.Stats {
	return event.Stats{Hits: 1234, Filtered: 200, Events: 1014, Lost: 20, LostBy: map[event.LostCause]uint64{event.LostRing: 5, event.LostMap: 15},
		MissedReturns: 1, MissedBy: map[event.MissCause]uint64{event.MissedUnwound: 1, event.MissedExit: 0}, Unfinished: 2, Truncated: 1, Unreadable: 3,
		Cost: 2100 * time.Microsecond, Elapsed: 5 * time.Second}
}

func asEvents(calls []*event.Call) []event.Event {
	var events []event.Event
	for _, c := range calls {
		events = append(events, c)
	}
	return events
}

func prints(maps ...event.Map) []event.Event {
	var events []event.Event
	for _, m := range maps {
		events = append(events, &event.MapPrint{Map: m, Final: true})
	}
	return events
}

func TestStreamsWriteTheirGoldens(t *testing.T) {
	for name, c := range map[string]struct {
		o      Options
		events []event.Event
	}{
		"trace":         {Options{Zone: time.UTC}, asEvents(sampleCalls())},
		"trace-one":     {Options{}, asEvents(sampleCalls()[:2])},
		"trace-colour":  {Options{Colour: true, Process: true, Stamp: true, Zone: time.UTC}, asEvents(sampleCalls()[:3])},
		"count":         {Options{}, prints(counts(false, libc))},
		"count-by":      {Options{}, prints(counts(true, libc, libz))},
		"count-top":     {Options{Top: 1, Order: agg.ByName}, prints(counts(false, libc))},
		"count-narrow":  {Options{Width: 24}, prints(event.Map{Kind: event.AggCount, Keys: []string{"func"}, Entries: []event.Entry{{Key: []event.Value{event.String("f")}, Function: ref(libc, "a_name_that_is_too_long_for_it"), Agg: event.Aggregate{Count: 1}}}})},
		"count-nothing": {Options{}, prints(event.Map{Kind: event.AggCount})},
		"time":          {Options{Order: agg.ByTotal}, prints(latencyMap())},
		"time-narrow":   {Options{Width: 60, Histograms: 1, Colour: true}, prints(latencyMap())},
		"script":        {Options{Script: true}, scriptMaps()},
		"sql":           {Options{Zone: time.UTC}, sampleStatements()},
		"sql-narrow":    {Options{Width: 80}, sampleStatements()},
	} {
		for _, f := range []Format{Text, JSON, CSV} {
			if f != Text && (c.o.Colour || c.o.Width > 0) {
				continue
			}
			var out bytes.Buffer
			s, err := New(f, &out, c.o)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range c.events {
				if err := s.Event(e); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.End(sampleStats()); err != nil {
				t.Fatal(err)
			}
			golden(t, name+"-"+string(f), out.Bytes())
		}
	}
}

func TestListWritesItsGoldens(t *testing.T) {
	functions := []event.Function{
		{Target: libc, Name: "malloc", Signature: "void *malloc(size_t bytes)", Address: 0x98870, Size: 610, File: "malloc.c", Line: 3288, Language: event.LangC, Cost: "emulated"},
		{Target: libc, Name: "strlen", Address: 0x9a000, Language: event.LangC, Cost: "stepped", IFunc: true, Version: "@@GLIBC_2.2.5"},
		{Target: libc, Name: "memcpy", Address: 0x9b000, Language: event.LangC, Cost: "stepped", Version: "@GLIBC_2.2.5"},
		{Target: "/bin/app", Name: "ns::put(int)", Linkage: "_ZN2ns3putEi", Language: event.LangCPP, Inlined: 3},
		{Target: "/bin/app", Provider: "app", Name: "start", Signature: "(int64 id, char *name)", Address: 0x401000, Cost: "nop"},
	}
	for name, list := range map[string][]event.Function{"list": functions, "list-one-target": functions[:3], "list-nothing": nil} {
		for _, f := range []Format{Text, JSON, CSV} {
			var out bytes.Buffer
			if err := List(f, &out, list, Options{}); err != nil {
				t.Fatal(err)
			}
			golden(t, name+"-"+string(f), out.Bytes())
		}
	}
}

func TestFooterWritesItsGoldens(t *testing.T) {
	for name, s := range map[string]event.Stats{"footer": sampleStats(), "footer-quiet": {Hits: 1, Elapsed: 1500 * time.Millisecond},
		"footer-stopped": {Hits: 1, Elapsed: time.Second, Stopped: 4 * time.Millisecond, Stops: 3}, "footer-stopped-often": {Hits: 1, Elapsed: time.Second, Stopped: 4 * time.Millisecond, Stops: 29}} {
		var out bytes.Buffer
		if err := Footer(&out, s, Options{}); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.Bytes())
	}
}

func TestDoctorWritesItsGoldens(t *testing.T) {
	findings := []Finding{
		{Name: "eBPF", State: "ok", Found: "programs load"},
		{Name: "uprobe_multi links", State: "gap", Found: "kernel 6.1", Costs: "attaching 1000 functions takes minutes", Mend: "a kernel from 6.6 on"},
		{Name: "tracefs", State: "info", Mend: "mount -t tracefs tracefs /sys/kernel/tracing"},
	}
	for _, f := range []Format{Text, JSON} {
		var out bytes.Buffer
		if err := Doctor(f, &out, Diagnosis{Engine: "kernel", Findings: findings}, Options{Colour: f == Text}); err != nil {
			t.Fatal(err)
		}
		golden(t, "doctor-"+string(f), out.Bytes())
	}
}
