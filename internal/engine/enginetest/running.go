package enginetest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// Running is a program that is observed, and does something for each line that it is told.
type Running struct {
	PID  int
	Path string
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	errs bytes.Buffer
}

// Start starts a program, which ends with the test at the latest.
func Start(t testing.TB, path string, args ...string) *Running {
	t.Helper()
	r := &Running{t: t, Path: path, cmd: exec.Command(path, args...)}
	r.in, _ = r.cmd.StdinPipe()
	out, _ := r.cmd.StdoutPipe()
	r.cmd.Stderr, r.out = &r.errs, bufio.NewReader(out)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.PID = r.cmd.Process.Pid
	t.Cleanup(func() { _ = r.cmd.Process.Kill(); _ = r.cmd.Wait() })
	return r
}

// Is is a program that somebody else has started: it can be observed.
func Is(t testing.TB, path string, pid int) *Running { return &Running{PID: pid, Path: path, t: t} }

// Line is the next that it prints.
func (r *Running) Line() string {
	r.t.Helper()
	line, err := r.out.ReadString('\n')
	if err != nil {
		r.t.Fatalf("the program has ended: %v, %v\n%s", err, r.cmd.Wait(), r.errs.String())
	}
	return strings.TrimSpace(line)
}

// Tell tells it a line.
func (r *Running) Tell(line string) {
	r.t.Helper()
	if _, err := fmt.Fprintln(r.in, line); err != nil {
		r.t.Fatal(err)
	}
}

// Ask tells it a line and gives its answer, Number the number that it answers.
func (r *Running) Ask(line string) string {
	r.t.Helper()
	r.Tell(line)
	return r.Line()
}

func (r *Running) Number(line string) uint64 {
	r.t.Helper()
	n, err := strconv.ParseUint(r.Ask(line), 10, 64)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// Wait waits for its end, which must be a good one, and gives what else it printed.
func (r *Running) Wait() string {
	r.t.Helper()
	rest, _ := io.ReadAll(r.out)
	if err := r.cmd.Wait(); err != nil || r.errs.Len() > 0 {
		r.t.Errorf("the program ended with %v, %s, %s", err, rest, r.errs.String())
	}
	return string(rest)
}

// Finish lets it end.
func (r *Running) Finish() string {
	r.t.Helper()
	r.in.Close()
	return r.Wait()
}

// Plan is the plan of a script for the program, whose path is PROGRAM there.
func (r *Running) Plan(text string, returns resolve.ReturnPolicy) *plan.Plan {
	r.t.Helper()
	s, err := script.Parse(strings.ReplaceAll(text, "PROGRAM", r.Path))
	if err != nil {
		r.t.Fatal(err)
	}
	pids := []int{r.PID}
	p, err := resolve.Resolve(s, resolve.Scope{PIDs: pids, Filter: plan.Filter{PIDs: pids}, Limits: plan.DefaultLimits(), Return: returns})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// Armed opens and arms a plan, of which nothing may be refused. The session is closed with the test at the latest.
func Armed[S Session](t testing.TB, open func(*plan.Plan) (S, error), p *plan.Plan) S {
	t.Helper()
	s, err := open(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if refused, err := s.Arm(); err != nil || len(refused) > 0 {
		t.Fatalf("%v, refused %v", err, refused)
	}
	return s
}
