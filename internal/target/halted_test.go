package target

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/fixture"
)

// Who has stopped a process is told, unless it is the one who asks.
func TestWhoHaltsAProcess(t *testing.T) {
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	p, _ := idle(t, exec.Command(fixture.Build(t, "c/idle.c")))
	if why := p.Halted(); why != "" {
		t.Errorf("it runs: %q", why)
	}
	if err := unix.PtraceSeize(p.PID); err != nil {
		t.Fatal(err)
	}
	if err := unix.PtraceInterrupt(p.PID); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Wait4(p.PID, nil, unix.WALL, nil); err != nil {
		t.Fatal(err)
	}
	if why := p.Halted(); why != "" {
		t.Errorf("stopped by this test: %q", why)
	}
	if err := unix.PtraceDetach(p.PID); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(p.PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !strings.Contains(p.Halted(), "kill -CONT"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("stopped: %q", p.Halted())
		}
	}
}
