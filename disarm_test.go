package sonde_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

// A return that was disarmed before its entry once made every call in between look like one left by an exception.
func TestEndingWhileCallsGoOnMissesNoReturns(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "engine/spin.c")
	spinning := exec.Command(program)
	if err := spinning.Start(); err != nil {
		t.Fatal(err)
	}
	defer spinning.Wait()
	defer spinning.Process.Kill()
	target, err := sonde.Open(sonde.PID(spinning.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	for range 5 {
		session, err := target.Time(t.Context(), program+":step")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- session.Wait() }()
		waitForCalls(t, session) // a busy machine may give the program no time at all for a while
		session.Stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		stats := session.Stats()
		if stats.Hits == 0 {
			t.Fatal("no calls seen")
		}
		if stats.MissedReturns > 0 || stats.Unfinished > 1 {
			t.Errorf("%d hits, %d returns missed (%v), %d calls unfinished", stats.Hits, stats.MissedReturns, stats.MissedBy, stats.Unfinished)
		}
	}
}

// A process that another tracer holds at the end keeps its jumps, which is said; once that one has gone it is made whole.
func TestAProcessThatIsTracedAtTheEndIsTold(t *testing.T) {
	fixture.NeedRoot(t)
	fixture.Need(t, "strace")
	for _, engine := range []sonde.Engine{sonde.EngineUser, sonde.EngineHybrid, sonde.EngineMixed} {
		t.Run(string(engine), func(t *testing.T) {
			program := fixture.Build(t, "engine/spin.c")
			spinning := exec.Command(program)
			if err := spinning.Start(); err != nil {
				t.Fatal(err)
			}
			defer spinning.Wait()
			defer spinning.Process.Kill()
			pid := spinning.Process.Pid
			target, err := sonde.Open(sonde.PID(pid))
			if err != nil {
				t.Fatal(err)
			}
			defer target.Close()
			session, err := target.Count(t.Context(), program+":step", sonde.WithEngine(engine))
			if err != nil {
				t.Fatal(err)
			}
			straced := trace(t, pid)
			if err := session.Close(); err != nil {
				t.Fatal(err)
			}
			notes := session.Notes()
			if _, err := target.Count(t.Context(), program+":step", sonde.WithEngine(sonde.EngineKernel)); engine == sonde.EngineHybrid && !errors.Is(err, script.Code("observed")) {
				t.Errorf("a kernel probe would meet the jump, and is not refused: %v", err)
			}
			if len(notes) != 1 || !strings.Contains(notes[0], fmt.Sprintf("keeps its jumps until `sonde recover %d`", pid)) || !strings.Contains(notes[0], "(strace)") {
				t.Errorf("notes %q", notes)
			}
			straced()
			if mended, left, err := sonde.Recover(pid); mended != 1 || left != 0 || err != nil {
				t.Errorf("mended %d, left %d, %v", mended, left, err)
			}
		})
	}
}

// Probes of tracefs are in every process, whichever is observed: they are refused where a jump lies in some other one, which they would end.
func TestProbesInEveryProcessAreRefusedWhereOneIsPatched(t *testing.T) {
	fixture.NeedRoot(t)
	spin := fixture.Build(t, "engine/spin.c")
	probe := spin + ":step"
	for _, c := range []struct {
		engine  sonde.Engine
		refused bool
	}{
		{sonde.EngineTracefs, true},
		{sonde.EngineKernel, false},
	} {
		t.Run(string(c.engine), func(t *testing.T) {
			patched, err := goingOn(t, spin).Count(t.Context(), probe, sonde.WithEngine(sonde.EngineHybrid))
			if err != nil {
				t.Fatal(err)
			}
			other := goingOn(t, spin)
			beside, err := other.Count(t.Context(), probe, sonde.WithEngine(c.engine))
			if errors.Is(err, script.Code("observed")) != c.refused {
				t.Errorf("refused: %v", err)
			}
			if err == nil {
				beside.Close()
			}
			if err := patched.Close(); err != nil {
				t.Fatal(err)
			}
			if beside, err = other.Count(t.Context(), probe, sonde.WithEngine(c.engine)); err != nil {
				t.Fatalf("afterwards: %v", err)
			}
			beside.Close()
		})
	}
}

// Of a glob, kernel probes leave out the function that another sonde has patched, by name and reason, and see the others.
func TestAGlobLeavesOutWhatAnotherSondeHasPatched(t *testing.T) {
	fixture.NeedRoot(t)
	spin := fixture.Build(t, "engine/spin.c", "-DTWO")
	for _, engine := range []sonde.Engine{sonde.EngineTracefs, sonde.EngineKernel} {
		t.Run(string(engine), func(t *testing.T) {
			target := goingOn(t, spin)
			patched, err := target.Count(t.Context(), spin+":step", sonde.WithEngine(sonde.EngineHybrid))
			if err != nil {
				t.Fatal(err)
			}
			var explained bytes.Buffer
			s, err := target.Count(t.Context(), spin+":st*[pe]", sonde.WithEngine(engine), sonde.For(200*time.Millisecond))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Explain(&explained), s.Wait()); err != nil {
				t.Fatal(err)
			}
			snapshot, err := s.Snapshot()
			if err != nil || len(snapshot.Maps) != 1 || len(snapshot.Maps[0].Entries) != 1 || snapshot.Maps[0].Entries[0].Function.Function != "stride" {
				t.Errorf("%+v, %v", snapshot, err)
			}
			refusals := s.Refusals()
			if len(refusals) != 1 || refusals[0].Function != "step" || !strings.Contains(refusals[0].Why, "another sonde") {
				t.Errorf("refused: %v", refusals)
			}
			if !strings.Contains(explained.String(), "refused: step of ") {
				t.Errorf("explained:\n%s", &explained)
			}
			if err := patched.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// goingOn starts a program that goes on until the test ends, and opens it.
func goingOn(t *testing.T, program string) *sonde.Target {
	t.Helper()
	cmd := exec.Command(program)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	target, err := sonde.Open(sonde.PID(cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	return target
}

// trace has strace trace a process, and gives what ends that.
func trace(t *testing.T, pid int) (end func()) {
	t.Helper()
	strace := exec.Command("strace", "-qq", "-o", "/dev/null", "-p", strconv.Itoa(pid))
	if err := strace.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		_ = strace.Process.Signal(os.Interrupt)
		_ = strace.Wait()
	})
	t.Cleanup(end)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(status), "TracerPid:\t0\n") {
			return end
		}
	}
	t.Fatal("strace does not attach")
	return nil
}

// waitForCalls returns when calls have been timed.
func waitForCalls(t *testing.T, session *sonde.Session) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		snapshot, err := session.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range snapshot.Maps {
			if len(m.Entries) > 0 {
				return
			}
		}
	}
	session.Stop()
	t.Fatal("no calls seen")
}
