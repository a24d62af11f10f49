package main

import (
	"bytes"
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

// A program that was followed by the hybrid engine runs on when sonde is killed, in what it has executed meanwhile, and recover makes it whole.
func TestAProgramThatIsFollowedOutlivesSonde(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/replace.c", "-pthread", "-O2")
	for _, way := range []string{"exec", "storm 3", "thread"} {
		t.Run(way, func(t *testing.T) {
			r := fixture.Start(t, program)
			r.Line()
			ready := filepath.Join(t.TempDir(), "ready")
			o := exec.Command("sonde", "count", "--engine=hybrid", "--if", "arg0 % 2 == 0", "-p", strconv.Itoa(r.PID), program+":step", "--ready-file", ready)
			o.Stderr = os.Stderr
			if err := o.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = o.Process.Kill(); _ = o.Wait() }()
			awaits(t, "it observes", func() bool { _, err := os.Stat(ready); return err == nil })
			r.Number("call 10")
			if line := r.Ask(way + " " + program); line != "ready" {
				t.Fatal(line)
			}
			awaits(t, "the next program has a region", func() bool { return touched(r.PID) != "" })
			_ = o.Process.Kill()
			_ = o.Wait()
			for range 3 {
				if n := r.Number("call 1000"); n != 1000 {
					t.Errorf("step called %d times", n)
				}
			}
			if out, err := exec.Command("sonde", "recover", strconv.Itoa(r.PID)).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if what := touched(r.PID); what != "" {
				t.Error(what)
			}
			r.Number("call 10")
			r.Finish()
		})
	}
}

// awaits waits for what does come.
func awaits(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waiting until %s", what)
		}
	}
}

// A program that loads a library while sonde is stopped goes on after a moment, and what is missing for that is said.
func TestWhatIsLoadedWhileSondeIsStoppedIsTold(t *testing.T) {
	library := fixture.Build(t, "command/step.c", "-shared", "-fPIC", "-O1")
	r := fixture.Start(t, fixture.Build(t, "command/loads.c", "-ldl", "-pthread"), library)
	r.Line()
	ready, said := filepath.Join(t.TempDir(), "ready"), &bytes.Buffer{}
	o := exec.Command("sonde", "count", "--engine=user", "-p", strconv.Itoa(r.PID), library+":step", "--ready-file", ready)
	o.Stderr = said
	if err := o.Start(); err != nil {
		t.Fatal(err)
	}
	defer o.Process.Kill()
	awaits(t, "it observes", func() bool { _, err := os.Stat(ready); return err == nil })
	_ = o.Process.Signal(unix.SIGSTOP)
	if err := unix.Waitid(unix.P_PID, o.Process.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil); err != nil { // its last thread may run for a while yet
		t.Fatal(err)
	}
	if n := r.Number("5 10"); n != 50 {
		t.Errorf("step called %d times", n)
	}
	_ = o.Process.Signal(unix.SIGCONT)
	_ = o.Process.Signal(unix.SIGINT)
	if err := o.Wait(); err != nil || !strings.Contains(said.String(), "calls of what was mapped then are missing") {
		t.Errorf("%v, %q", err, said)
	}
	r.Finish()
}
