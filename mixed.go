package sonde

import (
	"errors"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/mixed"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// mixedBackend is for who asks for both engines: what can be patched is.
func mixedBackend() backend {
	return backend{name: EngineMixed, returns: resolve.ReturnSites, open: opener(user.Refused), means: meaner(user.Refused)}
}

// autoBackend is for who asks for none: what is better patched is.
func autoBackend() backend {
	b := kernelBackend()
	b.open, b.means = opener(user.Unasked), meaner(user.Unasked)
	return b
}

// refusing says what of a plan is not for the engine inside the process.
type refusing func(p *plan.Plan) ([]plan.Refusal, error)

// opener loads what is for the engine inside the process there and the rest into the kernel; everything, where a running process cannot be entered.
func opener(refused refusing) func(p *plan.Plan, c *target.Command) (engine.Session, error) {
	return func(p *plan.Plan, c *target.Command) (engine.Session, error) {
		inside := func(p *plan.Plan) (engine.Session, error) { return openUser(p, c) }
		d := refused.divide(p)
		if d.First == nil {
			return openKernel(p)
		}
		if c == nil { // a command has gone some steps, and is the kernel's no more
			d.Whole = p
		}
		s, err := mixed.New(d, inside, openKernel)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

func (refused refusing) divide(p *plan.Plan) mixed.Division {
	list, err := refused(p)
	if d := new(script.Diagnostic); errors.As(err, &d) {
		return mixed.Division{Second: p, Why: d.Message}
	} else if err != nil {
		return mixed.Division{Second: p, Why: err.Error()}
	}
	return mixed.Divide(p, list)
}

func meaner(refused refusing) func(p *plan.Plan) plan.Means {
	return func(p *plan.Plan) plan.Means {
		if p.Filter.Children { // a command that is not there yet
			m := userMeans(p)
			m.Link += ", or the kernel's probe where none can be"
			return m
		}
		d := refused.divide(p)
		if d.First == nil {
			m := kernelMeans(p)
			m.Why = d.Why
			return m
		}
		m := userMeans(d.First)
		if d.Second != nil {
			m.Second, m.Passed = string(EngineKernel), d.Passed
		}
		return m
	}
}
