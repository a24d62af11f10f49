package inject

import (
	"strings"
	"testing"

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
		p := target.Process{PID: h.pid()}
		for _, tid := range p.Threads() {
			s, err := readStatus(h.pid(), tid)
			if err == nil && strings.Trim(s["SigBlk"], "0") != "" {
				t.Fatalf("a tracer died at step %d, and another one came: thread %d blocks %s", n, tid, s["SigBlk"])
			}
		}
	}
	h.end()
}
