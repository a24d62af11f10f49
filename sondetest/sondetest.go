// Package sondetest observes the calling process, so that a Go test can say how often a function was called, and with
// what, without a line of code in the function:
//
//	calls := sondetest.CountCalls(t, "example.com/shop.(*Cache).load")
//	cache.Get("a")
//	cache.Get("a")
//	if n := calls(); n != 1 {
//		t.Errorf("%d loads, want 1", n)
//	}
//
// In: a test and a function's name as Go's stack traces have it. Out: exact counts, also of calls on many goroutines. Invariant:
// when the test has ended, nothing of it is left. Observing takes privileges; a test without them is skipped with the reason, and
// fails where the environment variable CI is set, so that it cannot be left out unseen.
//
// A function that the compiler inlined has no calls to see: mark it //go:noinline, or run the test with -gcflags=-l. Counting
// needs no debug information; parameters by name and typed values do, and go test links without it unless it is to keep the
// binary: go test -o /tmp/shop.test.
package sondetest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/script"
)

// CountCalls counts the calls of a function of this process from now on. What it returns gives how many there were so far; it may be called
// often, from any goroutine, also after the test. The function may also be a pattern, a method ("main.(*T).M"), or one of
// a library ("libc:malloc", in a program that uses cgo); an Option such as sonde.If narrows what counts. A function that cannot be observed
// ends the test.
func CountCalls(t testing.TB, function string, options ...sonde.RunOption) func() int {
	t.Helper()
	s := start(t, func(target *sonde.Target) (*sonde.Session, error) {
		return target.Count(context.Background(), function, options...)
	})
	return func() int {
		t.Helper()
		snapshot, err := s.Snapshot()
		if err != nil {
			t.Errorf("counting %s: %v", function, err)
		}
		counts, _ := snapshot.Map("")
		return int(counts.Total())
	}
}

// TraceCalls records the calls of a function of this process from now on, with arguments, result and duration. What it returns
// ends the recording and gives the calls in the order in which they ended; a call that has not ended comes last, with Outcome Unfinished. It may be called again, and gives
// the same.
func TraceCalls(t testing.TB, function string, options ...sonde.RunOption) func() []*event.Call {
	t.Helper()
	s := start(t, func(target *sonde.Target) (*sonde.Session, error) {
		return target.Trace(context.Background(), function, options...)
	})
	var calls []*event.Call
	var reading sync.WaitGroup
	reading.Go(func() {
		for c := range s.Calls() {
			calls = append(calls, c)
		}
	})
	return func() []*event.Call {
		t.Helper()
		s.Stop()
		reading.Wait()
		if err := s.Err(); err != nil {
			t.Errorf("tracing %s: %v", function, err)
		}
		if lost := s.Stats().Lost; lost > 0 {
			t.Errorf("tracing %s: %d calls lost (%v)", function, lost, s.Stats().LostBy)
		}
		return calls
	}
}

// start opens this process and begins a session, which ends with the test.
func start(t testing.TB, begin func(*sonde.Target) (*sonde.Session, error)) *sonde.Session {
	t.Helper()
	target, err := sonde.Open(sonde.PID(os.Getpid()))
	if err != nil {
		refuse(t, err)
	}
	s, err := begin(target)
	if err != nil {
		target.Close()
		refuse(t, err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), target.Close()); err != nil {
			t.Errorf("observing this process: %v", err)
		}
	})
	return s
}

// refuse ends the test: as skipped when only privileges are missing.
func refuse(t testing.TB, err error) {
	t.Helper()
	text := err.Error()
	var mistake *script.Diagnostic
	if errors.As(err, &mistake) {
		text = mistake.Format("sondetest")
	}
	if errors.Is(err, fs.ErrPermission) && os.Getenv("CI") == "" {
		t.Skipf("left out, as this process may not observe itself:\n%s", text)
	}
	t.Fatalf("observing this process:\n%s", text)
}
