//go:build soak

package sonde_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
)

// soaking is how long a soak test goes on.
func soaking(t *testing.T) time.Duration {
	t.Helper()
	if d, err := time.ParseDuration(os.Getenv("SONDE_SOAK")); err == nil {
		return d
	}
	return time.Minute
}

// spin starts a program that calls step without end.
func spin(t *testing.T) (program string, pid int) {
	t.Helper()
	fixture.NeedRoot(t)
	program = fixture.Build(t, "engine/spin.c")
	spinning := exec.Command(program)
	if err := spinning.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		spinning.Process.Kill()
		spinning.Wait()
	})
	return program, spinning.Process.Pid
}

// footprint is what a leak makes grow.
type footprint struct{ files, goroutines, programs, kib int }

func measure(t *testing.T) footprint {
	t.Helper()
	runtime.GC()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	f := footprint{files: len(files), goroutines: runtime.NumGoroutine()}
	for _, file := range files {
		if link, _ := os.Readlink(filepath.Join("/proc/self/fd", file.Name())); strings.Contains(link, "bpf") {
			f.programs++
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	if f.kib, err = strconv.Atoi(strings.Fields(rest)[0]); err != nil {
		t.Fatal(err)
	}
	return f
}

// Sessions one after the other, each ended while calls go on.
func TestSoakSessionsLeaveNothing(t *testing.T) {
	program, pid := spin(t)
	verbs := []func(*sonde.Target, context.Context, string, ...sonde.RunOption) (*sonde.Session, error){
		(*sonde.Target).Count, (*sonde.Target).Time, (*sonde.Target).Trace,
	}
	var first footprint
	end, sessions, hits := time.Now().Add(soaking(t)), 0, uint64(0)
	for ; time.Now().Before(end); sessions++ {
		target, err := sonde.Open(sonde.PID(pid))
		if err != nil {
			t.Fatal(err)
		}
		s, err := verbs[sessions%len(verbs)](target, context.Background(), program+":step", sonde.For(30*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		hits += account(t, s).Hits
		if err := target.Close(); err != nil {
			t.Fatal(err)
		}
		if sessions == 10 {
			first = measure(t)
		}
	}
	if sessions < 20 || hits == 0 {
		t.Fatalf("only %d sessions and %d calls", sessions, hits)
	}
	last := measure(t)
	t.Logf("%d sessions: %+v, then %+v", sessions, first, last)
	if last.files > first.files || last.goroutines > first.goroutines || last.programs > first.programs || last.kib > 2*first.kib {
		t.Errorf("grows: %+v, then %+v", first, last)
	}
}

// One session for the whole time, its events read as fast as they come.
func TestSoakALongTraceAccountsForEveryCall(t *testing.T) {
	program, pid := spin(t)
	target, err := sonde.Open(sonde.PID(pid))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	s, err := target.Trace(context.Background(), program+":step", sonde.For(soaking(t)))
	if err != nil {
		t.Fatal(err)
	}
	stats := account(t, s)
	t.Logf("%+v", stats)
	if stats.Hits == 0 {
		t.Error("no calls seen")
	}
	if f := measure(t); f.kib > 512<<10 {
		t.Errorf("%d MiB of memory", f.kib>>10)
	}
}

// account reads a session to its end and holds its figures against each other.
func account(t *testing.T, s *sonde.Session) event.Stats {
	t.Helper()
	for range s.Events() {
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	stats := s.Stats()
	if stats.Events > 0 && stats.Hits != stats.Events+stats.Filtered+stats.Lost+stats.MissedReturns+stats.Unfinished {
		t.Errorf("%d hits are not %d events, %d filtered, %d lost, %d missed, %d unfinished", stats.Hits, stats.Events, stats.Filtered, stats.Lost,
			stats.MissedReturns, stats.Unfinished)
	}
	if stats.MissedReturns > 0 {
		t.Errorf("%d returns missed: %v", stats.MissedReturns, stats.MissedBy)
	}
	return stats
}
