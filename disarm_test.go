package sonde_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
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
