package target

import (
	"bufio"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
)

// The kernel tells when a process executes a program, and when its first thread ends because another one does; a watch that nothing happens to sleeps
// until it is roused.
func TestExecWatchIsToldOfProgramsThatAreExecuted(t *testing.T) {
	fixture.NeedRoot(t)
	program := fixture.Build(t, "command/replace.c", "-pthread")
	w, err := NewExecWatch()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd := exec.Command(program)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()
	lines := bufio.NewScanner(out)
	lines.Scan()
	pid := cmd.Process.Pid
	const ages = time.Minute
	for _, way := range []string{"exec", "exec", "thread", "exec"} {
		if err := w.Add(pid); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		fmt.Fprintln(in, way+" "+program)
		for w.Wait(ages); ; w.Wait(ages) {
			last, over := w.Told(pid)
			if way == "exec" && last.After(before) && last.Before(time.Now()) || way == "thread" && over {
				break
			}
			if time.Since(before) > ages {
				t.Fatalf("%s: told %v, over %v", way, last, over)
			}
		}
		if !lines.Scan() || lines.Text() != "ready" {
			t.Fatalf("%s: it says %q", way, lines.Text())
		}
	}
	roused := make(chan struct{})
	go func() { w.Wait(ages); close(roused) }()
	w.Rouse()
	select {
	case <-roused:
	case <-time.After(ages / 2):
		t.Error("it sleeps on")
	}
}
