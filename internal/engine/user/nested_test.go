package user_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/engine/enginetest"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/resolve"
)

// A call that a signal handler makes while a program of its thread runs is lost, or its return is missed; either way it is one call.
func TestCallsOfSignalHandlersAreInTheAccount(t *testing.T) {
	for name, text := range map[string]string{
		"entries":        `uprobe:PROGRAM:leaf { @[tid] = count(); }`,
		"returns":        `uretprobe:PROGRAM:leaf { @[tid] = count(); }`,
		"calls":          `uretprobe:PROGRAM:leaf { @[tid] = hist(duration); }`,
		"rejected calls": `uretprobe:PROGRAM:leaf /duration > 1000000000000 || tid == 0/ { @[tid] = hist(duration); }`,
	} {
		t.Run(name, func(t *testing.T) {
			program := fixture.Build(t, "engine/handled.c", "-pthread")
			r := enginetest.Start(t, program)
			r.Line()
			p := r.Plan(text, resolve.ReturnSites)
			s := enginetest.Armed(t, user.Open, p)
			calls := r.Number("")
			r.Wait()
			if err := s.Read(time.Time{}, func([]byte) {}); err != nil {
				t.Fatal(err)
			}
			s.Disarm()
			counts, err := s.Counts()
			if err != nil {
				t.Fatal(err)
			}
			passed := uint64(0)
			at := p.Maps[0].Fields().Count
			err = s.Cells(0, func(_ []byte, values [][]byte) error {
				for _, v := range values {
					passed += binary.LittleEndian.Uint64(v[at:])
				}
				return nil
			})
			stats := counts.Stats()
			if err != nil || stats.Hits != calls || stats.Hits != passed+stats.Filtered+stats.Lost+stats.MissedReturns+stats.Unfinished {
				t.Errorf("the program made %d calls: %d hits, %d passed, %+v (%v)", calls, stats.Hits, passed, stats, err)
			}
			t.Logf("%d calls, %+v", calls, stats)
		})
	}
}
