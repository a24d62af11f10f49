// Package hybrid is the engine that decides in the process and observes in the kernel: a predicate or a sample costs what it costs engine/user,
// and the hits that it lets pass go through an instruction without effect, on which engine/kernel has its probe.
//
// In: a plan. Out: records, cells and counts of the kernel's programs, with what was filtered in the process added. Invariant: every hit is
// counted once, by the half that ended it. It must not know how either half works.
//
// A plan is run as two (halves.go): one has the predicates and nothing else, the other has the rest and takes its sites for where the first one
// sends hits to (user.Pad). The order of a run is that of both engines. The kernel's probes are there before the first jump is written, and
// go when no thread comes to them any more.
package hybrid

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/plan"
)

// Session is a plan that runs in both halves. What is not said here the kernel's half does alone.
type Session struct {
	*kernel.Session
	inside *user.Session
	halves *halves
	passed []plan.Refusal
	left   []plan.Refusal // the kernel's, where another sonde is already
}

// Check says why this engine cannot run a plan: a *script.Diagnostic, or nil.
func Check(p *plan.Plan) error {
	h := halve(p, nil)
	if err := kernel.Check(h.outside); err != nil {
		return err
	}
	return user.Check(h.inside)
}

// Open loads a plan for its process. Nothing is armed yet. Errors are *script.Diagnostic where a user can do something.
func Open(p *plan.Plan) (*Session, error) {
	return open(p, (*user.Survey).Refused, (*user.Survey).Open)
}

// OpenFollowed is Open for a command that is held at its first instruction, of which what it executes is observed too; see user.OpenFollowed.
func OpenFollowed(p *plan.Plan, trace func(func())) (*Session, error) {
	return open(p, (*user.Survey).RefusedFollowed, func(survey *user.Survey, inside *plan.Plan) (*user.Session, error) {
		return survey.OpenFollowed(inside, trace)
	})
}

// refusing says what of the inside's plan cannot be patched.
type refusing func(*user.Survey, *plan.Plan) ([]plan.Refusal, error)

func open(p *plan.Plan, refused refusing, openInside func(*user.Survey, *plan.Plan) (*user.Session, error)) (*Session, error) {
	survey := user.NewSurvey()
	s, code, err := prepare(p, survey, refused)
	if err != nil {
		survey.Close()
		return nil, err
	}
	if s.inside, err = openInside(survey, s.halves.inside); err != nil {
		return nil, err
	}
	if s.Session, err = kernel.Open(s.halves.outside, code); err != nil {
		return nil, errors.Join(err, s.inside.Close())
	}
	return s, nil
}

// prepare divides a plan and compiles what is the kernel's.
func prepare(p *plan.Plan, survey *user.Survey, refusing refusing) (*Session, *codegen.Program, error) {
	refused, err := refusing.of(survey, p)
	if err != nil {
		return nil, nil, err
	}
	s := &Session{halves: halve(p, unpatched(p, refused)), passed: refused}
	if _, s.left, err = user.Apart(s.halves.beside(), kernel.Narrowed(&p.Filter)); len(s.left) > 0 {
		rest := p.Without(s.left)
		if rest == nil {
			return nil, nil, err
		}
		s.halves = halve(rest, unpatched(p, refused))
	}
	features, err := kernel.Features(kernel.NeedsOf(s.halves.outside))
	if err != nil {
		return nil, nil, err
	}
	features.Moved = true
	code, err := codegen.Compile(s.halves.outside, features)
	return s, code, err
}

// Follow lets a command run that was let go stopped; see user.Session.Follow.
func (s *Session) Follow() error { return s.inside.Follow() }

// Stops are the times at which the process stood still.
func (s *Session) Stops() engine.Stops { return s.inside.Stops() }

// Unobserved is for how long processes ran what they had executed before the jumps were there.
func (s *Session) Unobserved() time.Duration {
	return max(s.inside.Unobserved(), s.Session.Unobserved())
}

// Refused is what could not be patched in what was executed or mapped after Arm.
func (s *Session) Refused() []plan.Refusal { return s.inside.Refused() }

// Notes are what there is to say about the process.
func (s *Session) Notes() []string {
	return append(s.Session.Notes(), s.inside.Notes()...)
}

// Arm arms the kernel's probes and then sends hits to them. Sites that are refused are reported.
func (s *Session) Arm() ([]plan.Refusal, error) {
	refused, err := s.ArmOnly(func(probe, site int) bool { return s.halves.pads[probe][site] == beside })
	if err != nil {
		return refused, err
	}
	s.inside.HandOn(s.takeOver)
	more, err := s.inside.Arm()
	return slices.Concat(refused, more, s.left), err
}

// takeOver puts the kernel's probes on pads.
func (s *Session) takeOver(pads user.Pads) (drop func(), _ []plan.Refusal, err error) {
	type place struct{ probe, site int }
	at, stands := map[place]user.Pad{}, map[uint64]uint64{}
	for _, pad := range pads.List {
		at[place{pad.Probe, pad.Site}] = pad
		stands[pad.IP] = pad.PC
	}
	return s.ArmAt(func(probe, site int) (kernel.Place, bool) {
		pad, ok := at[place{probe, s.halves.pads[probe][site]}]
		return kernel.Place{Path: pads.File, Offset: pad.Offset}, ok
	}, stands)
}

// Read is the kernel's.
func (s *Session) Read(deadline time.Time, fn func(record []byte)) error {
	if err := s.inside.Read(time.Time{}, nothing); err != nil { // it keeps the clock of predicates right
		return err
	}
	return s.Session.Read(deadline, fn)
}

func nothing([]byte) {}

// Disarm restores the process first: a thread that is on its way to a probe of the kernel still finds it.
func (s *Session) Disarm() {
	s.inside.Disarm()
	s.Session.Disarm()
}

// Sweep forgets the calls of dead threads in both halves.
func (s *Session) Sweep(fn func(engine.OpenCall)) error {
	return errors.Join(s.inside.Sweep(func(engine.OpenCall) {}), s.Session.Sweep(fn))
}

// Counts are the kernel's, and those of the hits that ended in the process.
func (s *Session) Counts() (engine.Counts, error) {
	all, err := s.Session.Counts()
	if err != nil {
		return all, err
	}
	inside, err := s.inside.Counts()
	for _, ended := range []plan.Counter{plan.CountFiltered, plan.CountLostFrames, plan.CountLostScratch} {
		all.Of[ended] += inside.Of[ended]
		all.Of[plan.CountHits] += inside.Of[ended]
	}
	for _, beside := range []plan.Counter{plan.CountTruncated, plan.CountUnreadable} {
		all.Of[beside] += inside.Of[beside]
	}
	all.Nested += inside.Nested
	return all, err
}

// Close disarms and gives everything back.
func (s *Session) Close() error {
	s.Disarm()
	return errors.Join(s.inside.Close(), s.Session.Close())
}

// Refused says which sites of a plan cannot be patched in its process, and why, without touching it. The functions that have any are left to the
// kernel, predicate included.
func Refused(p *plan.Plan) ([]plan.Refusal, error) {
	survey := user.NewSurvey()
	defer survey.Close()
	return refusing((*user.Survey).Foreseen).of(survey, p)
}

// Passed is what Refused said when the plan was loaded.
func (s *Session) Passed() []plan.Refusal { return s.passed }

func (refused refusing) of(survey *user.Survey, p *plan.Plan) ([]plan.Refusal, error) {
	h := halve(p, nil)
	if err := kernel.Check(h.outside); err != nil {
		return nil, err
	}
	return refused(survey, h.inside)
}

// unpatched are the functions that are the kernel's alone. If that is all of them there are none: then the process is asked to be patched, and says
// why it cannot be.
func unpatched(p *plan.Plan, refused []plan.Refusal) map[int]bool {
	whole := map[int]bool{}
	for _, r := range refused {
		whole[r.Site.Function] = true
	}
	for i := range p.Probes {
		for j := range p.Probes[i].Sites {
			if !whole[p.Probes[i].Sites[j].Function] {
				return whole
			}
		}
	}
	return nil
}

// Decides says in words what of a plan is decided in the process.
func Decides(p *plan.Plan) string {
	h := halve(p, nil)
	if h.decided == 0 {
		return "nothing can be decided in the process: every hit goes to the kernel"
	}
	return fmt.Sprintf("%d of %d predicates are decided in the process", h.decided, h.of)
}
