package sonde_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
)

// followed counts what a command calls of a function, and what it says that it has called.
func followed(t *testing.T, probe string, argv ...string) (counted, called uint64) {
	t.Helper()
	return followedBy(t, sonde.EngineUser, probe, argv...)
}

func followedBy(t *testing.T, engine sonde.Engine, probe string, argv ...string) (counted, called uint64) {
	t.Helper()
	first, _, _ := strings.Cut(string(engine), ",")
	file := filepath.Join(t.TempDir(), "calls")
	t.Setenv("FOLLOW_CALLS", file)
	target, err := sonde.Open(sonde.Command(argv...))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	session, err := target.Count(t.Context(), probe, sonde.WithEngine(engine))
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
	var how strings.Builder
	if err := session.Explain(&how); err != nil || !strings.HasPrefix(how.String(), "engine: "+first) {
		t.Errorf("run as\n%s", how.String())
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

// So are those of programs and libraries of a command that both engines observe: each call once, whichever engine has the function.
func TestWhatACommandExecutesIsCountedByBothEngines(t *testing.T) {
	fixture.NeedRoot(t)
	const early = 7
	t.Setenv("STEP_EARLY", fmt.Sprint(early))
	library := fixture.Build(t, "command/step.c", "-shared", "-fPIC", "-O1", "-DBOTH")
	program := fixture.Build(t, "command/follow.c", "-DLIBRARY", "-O1", "-pthread", "-DBOTH", "-Wl,--no-as-needed", library)
	for way, programs := range map[string]uint64{"exec": 5, "fork": 5, "bomb": 5, "spawn": 5, "threads": 5, "stops": 2, "end": 1} {
		t.Run(way, func(t *testing.T) {
			counted, called := followedBy(t, sonde.EngineMixed, library+":step", program, way, "100", "4")
			if called += programs * early; counted != called || called < 100 {
				t.Errorf("%d calls counted, the programs made %d", counted, called)
			}
			counted, called = followedBy(t, sonde.EngineMixed, library+":/^(step|hard)$/", program, way, "100", "4")
			if called = 2 * (called + programs*early); counted != called {
				t.Errorf("%d calls counted, the programs made %d", counted, called)
			}
		})
	}
}

// The C library's functions are counted in every program of a pipeline, exactly as by the kernel's probes.
func TestEnginesAgreeOnWhatAShellExecutes(t *testing.T) {
	fixture.Libraries(t, false)
	fixture.NeedRoot(t)
	t.Setenv("FOLLOW_CALLS", "/dev/null")
	var counts []uint64
	for _, engine := range []sonde.Engine{sonde.EngineKernel, sonde.EngineUser, sonde.EngineMixed} {
		target, err := sonde.Open(sonde.Command("/bin/sh", "-c", "for i in 1 2 3; do ls / | sort | wc -l; done > /dev/null"))
		if err != nil {
			t.Fatal(err)
		}
		session, err := target.Count(t.Context(), "libc:setlocale", sonde.WithEngine(engine))
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Wait(); err != nil {
			t.Fatal(err)
		}
		counts = append(counts, session.Stats().Hits)
		target.Close()
	}
	if counts[0] != counts[1] || counts[0] != counts[2] || counts[0] == 0 {
		t.Errorf("%d calls of setlocale counted by the kernel, %d from inside, %d by both", counts[0], counts[1], counts[2])
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

// answering is a running program that works when it is told to.
type answering struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func answers(t *testing.T, argv ...string) *answering {
	t.Helper()
	a := &answering{t: t, cmd: exec.Command(argv[0], argv[1:]...)}
	a.cmd.Env = append(os.Environ(), "FOLLOW_CALLS=/dev/null")
	a.cmd.Stderr = os.Stderr
	a.in, _ = a.cmd.StdinPipe()
	out, _ := a.cmd.StdoutPipe()
	a.out = bufio.NewScanner(out)
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.cmd.Process.Kill(); _ = a.cmd.Wait() })
	a.line()
	return a
}

func (a *answering) line() string {
	a.t.Helper()
	if !a.out.Scan() {
		a.t.Fatalf("the program has ended: %v", a.cmd.Wait())
	}
	return a.out.Text()
}

// ask tells it to work, and gives how often it has called step since it began.
func (a *answering) ask(line string) (calls uint64) {
	a.t.Helper()
	fmt.Fprintln(a.in, line)
	calls, err := strconv.ParseUint(a.line(), 10, 64)
	if err != nil {
		a.t.Fatal(err)
	}
	return calls
}

// end lets it end, and expects that to go well.
func (a *answering) end() {
	a.t.Helper()
	_ = a.in.Close()
	for a.out.Scan() {
	}
	if err := a.cmd.Wait(); err != nil {
		a.t.Error(err)
	}
}

// Several processes of several programs are counted in one run, in the same maps, and each by itself where the key tells them apart.
func TestSeveralProcessesAreCountedFromInside(t *testing.T) {
	library := fixture.Build(t, "command/step.c", "-shared", "-fPIC", "-O1")
	var all []*answering
	var pids []int
	for n, flags := range [][]string{{"-DLIBRARY", "-O1", "-Wl,--no-as-needed", library}, {"-DLIBRARY", "-O2", "-no-pie", "-Wl,--no-as-needed", library}, {"-DLIBRARY", "-O1", "-Wl,--no-as-needed", library}} {
		all = append(all, answers(t, fixture.Build(t, "command/follow.c", flags...), "wait", fmt.Sprint(10*(n+1)), "0"))
		pids = append(pids, all[n].cmd.Process.Pid)
	}
	target, err := sonde.Open(sonde.PID(append(pids, pids[0])...))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	for range 3 {
		session, err := target.Count(t.Context(), library+":step", sonde.WithEngine(sonde.EngineUser), sonde.By("pid"))
		if err != nil {
			t.Fatal(err)
		}
		want := map[int64]uint64{}
		for n, a := range all {
			for range n + 2 {
				a.ask("more")
				want[int64(pids[n])] += uint64(10 * (n + 1))
			}
		}
		if err := session.Close(); err != nil {
			t.Fatal(err)
		}
		snapshot, err := session.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		got := map[int64]uint64{}
		for _, entry := range snapshot.Maps[0].Entries {
			got[entry.Key[len(entry.Key)-1].Int64()] += entry.Agg.Count
		}
		if !maps.Equal(got, want) {
			t.Errorf("calls by process: %v, want %v", got, want)
		}
		for _, n := range session.Notes() {
			t.Error(n)
		}
	}
	for _, a := range all {
		a.end()
	}
}
