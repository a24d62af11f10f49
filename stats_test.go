package sonde_test

import (
	"testing"
	"time"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
)

// What was lost and cut is known while the run goes on.
func TestTheAccountIsKnownDuringTheRun(t *testing.T) {
	fixture.Libraries(t, false)
	fixture.NeedRoot(t)
	target := open(t, sonde.Command("sh", "-c", "while :; do getent passwd root >/dev/null; sleep 0.1; done"))
	s, err := target.Trace(t.Context(), "libc:getenv", sonde.StringLimit(1))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	seen := s.Stats()
	for end := time.Now().Add(time.Minute); (seen.Hits == 0 || seen.Truncated == 0) && time.Now().Before(end); seen = s.Stats() {
		time.Sleep(20 * time.Millisecond)
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended before: %v", err)
	default:
	}
	if seen.Hits == 0 || seen.Truncated == 0 || seen.Elapsed == 0 {
		t.Errorf("%+v", seen)
	}
	s.Stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if whole := s.Stats(); whole.Hits < seen.Hits || whole.Truncated < seen.Truncated || whole.Elapsed <= seen.Elapsed {
		t.Errorf("%+v, before %+v", whole, seen)
	}
}
