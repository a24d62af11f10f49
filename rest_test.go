package sonde_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// rest is how long a session reads nothing before something ends it: its waits have grown to a second then.
const rest = 1400 * time.Millisecond

// A session that has had nothing to read for long ends at once when it is stopped, when its context or what it observes ends, and when its time is up.
func TestASessionAtRestEndsAtOnce(t *testing.T) {
	fixture.NeedRoot(t)
	stop := func(_ *answering, s *sonde.Session, _ func()) { s.Stop() }
	for name, c := range map[string]struct {
		engine sonde.Engine
		end    func(a *answering, s *sonde.Session, cancel func()) // nil: its time is up
	}{
		"stop, kernel":   {sonde.EngineKernel, stop},
		"stop, both":     {sonde.EngineMixed, stop},
		"stop, hybrid":   {sonde.EngineHybrid, stop},
		"stop, tracefs":  {sonde.EngineTracefs, stop},
		"stop, user":     {sonde.EngineUser, stop},
		"context, user":  {sonde.EngineUser, func(_ *answering, _ *sonde.Session, cancel func()) { cancel() }},
		"process, user":  {sonde.EngineUser, func(a *answering, _ *sonde.Session, _ func()) { a.end() }},
		"duration, user": {sonde.EngineUser, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var late []time.Duration
			for range 10 { // a machine with other work is slow now and then; who is not woken takes longer every time
				late = append(late, endsAfter(t, c.engine, c.end))
				if slices.Min(late) < 500*time.Millisecond { // taking probes away is part of it
					return
				}
			}
			t.Errorf("it went on for %v", late)
		})
	}
}

// endsAfter is how long a session goes on that was at rest when something ended it.
func endsAfter(t *testing.T, engine sonde.Engine, end func(*answering, *sonde.Session, func())) time.Duration {
	t.Helper()
	program := fixture.Build(t, "command/follow.c", "-O1")
	a := answers(t, program, "wait", "3", "0")
	target, err := sonde.Open(sonde.PID(a.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	options := []sonde.RunOption{sonde.WithEngine(engine)}
	if end == nil {
		options = append(options, sonde.For(rest))
	}
	session, err := target.Trace(ctx, program+":step", options...)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	began, over := time.Now(), make(chan time.Time, 1)
	go func() {
		for range session.Events() {
		}
		over <- time.Now()
	}()
	if end != nil {
		time.Sleep(rest)
		end(a, session, cancel)
	}
	ended := began.Add(rest)
	if end != nil {
		ended = time.Now()
	}
	return (<-over).Sub(ended)
}

// A session that may hand on three events ends with the third, whatever the program does then.
func TestASessionEndsWithItsLastEvent(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/follow.c", "-O1")
	a := answers(t, program, "wait", "3", "0")
	target, err := sonde.Open(sonde.PID(a.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	for _, engine := range []sonde.Engine{sonde.EngineKernel, sonde.EngineUser, sonde.EngineMixed, sonde.EngineTracefs} {
		session, err := target.Trace(t.Context(), program+":step", sonde.WithEngine(engine), sonde.MaxEvents(3))
		if err != nil {
			t.Fatal(err)
		}
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			a.ask("go")
		}()
		n := 0
		for range session.Calls() {
			n++
		}
		<-asked
		if session.Err() != nil || n != 3 {
			t.Errorf("%s: %d events, %v", engine, n, session.Err())
		}
	}
	a.end()
}
