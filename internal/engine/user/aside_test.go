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

// Programs see the stack pointer as it is at the first instruction, though they run behind it: calls are paired by it, and the return address is where it points.
func TestProgramsBehindTheFirstInstructionSeeTheStackPointerOfTheCall(t *testing.T) {
	program := fixture.Build(t, "engine/aside.c")
	r := enginetest.Start(t, program)
	p := r.Plan(`uretprobe:PROGRAM:/^(pushes|reserves|tests)$/ { @[func] = hist(duration); }
		uprobe:PROGRAM:/^(pushes|reserves|tests)$/ { @from[*(uint64*)reg("sp")] = count(); }`, resolve.ReturnSites)
	s := enginetest.Armed(t, user.Open, p)
	r.Tell("")
	r.Wait()
	if err := s.Read(time.Time{}, func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	s.Disarm()
	counts, err := s.Counts()
	if err != nil {
		t.Fatal(err)
	}
	if stats := counts.Stats(); stats.MissedReturns != 0 || stats.Unreadable != 0 || stats.Lost != 0 || stats.Unfinished != 0 {
		t.Errorf("%+v", stats)
	}
	for m, keys := range []int{3, 3} {
		field := p.Maps[m].Fields().Count
		err := s.Cells(m, func(key []byte, values [][]byte) error {
			n := uint64(0)
			for _, v := range values {
				n += binary.LittleEndian.Uint64(v[field:])
			}
			if keys--; n != 1000 {
				t.Errorf("@%s, key % x: %d", p.Maps[m].Name, key, n)
			}
			return nil
		})
		if err != nil || keys != 0 {
			t.Errorf("@%s lacks %d keys: %v", p.Maps[m].Name, keys, err)
		}
	}
}
