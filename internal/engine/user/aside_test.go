package user_test

import (
	"encoding/binary"
	"os/exec"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// Programs see the stack pointer as it is at the first instruction, though they run behind it: calls are paired by it, and the return address is where it points.
func TestProgramsBehindTheFirstInstructionSeeTheStackPointerOfTheCall(t *testing.T) {
	program := fixture.Build(t, "engine/aside.c", "-DPATCHED")
	cmd := exec.Command(program)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	script, err := script.Parse(`uretprobe:` + program + `:/^(pushes|reserves|tests)$/ { @[func] = hist(duration); }
		uprobe:` + program + `:/^(pushes|reserves|tests)$/ { @from[*(uint64*)reg("sp")] = count(); }`)
	if err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	p, err := resolve.Resolve(script, resolve.Scope{PIDs: []int{pid}, Filter: plan.Filter{PIDs: []int{pid}}, Limits: plan.DefaultLimits(), Return: resolve.ReturnSites})
	if err != nil {
		t.Fatal(err)
	}
	s, err := user.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if refused, err := s.Arm(); err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
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
