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
	for name, observe := range map[string]func(*sonde.Target, ...sonde.RunOption) (*sonde.Session, error){
		"trace": func(target *sonde.Target, options ...sonde.RunOption) (*sonde.Session, error) {
			return target.Trace(t.Context(), program+":deep", options...)
		},
		"time": func(target *sonde.Target, options ...sonde.RunOption) (*sonde.Session, error) {
			return target.Time(t.Context(), program+":deep", options...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			target, err := sonde.Open(sonde.Command(program, "3"))
			if err != nil {
				t.Fatal(err)
			}
			defer target.Close()
			session, err := observe(target, sonde.ReturnBy("trampoline"))
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
			const missed = rounds * (depth - seen)
			if stats.Hits != rounds*depth || stats.MissedReturns != missed || stats.MissedBy[event.MissedKernel] != missed || stats.Unfinished != 0 {
				t.Errorf("%d hits, %d returns missed (%v), %d unfinished", stats.Hits, stats.MissedReturns, stats.MissedBy, stats.Unfinished)
			}
			if name == "trace" && stats.Events != rounds*seen {
				t.Errorf("%d calls seen whole, want %d", stats.Events, rounds*seen)
			}
		})
	}
}
