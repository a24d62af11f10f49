package sonde_test

import (
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
)

// The kernel keeps 64 return addresses of a thread and says nothing of the calls above.
func TestCallsThatTheKernelHadNoRoomToSeeReturnAreCountedByThatCause(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/deep.c")
	const rounds, depth, seen = 3, 200, 64
	trace := func(target *sonde.Target, options ...sonde.RunOption) (*sonde.Session, error) {
		return target.Trace(t.Context(), program+":deep", options...)
	}
	time := func(target *sonde.Target, options ...sonde.RunOption) (*sonde.Session, error) {
		return target.Time(t.Context(), program+":deep", options...)
	}
	for name, test := range map[string]struct {
		observe  func(*sonde.Target, ...sonde.RunOption) (*sonde.Session, error)
		options  []sonde.RunOption
		filtered uint64
		events   uint64
	}{
		"trace":                          {trace, []sonde.RunOption{sonde.ReturnBy("trampoline")}, 0, rounds * seen},
		"trace, auto":                    {trace, nil, 0, rounds * seen},
		"time":                           {time, []sonde.RunOption{sonde.ReturnBy("trampoline")}, 0, 0},
		"time, auto":                     {time, nil, 0, 0},
		"time, in tracefs":               {time, []sonde.RunOption{sonde.WithEngine(sonde.EngineTracefs)}, 0, 0},
		"trace, in tracefs":              {trace, []sonde.RunOption{sonde.WithEngine(sonde.EngineTracefs)}, 0, rounds * seen},
		"behind a predicate":             {trace, []sonde.RunOption{sonde.If("n % 2 == 0")}, rounds * depth / 2, rounds * seen / 2},
		"beside one that is seen at ret": {trace, []sonde.RunOption{sonde.Also(program + ":down")}, 0, rounds*seen + rounds*depth},
	} {
		t.Run(name, func(t *testing.T) {
			target, err := sonde.Open(sonde.Command(program, "3"))
			if err != nil {
				t.Fatal(err)
			}
			defer target.Close()
			session, err := test.observe(target, test.options...)
			if err != nil {
				t.Fatal(err)
			}
			if err := session.Wait(); err != nil {
				t.Fatal(err)
			}
			if status, ok := session.ExitStatus(); !ok || status != 0 {
				t.Errorf("the program ended with %d", status)
			}
			stats := session.Stats()
			missed := uint64(rounds * (depth - seen))
			if test.filtered > 0 {
				missed /= 2
			}
			if stats.MissedReturns != missed || stats.MissedBy[event.MissedKernel] != missed || stats.Unfinished != 0 || stats.Filtered != test.filtered || stats.Events != test.events {
				t.Errorf("%d hits, %d returns missed (%v), %d unfinished, %d filtered, %d events", stats.Hits, stats.MissedReturns, stats.MissedBy, stats.Unfinished, stats.Filtered, stats.Events)
			}
		})
	}
}
