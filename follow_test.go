package sonde_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
)

// followed counts what a command calls of a function, and what it says that it has called.
func followed(t *testing.T, probe string, argv ...string) (counted, called uint64) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "calls")
	t.Setenv("FOLLOW_CALLS", file)
	target, err := sonde.Open(sonde.Command(argv...))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	session, err := target.Count(t.Context(), probe, sonde.WithEngine(sonde.EngineUser))
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Wait(); err != nil {
		t.Fatal(err)
	}
	if status, ok := session.ExitStatus(); !ok || status != 0 {
		t.Errorf("the command ended with %d", status)
	}
	for _, r := range session.Refusals() {
		t.Errorf("%s: %s", r.Function, r.Why)
	}
	for _, n := range session.Notes() {
		t.Error(n)
	}
	snapshot, err := session.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range snapshot.Maps[0].Entries {
		counted += entry.Agg.Count
	}
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		var pid int
		var n uint64
		if _, err := fmt.Sscan(line, &pid, &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		called += n
	}
	return counted, called
}

// Every call of every program that a command executes is counted, of the first instruction on, however it comes to be executed.
func TestWhatACommandExecutesIsCountedFromInside(t *testing.T) {
	kinds := map[string][]string{"dynamic": {"-pthread"}, "static": {"-static", "-pthread"}, "fixed": {"-no-pie", "-pthread"}, "musl": {"CC=musl-gcc", "-O2", "-g"}}
	for name, flags := range kinds {
		program := fixture.Build(t, "command/follow.c", flags...)
		for _, way := range []string{"exec", "fork", "bomb", "spawn", "threads", "signals", "stops"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				counted, called := followed(t, program+":step", program, way, "100", "4")
				if counted != called || called < 200 {
					t.Errorf("%d calls counted, the programs made %d", counted, called)
				}
			})
		}
		t.Run(name+"/shell", func(t *testing.T) {
			counted, called := followed(t, program+":step", "/bin/sh", "-c", fmt.Sprintf("for i in 1 2 3 4 5 6 7 8 9 10; do %s exec 10 2 & done; wait; true | %s end 7 0; exec %[1]s exec 5 1", program, program))
			if counted != called || called != 10*30+7+10 {
				t.Errorf("%d calls counted, the programs made %d", counted, called)
			}
		})
	}
}

// So are those of a library that they use, those of its constructor before main among them.
func TestLibrariesOfACommandAreCountedFromInside(t *testing.T) {
	const early = 7
	t.Setenv("STEP_EARLY", fmt.Sprint(early))
	for name, flags := range map[string][]string{"glibc": nil, "musl": {"CC=musl-gcc"}} {
		library := fixture.Build(t, "command/step.c", slices.Concat(flags, []string{"-shared", "-fPIC", "-O1"})...)
		program := fixture.Build(t, "command/follow.c", slices.Concat(flags, []string{"-DLIBRARY", "-O1", "-pthread", "-Wl,--no-as-needed", library})...)
		for way, programs := range map[string]uint64{"exec": 5, "fork": 5, "bomb": 5, "spawn": 5, "threads": 5, "stops": 2, "end": 1} {
			t.Run(name+"/"+way, func(t *testing.T) {
				counted, called := followed(t, library+":step", program, way, "100", "4")
				if called += programs * early; counted != called || called < 100 {
					t.Errorf("%d calls counted, the programs made %d", counted, called)
				}
			})
		}
	}
}

// The C library's functions are counted in every program of a pipeline, exactly as by the kernel's probes.
func TestEnginesAgreeOnWhatAShellExecutes(t *testing.T) {
	fixture.NeedRoot(t)
	t.Setenv("FOLLOW_CALLS", "/dev/null")
	var counts []uint64
	for _, engine := range []sonde.Engine{sonde.EngineKernel, sonde.EngineUser} {
		target, err := sonde.Open(sonde.Command("/bin/sh", "-c", "for i in 1 2 3; do ls / | sort | wc -l; done > /dev/null"))
		if err != nil {
			t.Fatal(err)
		}
		session, err := target.Count(t.Context(), "libc:malloc", sonde.WithEngine(engine))
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Wait(); err != nil {
			t.Fatal(err)
		}
		counts = append(counts, session.Stats().Hits)
		target.Close()
	}
	if counts[0] != counts[1] || counts[0] == 0 {
		t.Errorf("%d calls of malloc counted by the kernel, %d from inside", counts[0], counts[1])
	}
}

// A call that ends because its program is replaced is one that does not return, and nothing pairs with it.
func TestReplacedProgramsLeaveNoCallsOpen(t *testing.T) {
	program := fixture.Build(t, "command/follow.c", "-pthread")
	t.Setenv("FOLLOW_CALLS", filepath.Join(t.TempDir(), "calls"))
	target, err := sonde.Open(sonde.Command(program, "exec", "10", "5"))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	session, err := target.Trace(t.Context(), program+":main", sonde.WithEngine(sonde.EngineUser))
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Wait(); err != nil {
		t.Fatal(err)
	}
	stats := session.Stats()
	if stats.Hits != 6 || stats.MissedBy[event.MissedExit] != 5 || stats.Unfinished != 0 || stats.Lost != 0 {
		t.Errorf("%+v", stats)
	}
}
