package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/fixture"
)

// A run that only counts or times leaves the processors to what it observes: it is woken a few times a second while nothing happens, also where it
// waits for a library to be loaded again. The tools of today look fifty times a second or more.
func TestARunThatOnlyCountsRests(t *testing.T) {
	fixture.NeedRoot(t)
	library := fixture.Build(t, "command/step.c", "-shared", "-fPIC", "-O1")
	program := fixture.Build(t, "c/idle.c", "-ldl")
	for _, engine := range []string{"user", "kernel", "user,kernel", "hybrid"} {
		for _, verb := range []string{"count", "time"} {
			t.Run(verb+" "+engine, func(t *testing.T) {
				t.Parallel()
				const most = 40 // a second, of all threads
				var all []int
				for range 3 { // what the Go runtime does by itself comes on top now and then
					all = append(all, switches(t, program, library, verb, "--engine="+engine))
					if all[len(all)-1] < most {
						return
					}
				}
				t.Errorf("its threads slept %v times a second", all)
			})
		}
	}
}

// switches is how often a second the threads of a run go to sleep, once it has nothing to do.
func switches(t *testing.T, program, library string, args ...string) int {
	t.Helper()
	observed := fixture.Start(t, program, library)
	defer observed.Finish()
	for mapped := false; !mapped; time.Sleep(10 * time.Millisecond) {
		maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", observed.PID))
		mapped = strings.Contains(string(maps), library)
	}
	run := startRun(t, append(args, "-p", strconv.Itoa(observed.PID), library+":step")...)
	defer func() {
		if err := errors.Join(run.Process.Signal(unix.SIGINT), run.Wait()); err != nil {
			t.Errorf("%v: %s", err, run.Stderr)
		}
	}()
	const settles, looked = 1500 * time.Millisecond, 2 * time.Second
	time.Sleep(settles)
	before := sleeps(t, run.Process.Pid)
	time.Sleep(looked)
	return int(float64(sleeps(t, run.Process.Pid)-before) / looked.Seconds())
}

// startRun starts a run of the command, and comes back when its probes are armed.
func startRun(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	run := exec.Command("sonde", append(args, "--ready-file", ready)...)
	run.Stderr = new(strings.Builder)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(ready); err == nil {
			return run
		}
		if time.Now().After(end) {
			run.Process.Kill()
			t.Fatalf("not ready: %v, %s", run.Wait(), run.Stderr)
		}
	}
}

// A program that loads libraries waits once for a run that was killed, and then no more.
func TestAKilledRunIsWaitedForOnce(t *testing.T) {
	t.Setenv("STEP_EARLY", "0")
	library := fixture.Build(t, "command/step.c", "-shared", "-fPIC", "-O1")
	program := fixture.Start(t, fixture.Build(t, "command/loads.c", "-ldl", "-pthread"), library)
	defer program.Finish()
	program.Line()
	run := startRun(t, "count", "--engine=user", "-p", strconv.Itoa(program.PID), library+":step")
	ask := func(line, want string) {
		t.Helper()
		if got := program.Ask(line); got != want {
			t.Errorf("%q, want %s", got, want)
		}
	}
	ask("3 10", "30")
	run.Process.Kill()
	run.Wait()
	const times, wait = 40, 500 * time.Millisecond // each rings twice or more
	began := time.Now()
	ask(fmt.Sprint(times, " 10"), "430")
	if took := time.Since(began); took > times*wait {
		t.Errorf("%d times took %v", times, took)
	}
}

// sleeps is how often the threads of a process have gone to sleep.
func sleeps(t *testing.T, pid int) (sum int) {
	t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if len(files) == 0 {
		t.Fatal("it has ended")
	}
	for _, f := range files {
		text, _ := os.ReadFile(f)
		_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:\t")
		word, _, _ := strings.Cut(rest, "\n")
		n, _ := strconv.Atoi(word)
		sum += n
	}
	return sum
}
