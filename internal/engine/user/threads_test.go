package user

import (
	"os"
	"os/exec"
	"testing"
)

// This program is one of Go; a C program is not.
func TestGoroutinesAreKeptBelowTheFSBase(t *testing.T) {
	other := exec.Command("sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	for pid, want := range map[int]bool{os.Getpid(): true, other.Process.Pid: false} {
		if got := NewSurvey().keepsGoroutines(pid); got != want {
			t.Errorf("process %d: %v", pid, got)
		}
	}
}
