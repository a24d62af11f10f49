package inject

import (
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
)

// A Go program whose stacks move and whose goroutines are preempted anywhere is counted exactly and computes what it should, through many
// attachments.
func TestGoroutinesAreCountedExactly(t *testing.T) {
	h := start(t, fixture.Build(t, "engine/hotgo"), "6")
	for range 25 {
		c := h.attach(h.code["fold"], h.code["step"], h.code["deep"])
		if len(c.refused) > 0 {
			t.Errorf("refused: %v", c.refused)
		}
		time.Sleep(2 * time.Millisecond)
		if c.count(2) == 0 && c.count(0) == 0 {
			time.Sleep(50 * time.Millisecond)
		}
		c.detach()
	}
	h.wayBack("go")
	h.exact(h.code["fold"])
	h.untouched(h.code["deep"])
	h.end()
}

// A goroutine that waits in the middle of a place is seen.
func TestPreemptedGoroutinesAreSeen(t *testing.T) {
	h := start(t, fixture.Build(t, "engine/hotgo"), "6")
	p, err := Open(h.pid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Goroutines = h.allgs
	words := 0
	if _, err := p.stop(func(s *hold) error {
		s.goroutines(func(addr uint64) {
			for _, m := range s.maps {
				if m.Exec() && addr >= m.Start && addr < m.End {
					words++
				}
			}
		})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if words < 20 {
		t.Errorf("%d words on all stacks together point to code", words)
	}
	h.end()
}
