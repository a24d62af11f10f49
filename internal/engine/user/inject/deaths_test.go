package inject

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture/death"
	"github.com/sonde-project/sonde/internal/target"
)

// Whatever a tracer that takes over a command is killed at, the command ends or runs on: it does not stay stopped.
func TestWhoTakesOverACommandMayDie(t *testing.T) { dieTakingOver(t, 3) }

func dieTakingOver(t *testing.T, every int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	steps, lives := death.EachStep(t, death.Program{Path: self, Exe: self, Argv: []string{self}, Env: append(os.Environ(), "INJECT_TRACER=follow"), Done: "followed"}, every)
	if steps < 50 || !lives {
		t.Errorf("after %d steps it lives: %v", steps, lives)
	}
}

// follow takes over a command and waits to be killed.
func follow() error {
	c, err := target.Start([]string{"/bin/sleep", "100"}, target.Options{Kept: true})
	if err != nil {
		return err
	}
	if err := c.ReleaseStopped(); err != nil {
		return err
	}
	if _, err := Follow(c.PID(), Watch{Wanted: func(int) bool { return false }}); err != nil {
		return err
	}
	for fmt.Println("followed"); ; time.Sleep(time.Millisecond) {
		_ = os.Getppid() // a step
	}
}
