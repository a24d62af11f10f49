package user_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

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
	o := &enginetest.Observation{Stack: s.Stack, Close: s.Close}
	if err := e.observe(s, p, o, drive); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return o, nil
}

func (e engine) observe(s *user.Session, p *plan.Plan, o *enginetest.Observation, drive func() error) (err error) {
	if err := runAll(s, p, plan.Begin); err != nil {
		return err
	}
	if o.Refusals, err = s.Arm(); err != nil {
		return err
	}
	if user.Meets(p) == nil {
		return errors.New("a kernel probe could meet a jump, and nobody says so")
	}
	if e.deaf {
		err = drive()
	} else {
		err = read(s, o, drive)
	}
	s.Disarm()
	err = errors.Join(err, user.Meets(p))
	if err := errors.Join(err, s.Read(time.Time{}, o.Take), runAll(s, p, plan.End), s.Read(time.Time{}, o.Take)); err != nil {
		return err
	}
	for m := range p.Maps {
		cells, err := cellsOf(s, m)
		if err != nil {
			return err
		}
		o.Cells = append(o.Cells, cells)
	}
	o.Counts, err = s.Counts()
	return err
}

func runAll(s *user.Session, p *plan.Plan, kind plan.ProbeKind) error {
	for i := range p.Probes {
		if p.Probes[i].Kind == kind {
			if err := s.Run(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// read takes records while the program runs.
func read(s *user.Session, o *enginetest.Observation, drive func() error) error {
	done := make(chan error, 1)
	go func() {
		done <- drive()
		s.Wake()
	}()
	err := s.Read(time.Now().Add(time.Minute), o.Take)
	return errors.Join(err, <-done)
}

func cellsOf(s *user.Session, m int) ([]enginetest.Cell, error) {
	var cells []enginetest.Cell
	err := s.Cells(m, func(key []byte, values [][]byte) error {
		c := enginetest.Cell{Key: bytes.Clone(key)}
		for _, v := range values {
			c.Values = append(c.Values, bytes.Clone(v))
		}
		cells = append(cells, c)
		return nil
	})
	return cells, err
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
