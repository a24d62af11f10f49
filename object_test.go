package sonde_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/object"
	"github.com/sonde-project/sonde/script"
)

// A compiled object with its variables set; its records come typed.
func ExampleTarget_RunObject() {
	target, err := sonde.Open(sonde.Command("./app"))
	if err != nil {
		log.Fatal(err)
	}
	defer target.Close()
	session, err := target.RunObject(context.Background(), "latency.bpf.o",
		sonde.Attach("handle_entry=libc:getaddrinfo", "handle_return=libc:getaddrinfo"),
		sonde.Set("least_ns=1000000"), sonde.EventType("events=struct event"))
	if err != nil {
		log.Fatal(err)
	}
	for e := range session.Events() {
		if r, ok := e.(*event.Record); ok {
			fmt.Println(r.Value.Field("host"), r.Value.Field("took").Uint64())
		}
	}
}

func TestAnObjectSeesOnlyTheProcessesOfItsTargetAndLeavesNothing(t *testing.T) {
	program, pid := running(t)
	_, other := running(t)
	before := count(t)
	place := program + ":twice"
	target := open(t, sonde.PID(pid))
	session, err := target.RunObject(context.Background(), fixture.Build(t, "object/latency.bpf.c"),
		sonde.Attach("handle_entry="+place, "handle_return="+place), sonde.EventType("struct sample_event"), sonde.MaxEvents(50))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for e := range session.Events() {
		r, ok := e.(*event.Record)
		if !ok {
			continue
		}
		seen++
		if got := r.Value.Field("pid").Int64(); got != int64(pid) {
			t.Fatalf("process %d, want %d (and never %d)", got, pid, other)
		}
		if r.Guess {
			t.Fatal("a type that was named is no guess")
		}
	}
	if err := session.Err(); err != nil || seen != 50 {
		t.Errorf("%d records, %v", seen, err)
	}
	if s := session.Stats(); s.Lost != 0 || s.Hits < 100 {
		t.Errorf("stats: %+v", s)
	}
	if n := session.Notes(); len(n) != 0 {
		t.Errorf("notes: %q", n)
	}
	target.Close()
	settled(t, before)
}

func TestAnObjectThatBpf2goMadeRuns(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/work.c")
	target := open(t, sonde.Command(program))
	session, err := target.RunObject(context.Background(), "internal/scaffold/bpf/count/probe_x86_bpfel.o", sonde.Place(program, "twice"))
	if err != nil {
		t.Fatal(err)
	}
	counted := ""
	for e := range session.Events() {
		if m, ok := e.(*event.MapPrint); ok {
			for _, entry := range m.Map.Entries {
				counted += fmt.Sprintf("%s=%s ", m.Map.Name, entry.Agg.Value.Text(event.LangC))
			}
		}
	}
	if err := session.Err(); err != nil || !strings.Contains(counted, "10") || session.Stats().Hits != 10 {
		t.Errorf("%q, %d hits, %v", counted, session.Stats().Hits, err)
	}
}

func TestMistakesAboutObjectsAreToldApart(t *testing.T) {
	file := fixture.Build(t, "object/foreign.bpf.c")
	target := open(t)
	for _, c := range []struct {
		options []sonde.RunOption
		want    error
	}{
		{nil, object.ForeignProgram},
		{[]sonde.RunOption{sonde.Attach("nope=libc:malloc")}, object.NoProgram},
		{[]sonde.RunOption{sonde.Attach("on_twice=libc:malloc"), sonde.Set("nope=1")}, object.NoVariable},
		{[]sonde.RunOption{sonde.Attach("on_twice=libc:malloc"), sonde.Set("calls=many")}, object.BadValue},
		{[]sonde.RunOption{sonde.Attach("on_twice=libc:malloc"), sonde.EventType("struct nope")}, object.NoMap},
	} {
		if _, err := target.RunObject(context.Background(), file, c.options...); !errors.Is(err, c.want) {
			t.Errorf("got %v, want %v", err, c.want)
		}
	}
}

func TestWhatARingBufferHasNoRoomForIsCountedAsLost(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/work.c")
	target := open(t, sonde.Command(program))
	session, err := target.RunObject(context.Background(), fixture.Build(t, "object/flood.bpf.c"), sonde.Attach("flood="+program+":greet"))
	if err != nil {
		t.Fatal(err)
	}
	records := int64(0)
	variables := map[string]int64{}
	for e := range session.Events() {
		switch e := e.(type) {
		case *event.Record:
			records++
		case *event.MapPrint:
			variables[e.Map.Name] = e.Map.Entries[0].Agg.Value.Int64()
		}
	}
	stats := session.Stats()
	if records != variables["sent"] || int64(stats.LostBy[event.LostRing]) != variables["refused"] || records+variables["refused"] != 120 || stats.Hits != 3 {
		t.Errorf("%d records, %+v; the program says %v; %v", records, stats, variables, session.Err())
	}
}

func TestAnObjectsReturnProgramsDoNoHarmToGo(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "go/grows")
	place := program + ":main.deep"
	target := open(t, sonde.Command(program))
	for _, engine := range []sonde.Engine{sonde.EngineKernel, sonde.EngineUser} {
		session, err := target.RunObject(context.Background(), fixture.Build(t, "object/latency.bpf.c"), sonde.WithEngine(engine),
			sonde.Attach("handle_entry="+place, "handle_return="+place))
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Wait(); err != nil {
			t.Fatal(err)
		}
		const calls = 20 * 201
		if status, ended := session.ExitStatus(); status != 0 || !ended || session.Stats().Hits != 2*calls {
			t.Errorf("%s: status %d, ended %v, %d hits; want 0 and %d entries and returns", engine, status, ended, session.Stats().Hits, 2*calls)
		}
	}
	_, err := target.RunObject(context.Background(), fixture.Build(t, "object/session.bpf.c"), sonde.Attach("around="+place))
	if !errors.Is(err, script.Code("not-armed")) && !errors.Is(err, script.Code("kernel-too-old")) {
		t.Errorf("a session in Go: %v", err)
	}
}
