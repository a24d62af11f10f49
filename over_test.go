package sonde

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/sonde-project/sonde/script"
)

// A process that ended while probes were armed was told of as functions that the kernel refuses.
func TestAProcessThatEndsDuringTheStartIsToldOf(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	refused := &script.Diagnostic{Code: script.NotArmed, Message: "the kernel refuses every probe"}
	for _, c := range []struct {
		pids []int
		err  error
		want script.Code
	}{
		{[]int{gone.Process.Pid}, refused, script.NoProcess},
		{[]int{gone.Process.Pid, os.Getpid()}, refused, script.NotArmed},
		{nil, refused, script.NotArmed},
		{[]int{gone.Process.Pid}, &script.Diagnostic{Code: script.NoFunction}, script.NoFunction},
	} {
		if err := (&Target{pids: c.pids}).over(c.err); !errors.Is(err, c.want) {
			t.Errorf("%v: %v, want %s", c.pids, err, c.want)
		}
	}
}
