package enginetest

import (
	"bytes"
	"errors"
	"time"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/plan"
)

// Session is a plan that an engine has loaded.
type Session interface {
	Run(probe int) error
	Arm() ([]plan.Refusal, error)
	Read(deadline time.Time, fn func(record []byte)) error
	Disarm()
	Cells(m int, fn func(key []byte, values [][]byte) error) error
	Counts() (engine.Counts, error)
	Stack(id uint64) []uint64
	Close() error
}

// Observe runs a session as Engine.Observe says. The reader of a deaf one does not read while the program runs.
func Observe(s Session, p *plan.Plan, deaf bool, drive func() error) (*Observation, error) {
	o := &Observation{Stack: s.Stack, Close: s.Close}
	if err := o.observe(s, p, deaf, drive); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return o, nil
}

func (o *Observation) observe(s Session, p *plan.Plan, deaf bool, drive func() error) (err error) {
	if err := runAll(s, p, plan.Begin); err != nil {
		return err
	}
	if o.Refusals, err = s.Arm(); err != nil {
		return err
	}
	if deaf {
		err = drive()
	} else {
		err = o.read(s, drive)
	}
	s.Disarm()
	if err := errors.Join(err, s.Read(time.Time{}, o.Take), runAll(s, p, plan.End), s.Read(time.Time{}, o.Take)); err != nil {
		return err
	}
	for m := range p.Maps {
		var cells []Cell
		err := s.Cells(m, func(key []byte, values [][]byte) error {
			c := Cell{Key: bytes.Clone(key)}
			for _, v := range values {
				c.Values = append(c.Values, bytes.Clone(v))
			}
			cells = append(cells, c)
			return nil
		})
		if err != nil {
			return err
		}
		o.Cells = append(o.Cells, cells)
	}
	o.Counts, err = s.Counts()
	return err
}

func runAll(s Session, p *plan.Plan, kind plan.ProbeKind) error {
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
func (o *Observation) read(s Session, drive func() error) error {
	done := make(chan error, 1)
	go func() { done <- drive() }()
	for {
		if err := s.Read(time.Now().Add(10*time.Millisecond), o.Take); err != nil {
			return errors.Join(err, <-done)
		}
		select {
		case err := <-done:
			return err
		default:
		}
	}
}
