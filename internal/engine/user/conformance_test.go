package user_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/sonde-project/sonde/internal/engine/enginetest"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/plan"
)

// engine runs the table of all engines on this one.
type engine struct {
	deaf bool // records are read when the program has ended
}

func TestConformance(t *testing.T) { enginetest.Run(t, engine{}) }

func TestEveryLostCallIsReported(t *testing.T) { enginetest.Loss(t, engine{deaf: true}) }

func (engine) Check(p *plan.Plan) error { return user.Check(p) }

func (engine) Patches() {}

func (e engine) Observe(p *plan.Plan, drive func() error) (*enginetest.Observation, error) {
	s, err := user.Open(p)
	if err != nil {
		return nil, err
	}
	o, err := enginetest.Observe(warned{s, p}, p, e.deaf, drive)
	if err != nil {
		return nil, err
	}
	_, _, err = user.Apart(p, 0)
	return o, err
}

// The table is run by a process without root and without any capability, on programs of its own.
func TestConformanceWithoutRights(t *testing.T) {
	if os.Geteuid() != 0 {
		return // TestConformance was just that
	}
	const nobody = 65534
	tests := exec.Command("/proc/self/exe", "-test.v", "-test.run=^Test(Conformance|EveryLostCallIsReported)$")
	tests.Dir = "/"
	tests.Env = append(os.Environ(), "HOME=/nonexistent", "GOCACHE=/nonexistent")
	tests.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := tests.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "    --- PASS"); n < 40 {
		t.Errorf("%d cases passed\n%s", n, out)
	}
}

// warned is a session that others' kernel probes are kept from meeting.
type warned struct {
	*user.Session
	plan *plan.Plan
}

func (w warned) Arm() ([]plan.Refusal, error) {
	refusals, err := w.Session.Arm()
	if _, met, _ := user.Apart(w.plan, 0); err == nil && len(met) == 0 {
		err = errors.New("a kernel probe could meet a jump, and nobody says so")
	}
	return refusals, err
}
