package enginetest

import (
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/script"
)

// Running is a program that plans can be made for.
type Running struct {
	*fixture.Running
	t testing.TB
}

// Start starts a program, which ends with the test at the latest.
func Start(t testing.TB, path string, args ...string) *Running {
	t.Helper()
	return &Running{fixture.Start(t, path, args...), t}
}

// Is is a program that somebody else has started: it can be observed.
func Is(t testing.TB, path string, pid int) *Running {
	return &Running{&fixture.Running{PID: pid, Path: path}, t}
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
