package target

import (
	"os"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture/death"
)

// A command stood stopped for good, traced by init, when we were killed between its fork and its first stop.
func TestWhereverWeAreKilledTheCommandDoesNotStayStopped(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode  string
		lives bool // when we are killed at last
	}{{"released", true}, {"kept", false}} {
		t.Run(c.mode, func(t *testing.T) {
			steps, lives := death.EachStep(t, death.Program{
				Argv: []string{self}, Env: append(os.Environ(), "TARGET_TEST="+c.mode+" /bin/sleep 100"), Done: "released",
			}, 1)
			if steps < 20 || lives != c.lives {
				t.Errorf("after %d steps it lives: %v, want %v", steps, lives, c.lives)
			}
		})
	}
}
