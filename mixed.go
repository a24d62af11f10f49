package sonde

import (
	"errors"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/engine/mixed"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// mixedBackend is for who asks for both engines: what can be patched is.
func mixedBackend() backend {
	return backend{
		name: EngineMixed, follows: true, returns: resolve.ReturnSites, open: opener((*user.Survey).Refused), means: meaner((*user.Survey).Foreseen),
	}
}

// autoBackend is for who asks for none: what is better patched is.
func autoBackend() backend {
	b := kernelBackend()
	b.open, b.means = opener((*user.Survey).Unasked), meaner((*user.Survey).Unasked)
	return b
}

// refusing says what of a plan is not for the engine inside the process.
type refusing func(survey *user.Survey, p *plan.Plan) ([]plan.Refusal, error)

// opener loads what is for the engine inside the process there and the rest into the kernel; everything, where a running process cannot be entered.
func opener(refused refusing) func(p *plan.Plan, c *target.Command) (loaded, error) {
	return func(p *plan.Plan, c *target.Command) (loaded, error) {
		survey, refused := user.NewSurvey(), refused
		enter := func(p *plan.Plan) (engine.Session, error) { return given(survey.Open(p)) }
		if c != nil {
			refused = (*user.Survey).RefusedFollowed
			enter = func(p *plan.Plan) (engine.Session, error) { return given(survey.OpenFollowed(p, c.Trace)) }
		}
		d := refused.divide(survey, p)
		if d.First == nil {
			survey.Close()
			return trapping(p, why(d))
		}
		if c == nil { // a command has gone some steps, and is the kernel's no more
			d.Whole = p
		}
		var left leftOut
		if d.Second != nil {
			rest, spared, _ := user.Apart(d.Second, kernel.Narrowed(&p.Filter))
			d.Second, left = rest, spared // openKernel would fail should nothing be left
		}
		s, err := mixed.New(d, enter, func(p *plan.Plan) (engine.Session, error) {
			s, more, err := openKernel(p)
			left = append(left, more...)
			return s, err
		})
		return loaded{s, func() plan.Means { return meansOf(s.Division()) }, func() []plan.Refusal { return left }}, err
	}
}

// given is a session, or none.
func given(s *user.Session, err error) (engine.Session, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (refused refusing) divide(survey *user.Survey, p *plan.Plan) mixed.Division {
	list, err := refused(survey, p)
	if err != nil {
		return mixed.Division{Second: p, Err: err}
	}
	return mixed.Divide(p, list)
}

// why the kernel has all of a plan.
func why(d mixed.Division) string {
	switch diagnostic := new(script.Diagnostic); {
	case d.Err == nil:
		return d.Why
	case errors.As(d.Err, &diagnostic):
		return diagnostic.Message
	}
	return d.Err.Error()
}

func meaner(refused refusing) func(p *plan.Plan) plan.Means {
	return func(p *plan.Plan) plan.Means {
		survey := user.NewSurvey()
		defer survey.Close()
		return meansOf(refused.divide(survey, p))
	}
}

// meansOf says who runs what of a plan that is divided.
func meansOf(d mixed.Division) plan.Means {
	if d.First == nil {
		return because(kernelMeans(d.Second), why(d))
	}
	m := inside()
	if d.Second != nil {
		m.Second, m.Passed = string(EngineKernel), d.Passed
	}
	return m
}
