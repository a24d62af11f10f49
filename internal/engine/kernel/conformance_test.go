package kernel_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/enginetest"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

// engine runs the table of all engines on this one, with the features that limit leaves.
type engine struct {
	limit func(*codegen.Features)
	deaf  bool // records are read when the program has ended
}

func all(*codegen.Features) {}

func single(f *codegen.Features) { f.Multi = false }

func TestConformance(t *testing.T) {
	fixture.NeedRoot(t)
	enginetest.Run(t, engine{limit: all})
}

func TestConformanceWithoutUprobeMulti(t *testing.T) {
	fixture.NeedRoot(t)
	enginetest.Run(t, engine{limit: single})
}

func TestEveryLostCallIsReported(t *testing.T) {
	fixture.NeedRoot(t)
	enginetest.Loss(t, engine{limit: all, deaf: true})
}

func TestConformanceInsideAPIDNamespace(t *testing.T) {
	fixture.NeedRoot(t)
	fixture.Need(t, "unshare")
	out, err := exec.Command("unshare", "--pid", "--fork", "--mount-proc", os.Args[0],
		"-test.v", "-test.run=^TestConformance$/(child|process|thread|longjmp|unfinished)").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "    --- PASS"); n < 7 {
		t.Errorf("%d cases passed\n%s", n, out)
	}
}

func (e engine) Check(p *plan.Plan) error { return kernel.Check(p) }

func (e engine) Observe(p *plan.Plan, drive func() error) (*enginetest.Observation, error) {
	f, err := kernel.Features(kernel.NeedsOf(p))
	if err != nil {
		return nil, err
	}
	e.limit(&f)
	code, err := codegen.Compile(p, f)
	if err != nil {
		return nil, err
	}
	s, err := kernel.Open(p, code)
	if err != nil {
		return nil, err
	}
	o := &enginetest.Observation{Stack: s.Stack, Close: s.Close}
	if err := e.observe(s, p, o, drive); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return o, nil
}

func (e engine) observe(s *kernel.Session, p *plan.Plan, o *enginetest.Observation, drive func() error) (err error) {
	if err := runAll(s, p, plan.Begin); err != nil {
		return err
	}
	if o.Refusals, err = s.Arm(); err != nil {
		return err
	}
	if e.deaf {
		err = drive()
	} else {
		err = read(s, o, drive)
	}
	s.Disarm()
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

func runAll(s *kernel.Session, p *plan.Plan, kind plan.ProbeKind) error {
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
func read(s *kernel.Session, o *enginetest.Observation, drive func() error) error {
	done := make(chan error, 1)
	go func() {
		done <- drive()
		s.Wake()
	}()
	err := s.Read(time.Now().Add(time.Minute), o.Take)
	return errors.Join(err, <-done)
}

func cellsOf(s *kernel.Session, m int) ([]enginetest.Cell, error) {
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
