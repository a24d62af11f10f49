package inject

import (
	"io"
	"os"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/target"
)

// Signals that a program ignores interrupted system calls of it while it was followed: to who is traced the kernel delivers them all the same.
func TestFollowedProgramDoesNotNoticeSignalsThatItIgnores(t *testing.T) {
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	c, err := target.Start([]string{fixture.Build(t, "engine/ignores.c")}, target.Options{Stdout: to, Kept: true})
	to.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ReleaseStopped(); err != nil {
		t.Fatal(err)
	}
	f, err := Follow(c.PID(), Watch{Wanted: func(int) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, _ := io.ReadAll(from)
	status, err := c.Wait()
	if string(out) != "ok\n" || err != nil || status.ExitCode() != 0 {
		t.Errorf("%s%+v, %v", out, status, err)
	}
}
