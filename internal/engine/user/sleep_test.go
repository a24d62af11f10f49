package user_test

import (
	"bufio"
	"os/exec"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// A reader that sleeps until a record is made is woken by each that comes, also when it comes while the reader lies down.
func TestARecordWakesTheReader(t *testing.T) {
	t.Setenv("FOLLOW_CALLS", "/dev/null")
	program := fixture.Build(t, "command/follow.c", "-O1")
	cmd := exec.Command(program, "wait", "1", "0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	out := bufio.NewScanner(pipe)
	out.Scan()
	s := traced(t, program, cmd.Process.Pid)
	defer s.Close()
	came, over := make(chan struct{}), make(chan struct{})
	var failed error
	go func() {
		defer close(over)
		failed = s.Read(time.Now().Add(time.Hour), func([]byte) { came <- struct{}{} })
	}()
	end := func() (more int) {
		for s.Wake(); ; more++ {
			select {
			case <-came:
			case <-over:
				return more
			}
		}
	}
	defer end()
	const rounds, patience = 1000, 20 * time.Second
	for i := range rounds {
		time.Sleep(time.Duration(i%50) * 250 * time.Microsecond) // it lies down some five milliseconds after the last one
		if _, err := in.Write([]byte("\n")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-came:
		case <-time.After(patience):
			t.Fatalf("call %d was not read", i)
		}
	}
	if more := end(); more != 0 || failed != nil {
		t.Errorf("%d more records, %v", more, failed)
	}
}

// traced is a session, armed, that tells each call of step.
func traced(t *testing.T, program string, pid int) *user.Session {
	t.Helper()
	parsed, err := script.Parse(`uprobe:` + program + `:step { printf("%d\n", arg0); }`)
	if err != nil {
		t.Fatal(err)
	}
	p, err := resolve.Resolve(parsed, resolve.Scope{PIDs: []int{pid}, Filter: plan.Filter{PIDs: []int{pid}}, Limits: plan.DefaultLimits(), Return: resolve.ReturnSites})
	if err != nil {
		t.Fatal(err)
	}
	s, err := user.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	if refused, err := s.Arm(); err != nil || len(refused) > 0 {
		s.Close()
		t.Fatal(refused, err)
	}
	return s
}
