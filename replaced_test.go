package sonde_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/fixture"
)

// replacing is a running program that executes others, and a session that counts what is called in it.
type replacing struct {
	*answering
	session *sonde.Session
	target  *sonde.Target
	calls   uint64 // that were asked for while probes were there
	trapped bool   // step is the kernel's, and nothing is told
}

func counting(t *testing.T, program, probe string, options ...sonde.RunOption) *replacing {
	t.Helper()
	r := &replacing{answering: answers(t, program)}
	var err error
	if r.target, err = sonde.Open(sonde.PID(r.cmd.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.target.Close() })
	if r.session, err = r.target.Count(t.Context(), probe, slices.Concat([]sonde.RunOption{sonde.WithEngine(sonde.EngineUser)}, options)...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.session.Close() })
	return r
}

// call has it call step, and expects that to be counted.
func (r *replacing) call(n uint64) {
	r.t.Helper()
	r.calls += r.ask(fmt.Sprintf("call %d", n))
}

// becomes has it execute a program, and waits until that is told and a call of it is counted.
func (r *replacing) becomes(line string) {
	r.t.Helper()
	told := r.session.Notes()
	r.executes(line)
	r.observed(line, told)
}

// observed waits until there are other notes than those told, or the kernel has its probes there, and a call is counted.
func (r *replacing) observed(line string, told []string) {
	r.t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if r.trapped || !slices.Equal(r.session.Notes(), told) {
			before := r.hits()
			if r.ask("call 1"); r.hits() == before+1 {
				r.calls++
				return
			}
		}
		if time.Now().After(until) {
			r.t.Fatalf("%s: not observed: %q", line, r.session.Notes())
		}
	}
}

func (r *replacing) executes(line string) {
	r.t.Helper()
	fmt.Fprintln(r.in, line)
	if got := r.line(); got != "ready" {
		r.t.Fatalf("%s: %q", line, got)
	}
}

// hits is what was counted so far.
func (r *replacing) hits() (n uint64) {
	r.t.Helper()
	snapshot, err := r.session.Snapshot()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, entry := range snapshot.Maps[0].Entries {
		n += entry.Agg.Count
	}
	return n
}

// counted ends the session, and expects what was called to be counted.
func (r *replacing) counted() {
	r.t.Helper()
	if err := r.session.Close(); err != nil {
		r.t.Fatal(err)
	}
	for _, refusal := range r.session.Refusals() {
		r.t.Errorf("%s: %s", refusal.Function, refusal.Why)
	}
	if stats := r.session.Stats(); stats.Hits != r.calls || stats.Lost != 0 {
		r.t.Errorf("%d calls counted, %d made: %+v", stats.Hits, r.calls, stats)
	}
}

// toldOf expects one note of the program that was executed, and a time for which that was not observed.
func (r *replacing) toldOf(program string) {
	r.t.Helper()
	notes := r.session.Notes()
	if want := fmt.Sprintf("process %d executed %s ", r.cmd.Process.Pid, program); len(notes) != 1 || !strings.HasPrefix(notes[0], want) {
		r.t.Errorf("notes %q, want %q...", notes, want)
	}
	if gap := r.session.Stats().Unobserved; gap <= 0 {
		r.t.Errorf("unobserved for %v", gap)
	}
}

// What a process executes that was named is counted from a moment later on, however it comes to be executed, and for how long it was not is said.
func TestWhatARunningProcessExecutesIsCountedFromInside(t *testing.T) {
	kinds := map[string][]string{"dynamic": {"-pthread"}, "static": {"-static", "-pthread"}, "fixed": {"-no-pie", "-pthread"}, "musl": {"CC=musl-gcc", "-O2", "-g"}}
	for name, flags := range kinds {
		program := fixture.Build(t, "command/replace.c", flags...)
		for _, way := range []string{"exec", "storm 7", "thread", "orphan"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				t.Parallel()
				r := counting(t, program, program+":step")
				r.call(1000)
				const times = 3
				for range times {
					r.becomes(way + " " + program)
					r.call(500)
				}
				r.counted()
				r.toldOf(program)
				r.end()
			})
		}
	}
}

// A library that a process uses is observed in whatever it executes; a program that has none of the functions is said to have none.
func TestLibrariesAreObservedInWhatARunningProcessExecutes(t *testing.T) {
	for name, c := range map[string]struct {
		flags  []string
		engine sonde.Engine
	}{"glibc": {[]string{"-pthread"}, sonde.EngineUser}, "musl": {[]string{"CC=musl-gcc"}, sonde.EngineUser}, "hybrid": {[]string{"-pthread"}, sonde.EngineHybrid}} {
		t.Run(name, func(t *testing.T) {
			if c.engine == sonde.EngineHybrid {
				fixture.NeedRoot(t)
			}
			t.Parallel()
			library := fixture.Build(t, "command/step.c", slices.Concat(c.flags, []string{"-shared", "-fPIC", "-O1"})...)
			linked := slices.Concat(c.flags, []string{"-DLIBRARY", "-Wl,--no-as-needed", library})
			program := fixture.Build(t, "command/replace.c", slices.Concat(linked, []string{"-O1"})...)
			other := fixture.Build(t, "command/replace.c", slices.Concat(linked, []string{"-O2"})...)
			without := fixture.Build(t, "command/replace.c", c.flags...)
			r := counting(t, program, library+":step", sonde.WithEngine(c.engine))
			r.call(100)
			r.becomes("exec " + other)
			r.call(200)
			r.executes("exec " + without)
			if n := r.ask("call 300"); n != 300 {
				t.Errorf("step called %d times", n)
			}
			r.becomes("exec " + program)
			r.call(400)
			r.executes("exec " + without)
			r.counted()
			if notes := strings.Join(r.session.Notes(), "\n"); !strings.Contains(notes, " executed "+other+",") || !strings.Contains(notes, " executed "+program+",") {
				t.Errorf("notes %q", notes)
			}
			r.end()
		})
	}
}

// What a child executes is not the process's; the parent is counted exactly meanwhile.
func TestWhatAChildExecutesIsNotTheProcesss(t *testing.T) {
	program := fixture.Build(t, "command/replace.c", "-pthread")
	r := counting(t, program, program+":step")
	for range 20 {
		r.call(50)
		if status := r.ask("child " + program); status != 0 {
			t.Errorf("the child ended with %d", status)
		}
	}
	r.counted()
	if notes := r.session.Notes(); len(notes) != 0 {
		t.Errorf("notes %q", notes)
	}
	r.end()
}

// A program that cannot be observed from inside runs as if nobody looked, and why it is not is said.
func TestProgramsThatCannotBeObservedAreLeftAlone(t *testing.T) {
	program := fixture.Build(t, "command/replace.c", "-pthread")
	r := counting(t, program, program+":step")
	r.call(10)
	r.executes("filter " + program)
	for until := time.Now().Add(time.Minute); len(r.session.Notes()) == 0 && time.Now().Before(until); time.Sleep(time.Millisecond) {
	}
	if n := r.ask("call 1000"); n != 1000 {
		t.Errorf("step called %d times", n)
	}
	r.counted()
	if notes := r.session.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "was not observed") || !strings.Contains(notes[0], "seccomp") {
		t.Errorf("notes %q", notes)
	}
	r.end()
}

// The C library of a shell is observed, and then that of the program which the shell executes.
func TestACLibraryIsObservedInWhatAShellExecutes(t *testing.T) {
	fixture.Libraries(t, false)
	program := fixture.Build(t, "command/replace.c", "-pthread")
	a := answers(t, "/bin/sh", "-c", "echo ready; read word; exec "+program)
	target, err := sonde.Open(sonde.PID(a.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	session, err := target.Count(t.Context(), "libc:write", sonde.WithEngine(sonde.EngineUser))
	if err != nil {
		t.Fatal(err)
	}
	r := &replacing{answering: a, session: session}
	r.becomes("word")
	before := r.hits()
	const answers = 30
	for range answers {
		r.ask("call 1")
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	if n := session.Stats().Hits - before; n != answers {
		t.Errorf("%d answers counted, %d made", n, answers)
	}
	if notes := session.Notes(); len(notes) != 1 || !strings.HasPrefix(notes[0], fmt.Sprintf("process %d executed %s,", a.cmd.Process.Pid, program)) {
		t.Errorf("notes %q", notes)
	}
	a.end()
}

// Where a run is divided between the engine inside and the kernel's, both go on in what a process executes, by whichever of its threads.
func TestBothEnginesObserveWhatARunningProcessExecutes(t *testing.T) {
	fixture.NeedRoot(t)
	for _, engine := range []sonde.Engine{sonde.EngineMixed, sonde.EngineAuto, sonde.EngineHybrid} {
		for _, way := range []string{"exec", "storm 3", "thread", "orphan"} {
			t.Run(string(engine)+"/"+way, func(t *testing.T) {
				program := fixture.Build(t, "command/replace.c", "-pthread", "-O2")
				r := counting(t, program, program+":/^(step|hard)$/", sonde.WithEngine(engine))
				r.trapped = engine == sonde.EngineAuto // its jump would lie on the first instruction
				want := map[string]uint64{}
				r.call(100)
				for range 3 {
					r.becomes(way + " " + program)
					r.call(50)
					if way == "thread" || way == "orphan" {
						until := time.Now().Add(time.Minute)
						for before := r.hits(); r.hits() == before; r.ask("hard 1") { // until the kernel's probes are there anew
							if time.Now().After(until) {
								t.Fatalf("not observed: %q", r.session.Notes())
							}
						}
						want["hard"]++
					}
					want["hard"] += r.ask("hard 30")
				}
				want["step"] = r.calls
				if err := r.session.Close(); err != nil {
					t.Fatal(err)
				}
				if got := counted(t, r.session); !maps.Equal(got, want) {
					t.Errorf("counted %v, want %v", got, want)
				}
				r.end()
			})
		}
	}
}

// A process that executes one program after the other may be attached to and left at any moment: it comes out of that whole, and answers as ever.
func TestAProcessMayBeLeftWhileItExecutesPrograms(t *testing.T) {
	for name, c := range map[string]struct {
		flags  []string
		engine sonde.Engine
	}{"dynamic": {[]string{"-pthread"}, sonde.EngineUser}, "static": {[]string{"-static", "-no-pie", "-pthread"}, sonde.EngineUser}, "hybrid": {[]string{"-pthread"}, sonde.EngineHybrid}} {
		t.Run(name, func(t *testing.T) {
			if c.engine == sonde.EngineHybrid {
				fixture.NeedRoot(t)
			}
			t.Parallel()
			program := fixture.Build(t, "command/replace.c", c.flags...)
			for n := range 10 {
				r := counting(t, program, program+":step", sonde.WithEngine(c.engine))
				fmt.Fprintf(r.in, "storm 100 %s\n", program)
				time.Sleep(time.Duration(n) * 5 * time.Millisecond)
				if err := r.session.Close(); err != nil {
					t.Fatal(err)
				}
				if got := r.line(); got != "ready" {
					t.Errorf("it says %q", got)
				}
				if n := r.ask("call 1000"); n != 1000 {
					t.Errorf("step called %d times", n)
				}
				if maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", r.cmd.Process.Pid)); err != nil || strings.Contains(string(maps), "sonde") && strings.Contains(string(maps), "memfd") {
					t.Errorf("%v\n%s", err, maps)
				}
				r.end()
			}
		})
	}
}

// A process that ends right after it has executed a program ends as ever.
func TestAProcessThatEndsInsteadOfBeingObserved(t *testing.T) {
	program := fixture.Build(t, "command/replace.c", "-pthread")
	for range 10 {
		r := counting(t, program, program+":step")
		fmt.Fprintln(r.in, "exec /bin/true")
		if err := r.session.Wait(); err != nil {
			t.Error(err)
		}
		if err := r.cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// Calls that were open in a program when it was replaced do not return, and those of the next are paired with nothing of it.
func TestCallsOfAReplacedProgramAreMissedReturns(t *testing.T) {
	program := fixture.Build(t, "command/replace.c", "-pthread")
	r := &replacing{answering: answers(t, program)}
	var err error
	if r.target, err = sonde.Open(sonde.PID(r.cmd.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	defer r.target.Close()
	if r.session, err = r.target.Time(t.Context(), program+":/^(step|become)$/", sonde.WithEngine(sonde.EngineUser)); err != nil {
		t.Fatal(err)
	}
	const times = 4
	for range times {
		executed := func() []string {
			return slices.DeleteFunc(r.session.Notes(), func(note string) bool { return !strings.Contains(note, " executed ") })
		}
		told := executed()
		r.executes("exec " + program)
		for slices.Equal(told, executed()) {
			time.Sleep(time.Millisecond)
		}
		r.call(10)
	}
	if err := r.session.Close(); err != nil {
		t.Fatal(err)
	}
	if stats := r.session.Stats(); stats.Hits != r.calls+times || stats.MissedBy[event.MissedExit] != times || stats.Unfinished != 0 {
		t.Errorf("%+v, want %d hits", stats, r.calls+times)
	}
	r.end()
}

// A program with more rights than we have runs on unobserved, and that is said.
func TestAProgramWithMoreRightsIsLeftAlone(t *testing.T) {
	const nobody, given = 65534, "SONDE_TEST_PROGRAM"
	if program := os.Getenv(given); program != "" {
		r := counting(t, program, program+":step")
		r.call(10)
		r.executes("exec " + program + ".more")
		for range 5 {
			if n := r.ask("call 100"); n != 100 {
				t.Errorf("step called %d times", n)
			}
			time.Sleep(10 * time.Millisecond)
		}
		r.counted()
		if notes := r.session.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "may not be looked at any more") {
			t.Errorf("notes %q", notes)
		}
		r.end()
		return
	}
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/replace.c", "-static", "-pthread")
	if err := os.Chmod(fixture.CopyTo(t, program, program+".more"), 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	tests := exec.Command("/proc/self/exe", "-test.v", "-test.run=^"+t.Name()+"$")
	tests.Dir = "/"
	tests.Env = append(os.Environ(), "HOME=/nonexistent", given+"="+program)
	tests.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := tests.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

// The kernel's probes are narrowed to a process by its first thread. What that one executes they see from its first instruction on; when it has ended, as it
// does too when another one executes a program, they are armed anew, and for how long nothing was seen is said.
func TestWhatAnotherThreadExecutesIsCountedByTheKernelsEngine(t *testing.T) {
	fixture.NeedRoot(t)
	for way, wants := range map[string][]string{"exec": nil, "storm 5": nil, "thread": {" executed ", " executed ", " executed "}, "orphan": {" executed ", " executed ", " executed "}} {
		t.Run(way, func(t *testing.T) {
			program := fixture.Build(t, "command/replace.c", "-pthread", "-O2")
			r := counting(t, program, program+":step", sonde.WithEngine(sonde.EngineKernel))
			r.trapped = true
			r.call(100)
			for n := range 3 {
				if wants == nil {
					r.executes(way + " " + program)
				} else {
					r.becomes(way + " " + program)
					for until := time.Now().Add(time.Minute); len(executions(r.session)) <= n && time.Now().Before(until); {
						time.Sleep(time.Millisecond)
					}
				}
				r.call(100)
			}
			r.counted()
			notes := executions(r.session)
			if len(notes) != len(wants) {
				t.Errorf("notes %q, want %q", notes, wants)
			}
			for _, note := range notes {
				if !slices.ContainsFunc(wants, func(want string) bool { return strings.Contains(note, want) }) {
					t.Errorf("note %q, want %q", note, wants)
				}
			}
			if gap := r.session.Stats().Unobserved; (gap > 0) != (wants != nil) {
				t.Errorf("unobserved for %v", gap)
			}
			r.end()
		})
	}
}

// executions are the notes about them. Where probes are events there are others, about threads that end before.
func executions(s *sonde.Session) []string {
	return slices.DeleteFunc(s.Notes(), func(note string) bool { return strings.Contains(note, " ended which ") })
}

// When the first thread of a process ends, the others are counted on.
func TestThreadsAreCountedWhenTheFirstOneEnds(t *testing.T) {
	fixture.NeedRoot(t)
	support, err := kernel.Probe()
	if err != nil {
		t.Fatal(err)
	}
	for _, engine := range []sonde.Engine{sonde.EngineKernel, sonde.EngineHybrid} {
		t.Run(string(engine), func(t *testing.T) {
			program := fixture.Build(t, "command/replace.c", "-pthread", "-O2")
			r := counting(t, program, program+":/^(step|hard)$/", sonde.WithEngine(engine))
			r.call(10)
			if got := r.ask("alone 0"); got != 0 { // another thread reads the lines from here on
				t.Fatalf("it answers %d", got)
			}
			if !support.Multi { // events are armed anew, which is told
				r.observed("alone", nil)
			}
			r.call(500)
			want := r.ask("hard 300")
			if err := r.session.Close(); err != nil {
				t.Fatal(err)
			}
			if got := counted(t, r.session); got["step"] != r.calls || got["hard"] != want {
				t.Errorf("counted %v, want step %d, hard %d", got, r.calls, want)
			}
			if notes := r.session.Notes(); len(notes) > 0 == support.Multi {
				t.Errorf("notes %q", notes)
			}
			r.end()
		})
	}
}
