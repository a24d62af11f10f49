package user

import (
	"os"
	"os/exec"
	"testing"

	"github.com/sonde-project/sonde/internal/target"
)

// This program is one of Go; a C program is not.
func TestGoroutinesAreKeptBelowTheFSBase(t *testing.T) {
	other := exec.Command("sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	for pid, want := range map[int]bool{os.Getpid(): true, other.Process.Pid: false} {
		process, err := target.Open(pid)
		if err != nil {
			t.Fatal(err)
		}
		if got := keepsGoroutines(process); got != want {
			t.Errorf("%s: %v", process.Exe, got)
		}
	}
}
