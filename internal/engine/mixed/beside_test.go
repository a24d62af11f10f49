package mixed_test

import (
	"encoding/binary"
	"testing"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/enginetest"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
)

// A kernel probe that somebody else puts on the first instruction of a function, before or after it was patched, sees what it would see, and so
// does the engine inside; the program does not notice either.
func TestKernelProbesOnFirstInstructionsDoNotMeetJumps(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "engine/aside.c")
	for name, order := range map[string][]func(*plan.Plan) (engine.Session, error){
		"kernel first": {trapping, inside}, "inside first": {inside, trapping},
	} {
		t.Run(name, func(t *testing.T) {
			r := enginetest.Start(t, program)
			var sessions []engine.Session
			var plans []*plan.Plan
			for _, open := range order {
				p := entries(t, r)
				sessions, plans = append(sessions, enginetest.Armed(t, open, p)), append(plans, p)
			}
			if line := r.Ask(""); line != "1504500" {
				t.Errorf("the program says %q", line)
			}
			for i, s := range sessions {
				s.Disarm()
				for fn, n := range arguments(t, s, plans[i]) {
					if n != [2]uint64{1000, 999 * 1000 / 2} {
						t.Errorf("engine %d, %s: %d calls with arguments that come to %d", i, fn, n[0], n[1])
					}
				}
			}
		})
	}
}

// entries observes the calls of all three functions and adds up what they are given.
func entries(t *testing.T, r *enginetest.Running) *plan.Plan {
	t.Helper()
	p := r.Plan(`uprobe:PROGRAM:/^(pushes|reserves|tests)$/ { @[func] = stats(arg0); }`, resolve.ReturnSites)
	for _, s := range p.Probes[0].Sites {
		if fn := p.Functions[s.Function]; s.Addr != fn.Addr {
			t.Fatalf("%s is probed at %v, not at its first instruction", fn.Name, s.Addr)
		}
	}
	return p
}

// arguments gives calls and sum of their arguments of each function.
func arguments(t *testing.T, s engine.Session, p *plan.Plan) map[string][2]uint64 {
	t.Helper()
	fields := p.Maps[0].Fields()
	all := map[string][2]uint64{"pushes": {}, "reserves": {}, "tests": {}}
	err := s.Cells(0, func(key []byte, values [][]byte) error {
		name := p.Functions[binary.LittleEndian.Uint32(key)].Name
		sum := all[name]
		for _, v := range values {
			sum[0] += binary.LittleEndian.Uint64(v[fields.Count:])
			sum[1] += binary.LittleEndian.Uint64(v[fields.Sum:])
		}
		all[name] = sum
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
