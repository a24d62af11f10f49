package user_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"
	"time"

	account "github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// Calls that are deep, left by longjmp, on several stacks, on a signal's stack, of children on their parent's, of threads that come one after the other, end in the
// middle or have no storage of their own: as many are seen as there were, as many return, and the others are missed or unfinished.
func TestCallsOnAllKindsOfStacksAreAccountedFor(t *testing.T) {
	program := fixture.Build(t, "engine/stacks.c")
	for name, action := range map[string]string{"time": "@ = hist(duration);", "records": "@ = sum(retval - args.n); @k = max(depth);"} {
		for _, sweeping := range []bool{false, true} {
			t.Run(fmt.Sprint(name, sweeping), func(t *testing.T) {
				calls, returns, counts := inStacks(t, program, action, sweeping)
				stats := counts.Stats()
				if hits := counts.Of[plan.CountHits]; hits != calls || counts.Of[plan.CountReturns] != returns || stats.Lost != 0 {
					t.Errorf("%d calls, %d returns, %d lost; there were %d and %d", hits, counts.Of[plan.CountReturns], stats.Lost, calls, returns)
				}
				if missed := stats.MissedReturns + stats.Unfinished; missed != calls-returns {
					t.Errorf("%d calls are missed or unfinished, want %d: %+v", missed, calls-returns, stats)
				}
			})
		}
	}
}

// inStacks observes the program, with dead threads' calls swept away meanwhile or not.
func inStacks(t *testing.T, program, action string, sweeping bool) (calls, returns uint64, counts account.Counts) {
	cmd := exec.Command(program)
	var out bytes.Buffer
	cmd.Stdout = &out
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	parsed, err := script.Parse("uretprobe:" + program + ":deep { " + action + " }")
	if err != nil {
		t.Fatal(err)
	}
	scope := resolve.Scope{PIDs: []int{cmd.Process.Pid}, Filter: plan.Filter{PIDs: []int{cmd.Process.Pid}}, Limits: plan.DefaultLimits(), Return: resolve.ReturnSites}
	p, err := resolve.Resolve(parsed, scope)
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
	ended := make(chan error, 1) // not before: a tracer's own child stops for it
	go func() { ended <- cmd.Wait() }()
	for running := true; running; {
		select {
		case err := <-ended:
			if running = false; err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Millisecond):
			if !sweeping {
				continue
			}
			if err := s.Sweep(func(account.OpenCall) {}); err != nil {
				t.Error(err)
			}
		}
	}
	s.Disarm()
	if _, err := fmt.Sscan(out.String(), &calls, &returns); err != nil {
		t.Fatalf("%q: %v", out.String(), err)
	}
	if counts, err = s.Counts(); err != nil {
		t.Fatal(err)
	}
	return calls, returns, counts
}
