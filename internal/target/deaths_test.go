package target

import (
	"os"
	"os/exec"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
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
				Path: self, Exe: self, Argv: []string{self}, Env: append(os.Environ(), "TARGET_TEST="+c.mode+" /bin/sleep 100"), Done: "released",
			}, 1)
			if steps < 20 || lives != c.lives {
				t.Errorf("after %d steps it lives: %v, want %v", steps, lives, c.lives)
			}
		})
	}
}

// A program of 32 bits, whose registers and system calls are others, was not started: it makes a system call of ours too.
func TestAProgramOf32BitsIsStarted(t *testing.T) {
	path := fixture.Small32(t,
		0xb8, 1, 0, 0, 0, // mov $1,%eax: exit
		0xbb, 42, 0, 0, 0, // mov $42,%ebx
		0xcd, 0x80) // int $0x80
	if err := exec.Command(path).Run(); err == nil || err.Error() != "exit status 42" {
		t.Fatalf("alone: %v", err)
	}
	c, err := Start([]string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Release(); err != nil {
		t.Error(err)
	}
	if status, err := c.Wait(); err != nil || status.Code != 42 {
		t.Errorf("%+v, %v", status, err)
	}
}
