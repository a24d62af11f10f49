package sonde

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/target"
)

// part is a plan that an engine runs within a session. The first one is the script's: BEGIN, END, intervals and maps are its own.
// Further ones may join while the session goes on. What parts send, count and refuse is put together; records of one part keep their order.
type part struct {
	plan    *plan.Plan
	backend backend
	engine  engine.Session
	how     func() plan.Means
	left    func() []plan.Refusal // nil: nothing
	decoder decoding
	refused []plan.Refusal // by the kernel, at arming, or left out
	off     sync.Once      // disarms
	over    atomic.Bool    // disarmed before the session ends: nothing more comes
}

// open gives the plan to its engine.
func (p *part) open(c *target.Command) error {
	l, err := p.backend.open(p.plan, c)
	if err != nil {
		return err
	}
	p.engine, p.how, p.left = l.engine, l.means, l.left
	return nil
}

// arm arms the plan, and notes what is not.
func (p *part) arm() (err error) {
	p.refused, err = p.engine.Arm()
	if p.left != nil {
		p.refused = append(p.refused, p.left()...)
	}
	return err
}

// means says how the plan runs.
func (p *part) means() plan.Means {
	if p.how == nil {
		return p.backend.means(p.plan)
	}
	m := p.how()
	m.Refused = slices.Concat(m.Refused, p.refused)
	return m
}

// past is what parts counted that have left.
type past struct {
	counts engine.Counts
	cost   time.Duration
}

// parts are what runs now, the first one first.
func (s *Session) parts() []*part {
	s.joining.Lock()
	defer s.joining.Unlock()
	return append([]*part{&s.part}, s.joined...)
}

// join takes a part in that is armed. False: the session ends, and the part stays the caller's.
func (s *Session) join(p *part) bool {
	s.joining.Lock()
	defer s.joining.Unlock()
	if s.full {
		return false
	}
	s.joined = append(s.joined, p)
	s.engine.Wake()
	return true
}

// disarm takes the part's probes away, whoever is first to ask; all wait until they are gone.
func (p *part) disarm() { p.off.Do(p.engine.Disarm) }

// retire disarms a part before the session ends; the reader then takes it out.
func (p *part) retire() {
	p.disarm()
	p.over.Store(true)
}

// leave takes a part out that was retired: what it counted stays.
func (s *Session) leave(p *part) error {
	c, err := p.engine.Counts()
	s.past.counts.Add(c)
	s.past.cost += p.cost(c.Hits())
	s.joining.Lock()
	defer s.joining.Unlock()
	s.joined = slices.DeleteFunc(slices.Clone(s.joined), func(other *part) bool { return other == p })
	return errors.Join(err, p.engine.Close())
}

// disarm takes all probes away, side by side: the kernel makes each wait. Nothing joins any more.
func (s *Session) disarm() {
	s.joining.Lock()
	if !s.full {
		s.full, s.quit = true, time.Now()
	}
	s.joining.Unlock()
	var all sync.WaitGroup
	for _, p := range s.parts() {
		all.Go(p.disarm)
	}
	all.Wait()
}

// elapsed is for how long the session observes, or did.
func (s *Session) elapsed() time.Duration {
	s.joining.Lock()
	defer s.joining.Unlock()
	if s.full {
		return s.quit.Sub(s.begun)
	}
	return time.Since(s.begun)
}

// readParts hands on the records that are there, and waits for further ones of the first part.
func (s *Session) readParts(deadline time.Time, record func(p *part, b []byte)) error {
	parts := s.parts()
	for _, p := range parts[1:] {
		if err := p.engine.Read(time.Now(), func(b []byte) { record(p, b) }); err != nil {
			return err
		}
	}
	return s.engine.Read(deadline, func(b []byte) { record(&s.part, b) })
}

// counts adds up what the parts counted, and what their hits cost.
func (s *Session) counts() (sum engine.Counts, cost time.Duration, err error) {
	var errs []error
	sum, cost = s.past.counts, s.past.cost
	for _, p := range s.parts() {
		c, err := p.engine.Counts()
		errs = append(errs, err)
		sum.Add(c)
		cost += p.cost(c.Hits())
	}
	return sum, cost, errors.Join(errs...)
}

// stops are the times at which engines had the observed process stand still.
func (s *Session) stops() (sum engine.Stops) {
	for _, p := range s.parts() {
		if e, ok := p.engine.(engine.Stopping); ok {
			sum.Add(e.Stops())
		}
	}
	return sum
}

// unobserved is for how long processes ran what they had executed before probes were there.
func (s *Session) unobserved() (sum time.Duration) {
	for _, p := range s.parts() {
		if e, ok := p.engine.(interface{ Unobserved() time.Duration }); ok {
			sum += e.Unobserved()
		}
	}
	return sum
}

// closeParts gives back what the parts hold.
func (s *Session) closeParts() error {
	var errs []error
	for _, p := range s.parts() {
		errs = append(errs, p.engine.Close())
	}
	return errors.Join(errs...)
}
