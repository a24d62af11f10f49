package sonde_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// What a process executes that was named is decided in that, however it comes to be executed, and what passes there is the kernel's as before.
func TestWhatARunningProcessExecutesIsCountedByTheHybridEngine(t *testing.T) {
	fixture.NeedRoot(t)
	kinds := map[string][]string{"dynamic": {"-pthread"}, "static": {"-static", "-pthread"}, "fixed": {"-no-pie", "-pthread"}}
	for name, flags := range kinds {
		program := fixture.Build(t, "command/replace.c", slices.Concat(flags, []string{"-O2"})...)
		for _, way := range []string{"exec", "storm 7", "thread", "orphan"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				r := counting(t, program, program+":step", sonde.WithEngine(sonde.EngineHybrid), sonde.If("arg0 % 2 == 0"))
				passed := uint64(0)
				call := func(n uint64) { r.call(n); passed += (n + 1) / 2 } // step(0), step(1) ...
				call(1001)
				for range 3 {
					before := r.calls
					r.becomes(way + " " + program)
					passed += r.calls - before
					call(501)
				}
				r.counted()
				if stats := r.session.Stats(); stats.Filtered != r.calls-passed || r.hits() != passed {
					t.Errorf("%d of %d calls were to pass: %d did, %+v", passed, r.calls, r.hits(), stats)
				}
				r.toldOf(program)
				r.end()
			})
		}
	}
}

// So are returns, by replaced addresses and at the instructions that leave, and functions that cannot be patched are the kernel's in each program.
func TestReturnsInWhatARunningProcessExecutesAreSeenByTheHybridEngine(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/replace.c", "-pthread", "-O2")
	for _, returns := range []string{"auto", "sites", "trampoline"} {
		t.Run(returns, func(t *testing.T) {
			r := counting(t, program, program+":/^(step|hard)$/", sonde.WithEngine(sonde.EngineHybrid), sonde.ReturnBy(returns), sonde.If("retval >= 0 && arg0 >= 0"))
			want := map[string]uint64{}
			r.call(100)
			for range 3 {
				r.becomes("exec " + program)
				r.call(50)
				want["hard"] += r.ask("hard 30")
			}
			want["step"] = r.calls
			if err := r.session.Close(); err != nil {
				t.Fatal(err)
			}
			for name, n := range counted(t, r.session) {
				if want[name] != n {
					t.Errorf("%s: %d calls counted, %d made", name, n, want[name])
				}
			}
			if stats := r.session.Stats(); stats.Lost+stats.MissedReturns+stats.Unfinished != 0 {
				t.Errorf("%+v", stats)
			}
			r.end()
		})
	}
}

// Every call of every program that a command executes is counted, from the first instruction on, as by the engine inside.
func TestWhatACommandExecutesIsCountedByTheHybridEngine(t *testing.T) {
	fixture.NeedRoot(t)
	for name, flags := range map[string][]string{"dynamic": {"-pthread"}, "fixed": {"-no-pie", "-pthread"}} {
		program := fixture.Build(t, "command/follow.c", flags...)
		for _, way := range []string{"exec", "fork", "bomb", "spawn", "threads", "signals", "stops"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				counted, called := followedBy(t, sonde.EngineHybrid, program+":step", program, way, "100", "4")
				if counted != called || called < 200 {
					t.Errorf("%d calls counted, the programs made %d", counted, called)
				}
			})
		}
	}
}

// So are those of a library that they use, those of its constructor before main among them, and of functions that cannot be patched.
func TestLibrariesOfACommandAreCountedByTheHybridEngine(t *testing.T) {
	fixture.NeedRoot(t)
	const early = 7
	t.Setenv("STEP_EARLY", fmt.Sprint(early))
	library := fixture.Build(t, "command/step.c", "-shared", "-fPIC", "-O1", "-DBOTH")
	program := fixture.Build(t, "command/follow.c", "-DLIBRARY", "-O1", "-pthread", "-DBOTH", "-Wl,--no-as-needed", library)
	for way, programs := range map[string]uint64{"exec": 5, "fork": 5, "bomb": 5, "stops": 2, "end": 1} {
		t.Run(way, func(t *testing.T) {
			counted, called := followedBy(t, sonde.EngineHybrid, library+":/^(step|hard)$/", program, way, "100", "4")
			if called = 2 * (called + programs*early); counted != called || called < 100 {
				t.Errorf("%d calls counted, the programs made %d", counted, called)
			}
		})
	}
}

// Calls that were open in a program when it was replaced do not end, and those of the next are paired with nothing of it.
func TestCallsOfAReplacedProgramStayOpenUnderTheHybridEngine(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/replace.c", "-pthread")
	r := &replacing{answering: answers(t, program)}
	var err error
	if r.target, err = sonde.Open(sonde.PID(r.cmd.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	defer r.target.Close()
	if r.session, err = r.target.Time(t.Context(), program+":/^(step|become)$/", sonde.WithEngine(sonde.EngineHybrid)); err != nil {
		t.Fatal(err)
	}
	const times = 4
	for range times {
		told := r.session.Notes()
		r.executes("exec " + program)
		for slices.Equal(told, r.session.Notes()) {
			time.Sleep(time.Millisecond)
		}
		r.call(10)
	}
	r.session.Stop()
	if err := r.session.Wait(); err != nil {
		t.Fatal(err)
	}
	if stats := r.session.Stats(); stats.Hits != r.calls+times || stats.Unfinished != times || stats.MissedReturns != 0 {
		t.Errorf("%+v, want %d hits", stats, r.calls+times)
	}
	r.end()
}
