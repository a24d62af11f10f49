package sonde_test

import (
	"fmt"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
)

// A function that ends by jumping to another has no result of its own where it ends: such calls must not vanish.
func TestCallsThatEndInAnotherFunctionAreCountedWhereTheirResultIsAskedFor(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/either.c")
	const calls = 100
	for _, test := range []struct {
		script string
		engine sonde.Engine
		events uint64
	}{
		{"uretprobe:%s:either { @[retval] = count(); }", sonde.EngineKernel, 0},
		{"uretprobe:%s:either /retval >= 0/ { call(); }", sonde.EngineKernel, calls / 2},
		{"uretprobe:%s:either /retval >= 0/ { @ = hist(duration); }", sonde.EngineKernel, 0},
		{"uretprobe:%s:either { @[retval] = count(); }", sonde.EngineTracefs, 0},
		{"uretprobe:%s:either /retval >= 0/ { call(); }", sonde.EngineTracefs, calls / 2},
		{"uretprobe:%s:either /retval >= 0/ { call(); }", sonde.EngineUser, calls / 2},
	} {
		t.Run(string(test.engine)+" "+test.script, func(t *testing.T) {
			target, err := sonde.Open(sonde.Command(program, fmt.Sprint(calls)))
			if err != nil {
				t.Fatal(err)
			}
			defer target.Close()
			session, err := target.Run(t.Context(), fmt.Sprintf(test.script, program), sonde.ReturnBy("sites"), sonde.WithEngine(test.engine))
			if err != nil {
				t.Fatal(err)
			}
			if err := session.Wait(); err != nil {
				t.Fatal(err)
			}
			s := session.Stats()
			if s.Hits != calls || s.MissedReturns != calls/2 || s.MissedBy[event.MissedTail] != calls/2 || s.Events != test.events || s.Unfinished != 0 {
				t.Errorf("%d hits, %d events, %d returns missed: %v, %d unfinished", s.Hits, s.Events, s.MissedReturns, s.MissedBy, s.Unfinished)
			}
		})
	}
}
