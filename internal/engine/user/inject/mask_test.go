package inject

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/target"
)

// After what a killed sonde had left was taken back, and a region mapped, in one stop, a thread of the program had all its signals blocked.
func TestSignalsAreAsBeforeWhenAKilledTracersRegionIsReplaced(t *testing.T) {
	path := fixture.Build(t, "engine/hot.c")
	h := start(t, path, "3")
	for n, died := 1, true; died; n += 5 {
		_, died = dieAt(t, h, path, n, false)
		c := h.attach(h.code["fold"])
		c.detach()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) { // a thread may have some way to go, once it runs
			blocked := h.blocked()
			if blocked == "" {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("a tracer died at step %d, and another one came: %s", n, blocked)
			}
		}
	}
	h.end()
}

// blocked tells of a thread that blocks signals, "" none.
func (h *hot) blocked() string {
	p := target.Process{PID: h.pid()}
	for _, tid := range p.Threads() {
		s, err := readStatus(h.pid(), tid)
		if err == nil && strings.Trim(s["SigBlk"], "0") != "" {
			return fmt.Sprintf("thread %d blocks %s", tid, s["SigBlk"])
		}
	}
	return ""
}
