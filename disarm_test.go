package sonde_test

import (
	"context"
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
		session, err := target.Time(context.Background(), program+":step", sonde.For(50*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Wait(); err != nil {
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
