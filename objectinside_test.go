package sonde_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

// shownBy runs an object on a command and gives what it shows, in an order that does not depend on threads; what depends on when and where the
// command runs is taken out.
func shownBy(t *testing.T, file string, argv []string, options ...sonde.RunOption) (string, event.Stats) {
	t.Helper()
	session, err := open(t, sonde.Command(argv...)).RunObject(t.Context(), file, options...)
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for e := range session.Events() {
		switch e := e.(type) {
		case *event.Record:
			shown = append(shown, e.Map+" "+e.Value.Text(event.LangC))
		case *event.Log:
			shown = append(shown, "line "+e.Comm+" "+e.Text)
		case *event.MapPrint:
			for _, entry := range e.Map.Entries {
				shown = append(shown, fmt.Sprintf("@%s%v %s", e.Map.Name, texts(entry.Key), entry.Agg.Value.Text(event.LangC)))
			}
		}
	}
	if err := session.Err(); err != nil {
		t.Fatal(err)
	}
	if status, ended := session.ExitStatus(); status != 0 || !ended {
		t.Errorf("%s: status %d, ended %v", argv[0], status, ended)
	}
	passing := regexp.MustCompile(`(pid|took)=\d+`)
	for i := range shown {
		shown[i] = passing.ReplaceAllString(shown[i], "$1")
	}
	slices.Sort(shown)
	return strings.Join(shown, "\n"), session.Stats()
}

// built compiles an object, from Rust if its name says so.
func built(t *testing.T, name string) string {
	t.Helper()
	language := ".c"
	if name == "rust" {
		language = ".rs"
	}
	return fixture.Build(t, "object/"+name+".bpf"+language)
}

func texts(values []event.Value) (out []string) {
	for i := range values {
		out = append(out, values[i].Text(event.LangC))
	}
	return out
}

func TestObjectsShowTheSameInsideAProcessAsInTheKernel(t *testing.T) {
	fixture.NeedRoot(t)
	work, crowd := fixture.Build(t, "command/work.c"), fixture.Build(t, "command/crowd.c")
	for name, c := range map[string]struct {
		object  string
		argv    []string
		options []sonde.RunOption
		want    string // in what it shows
		hits    uint64
	}{
		"a ring buffer, and variables": {"calls", []string{work}, []sonde.RunOption{sonde.Attach("on_greet=" + work + ":greet"), sonde.Set("least=2", "levels=0x11,2", "filter.port=443"),
			sonde.EventType("struct event"), sonde.Prototypes("")}, `times=3, debt=-3, known=true, word=67305985, bytes={1, 2, 3, 4}, rest={low=-5, at=0x1234}, list={17, 443, 0}}`, 3},
		"entries and returns, a perf event array": {"latency", []string{work}, []sonde.RunOption{sonde.Attach("handle_entry="+work+":twice", "handle_return="+work+":twice"),
			sonde.EventType("struct sample_event")}, `result=18, comm="`, 20},
		"what a command executes": {"latency", []string{"/bin/sh", "-c", work + "; exec " + work}, []sonde.RunOption{sonde.Attach("handle_entry="+work+":twice", "handle_return="+work+":twice"),
			sonde.EventType("struct sample_event")}, `result=18, comm="`, 40},
		"one program at many functions": {"multi", []string{work}, []sonde.RunOption{sonde.Attach("any=" + work + ":[tg][wr]*"), sonde.SumCPUs()}, "nine came, 9 before it", 13},
		"an object without types":       {"legacy", []string{work}, []sonde.RunOption{sonde.Attach("old=" + work + ":twice")}, `@table`, 10},
		"lines of aya-log":              {"ayalog", []string{work}, []sonde.RunOption{sonde.Attach("demo=" + work + ":twice")}, "twice(9) by01:02:ab:04:05:06/ff", 10},
		"what rustc made": {"rust", []string{work}, []sonde.RunOption{sonde.Attach("on_twice="+work+":twice", "after_twice="+work+":twice"),
			sonde.EventType("struct Event"), sonde.Prototypes("testdata/rust.h")}, "@CALLS[9] 1\nEVENTS {pid, result=0, tail={1, 2, 3, 4}}", 20},
		"threads, functions and lines": {"parts", []string{crowd, "3", "400"}, []sonde.RunOption{sonde.Attach("on_say="+crowd+":say", "on_end="+crowd+":end", "after_end="+crowd+":end",
			"on_said="+crowd+":crowd:said"), sonde.SumCPUs(), sonde.EventType("struct said_event")},
			"-3000000000 -7 FFFFFFF9 enough z    42 00042 42   | ffffffff4d2fa200", 2 + 2*3*400},
	} {
		file := built(t, c.object)
		kernel, kernelStats := shownBy(t, file, c.argv, append(c.options, sonde.WithEngine(sonde.EngineKernel))...)
		inside, insideStats := shownBy(t, file, c.argv, append(c.options, sonde.WithEngine(sonde.EngineUser))...)
		if c.object == "legacy" { // the kernel pads
			kernel = strings.ReplaceAll(kernel, `\003\000`, `\003`)
		}
		if inside != kernel || !strings.Contains(inside, c.want) {
			t.Errorf("%s: inside\n%s\nin the kernel\n%s\nwant %s", name, inside, kernel, c.want)
		}
		if insideStats.Hits != c.hits || insideStats.Lost != 0 || insideStats.Events != kernelStats.Events || kernelStats.Hits != c.hits {
			t.Errorf("%s: want %d hits; inside %+v, in the kernel %+v", name, c.hits, insideStats, kernelStats)
		}
	}
}

// Every record is kept, dropped by the program, or counted as lost, whatever the number of threads.
func TestRecordsOfAnObjectInsideAProcessAreAllAccountedFor(t *testing.T) {
	fixture.NeedRoot(t)
	const threads, calls = 60, 5000
	crowd := fixture.Build(t, "command/crowd.c")
	session, err := open(t, sonde.Command(crowd, fmt.Sprint(threads), fmt.Sprint(calls))).RunObject(t.Context(), fixture.Build(t, "object/parts.bpf.c"),
		sonde.Attach("on_say="+crowd+":say"), sonde.SumCPUs(), sonde.EventType("struct said_event"), sonde.WithEngine(sonde.EngineUser))
	if err != nil {
		t.Fatal(err)
	}
	records, of := int64(0), map[string]int64{}
	for e := range session.Events() {
		switch e := e.(type) {
		case *event.Record:
			records++
			n := e.Value.Field("number").Uint64()
			want := fmt.Sprintf(`{number=%d, word="something", sum=%d, twice={%d, %d}}`, n, 6*n+2, ^n, ^n)
			if got := e.Value.Text(event.LangC); got != want || n&1 != 0 {
				t.Fatalf("a record %s, want %s", got, want)
			}
		case *event.MapPrint:
			for _, entry := range e.Map.Entries {
				of[e.Map.Name+strings.Join(texts(entry.Key), "")] = entry.Agg.Value.Int64()
			}
		}
	}
	stats := session.Stats()
	if session.Err() != nil || of["calls"] != threads*calls || of["sums0"] != threads*calls || of["kept"]+of["dropped"]+int64(stats.Lost) != threads*calls || records != of["kept"] {
		t.Errorf("%d records, %v, %+v, %v", records, of, stats, session.Err())
	}
	for thread := range threads {
		if n := of[fmt.Sprintf("threads%d", thread)]; n != calls {
			t.Errorf("thread %d: %d of %d calls", thread, n, calls)
		}
	}
}

func TestWhatAnObjectCannotDoInsideAProcessIsNamed(t *testing.T) {
	program, pid := runningAs(t, fixture.Build(t, "command/work.c"))
	static := fixture.Build(t, "command/static.c")
	inside := sonde.WithEngine(sonde.EngineUser)
	process := []sonde.Option{sonde.PID(pid)}
	for name, c := range map[string]struct {
		object  string
		target  []sonde.Option
		options []sonde.RunOption
		want    string
	}{
		"a helper":        {"parts", process, []sonde.RunOption{sonde.Attach("on_say=" + program + ":twice"), sonde.Set("tell_task=true")}, "program on_say: it calls bpf_get_current_task"},
		"a session":       {"session", process, []sonde.RunOption{sonde.Attach("around=" + program + ":twice")}, "sessions, which program around is written for"},
		"a semaphore":     {"usdt", []sonde.Option{sonde.Command(static)}, []sonde.RunOption{sonde.Attach("on_begin=" + static + ":app:begin")}, "semaphores"},
		"the kernel says": {"rejected", process, []sonde.RunOption{sonde.Attach("careless=" + program + ":twice")}, "the kernel's verifier refuses it"},
		"tracefs":         {"multi", process, []sonde.RunOption{sonde.Attach("any=" + program + ":twice"), sonde.WithEngine(sonde.EngineTracefs)}, "engine tracefs runs none"},
	} {
		_, err := open(t, c.target...).RunObject(context.Background(), fixture.Build(t, "object/"+c.object+".bpf.c"), append([]sonde.RunOption{inside}, c.options...)...)
		var d *script.Diagnostic
		if !errors.As(err, &d) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil || strings.Contains(string(maps), "memfd") {
		t.Errorf("%v; something was mapped into the process before the object was refused:\n%s", err, maps)
	}
}

// A running process is left as it was.
func TestAnObjectLeavesTheProcessThatItRanIn(t *testing.T) {
	program, pid := runningAs(t, fixture.Build(t, "command/work.c"))
	before := count(t)
	target := open(t, sonde.PID(pid))
	session, err := target.RunObject(t.Context(), fixture.Build(t, "object/latency.bpf.c"), sonde.Attach("handle_entry="+program+":twice", "handle_return="+program+":twice"),
		sonde.EventType("struct sample_event"), sonde.MaxEvents(20), sonde.WithEngine(sonde.EngineUser))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for e := range session.Events() {
		if r, ok := e.(*event.Record); ok {
			seen++
			if got := r.Value.Field("pid").Int64(); got != int64(pid) {
				t.Fatalf("process %d, want %d", got, pid)
			}
		}
	}
	if session.Err() != nil || seen != 20 {
		t.Errorf("%d records, %v", seen, session.Err())
	}
	out, err := exec.Command("grep", "-c", "memfd", fmt.Sprintf("/proc/%d/maps", pid)).Output()
	if strings.TrimSpace(string(out)) != "0" {
		t.Errorf("left behind: %s mappings, %v", out, err)
	}
	target.Close()
	settled(t, before)
}
