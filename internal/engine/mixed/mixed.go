// Package mixed runs one plan on two engines, function by function: what the first cannot probe, the second does.
//
// In: a plan, what the first engine refuses of it, and two engines. Out: what an engine gives, put together: a map's cells have the values of
// both, records come in the order of their times. Invariant: a function has all of its probes on one engine, and a plan is divided only if nothing that
// its programs remember concerns several functions; so every figure is what one engine alone would have given. It must not know which
// engines these are.
package mixed

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/plan"
)

// Open loads a plan into one engine.
type Open func(p *plan.Plan) (engine.Session, error)

// Session is a plan that two engines run together, or one of them alone.
type Session struct {
	parts    []part
	queue    queue
	woken    atomic.Bool
	closed   atomic.Bool // disarmed
	division Division
	// instead loads what the second engine runs should the first not come to run its part.
	instead Open
}

// part is what one engine runs.
type part struct {
	plan *plan.Plan
	engine.Session
	second bool
}

// New loads the parts of a plan. What the first engine fails to load or to arm, the second takes, all of it, if the division has it whole.
func New(d Division, first, second Open) (*Session, error) {
	s := &Session{division: d, instead: second}
	if d.First != nil {
		err := s.load(d.First, first, false)
		if err != nil && d.Whole == nil {
			return nil, err
		} else if err != nil {
			s.failed(err)
		}
	}
	if s.division.Second != nil {
		if err := s.load(s.division.Second, second, true); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// failed gives all to the second engine.
func (s *Session) failed(err error) {
	s.division = Division{Second: s.division.Whole, Err: err}
}

// Division is who runs what, once it is armed.
func (s *Session) Division() Division { return s.division }

func (s *Session) load(p *plan.Plan, open Open, second bool) error {
	loaded, err := open(p)
	if err != nil {
		return err
	}
	s.parts = append(s.parts, part{p, loaded, second})
	return nil
}

// Run runs a probe that belongs to no function. What it sends comes in one engine's records.
func (s *Session) Run(probe int) error { return s.parts[0].Run(probe) }

// Arm arms what each engine has, the first before the second.
func (s *Session) Arm() (refusals []plan.Refusal, err error) {
	for _, p := range s.parts {
		more, err := p.Arm()
		if err != nil && !p.second && s.division.Whole != nil {
			s.failed(err)
			return s.takeOver()
		} else if err != nil {
			return nil, err
		}
		refusals = append(refusals, more...)
	}
	return refusals, nil
}

// takeOver has the second engine arm everything. The first stays for what BEGIN sent and stored.
func (s *Session) takeOver() ([]plan.Refusal, error) {
	s.parts[0].Disarm()
	for _, p := range s.parts[1:] {
		if err := p.Close(); err != nil {
			return nil, err
		}
	}
	s.parts = s.parts[:1]
	if err := s.load(s.division.Second, s.instead, true); err != nil {
		return nil, err
	}
	return s.parts[1].Arm()
}

// Disarm disarms both.
func (s *Session) Disarm() {
	for _, p := range s.parts {
		p.Disarm()
	}
	s.closed.Store(true)
}

// Close gives everything back.
func (s *Session) Close() error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// Cells calls fn for every entry of map m, with the values that both engines have under its key.
func (s *Session) Cells(m int, fn func(key []byte, values [][]byte) error) error {
	if len(s.parts) == 1 {
		return s.parts[0].Cells(m, fn)
	}
	cells := map[string][][]byte{}
	for _, p := range s.parts {
		err := p.Cells(m, func(key []byte, values [][]byte) error {
			for _, v := range values {
				cells[string(key)] = append(cells[string(key)], append([]byte(nil), v...))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for key, values := range cells {
		if err := fn([]byte(key), values); err != nil {
			return err
		}
	}
	return nil
}

// Clear empties map m, or sets its values to zero and keeps the keys.
func (s *Session) Clear(m int, zero bool) error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, p.Clear(m, zero))
	}
	return errors.Join(errs...)
}

// Stack gives the PCs of a stack. Both engines name stacks by what is in them.
func (s *Session) Stack(id uint64) []uint64 {
	for _, p := range s.parts {
		if pcs := p.Stack(id); pcs != nil {
			return pcs
		}
	}
	return nil
}

// Counts adds up.
func (s *Session) Counts() (engine.Counts, error) {
	var sum engine.Counts
	for _, p := range s.parts {
		c, err := p.Counts()
		if err != nil {
			return sum, err
		}
		sum.Add(c)
	}
	return sum, nil
}

// Seconds is what the second engine ran, nil if it ran nothing, and how often it was hit.
func (s *Session) Seconds() (p *plan.Plan, hits uint64) {
	last := s.parts[len(s.parts)-1]
	if !last.second {
		return nil, 0
	}
	c, _ := last.Counts() // the caller has asked before, and been told
	return last.plan, c.Stats().Hits
}

// Follow passes on that the command runs in the hands of the engine that follows what it executes.
func (s *Session) Follow() error {
	for _, p := range s.parts {
		if e, ok := p.Session.(interface{ Follow() error }); ok {
			return e.Follow()
		}
	}
	return errors.New("no engine follows the command")
}

// Stops are the times at which the process stood still.
func (s *Session) Stops() (sum engine.Stops) {
	for _, p := range s.parts {
		if e, ok := p.Session.(engine.Stopping); ok {
			sum.Add(e.Stops())
		}
	}
	return sum
}

// Unobserved is for how long processes ran what they had executed before the probes of both were there.
func (s *Session) Unobserved() (longest time.Duration) {
	for _, p := range s.parts {
		if e, ok := p.Session.(interface{ Unobserved() time.Duration }); ok {
			longest = max(longest, e.Unobserved())
		}
	}
	return longest
}

// Notes are what the engines have to say about the run.
func (s *Session) Notes() (notes []string) {
	for _, p := range s.parts {
		if e, ok := p.Session.(interface{ Notes() []string }); ok {
			notes = append(notes, e.Notes()...)
		}
	}
	return notes
}

// Refused is what could not be probed in what was mapped after Arm.
func (s *Session) Refused() (refused []plan.Refusal) {
	for _, p := range s.parts {
		if e, ok := p.Session.(interface{ Refused() []plan.Refusal }); ok {
			refused = append(refused, e.Refused()...)
		}
	}
	return refused
}

// Unfinished calls fn for every open call.
func (s *Session) Unfinished(fn func(engine.OpenCall) error) error {
	for _, p := range s.parts {
		if err := p.Unfinished(fn); err != nil {
			return err
		}
	}
	return nil
}

// Sweep forgets the calls whose thread or process has ended, and hands them to fn.
func (s *Session) Sweep(fn func(engine.OpenCall)) error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, p.Sweep(fn))
	}
	return errors.Join(errs...)
}
