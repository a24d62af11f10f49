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

func mixedBackend() backend {
	return backend{name: EngineMixed, returns: resolve.ReturnSites, open: openMixed, means: mixedMeans}
}

// openMixed loads what can be patched into the process and the rest into the kernel; everything, where a running process cannot be entered.
func openMixed(p *plan.Plan, c *target.Command) (engine.Session, error) {
	inside := func(p *plan.Plan) (engine.Session, error) { return openUser(p, c) }
	d := divide(p)
	s, err := mixed.New(d, inside, openKernel)
	if diagnosed := new(script.Diagnostic); c == nil && d.First != nil && errors.As(err, &diagnosed) {
		s, err = mixed.New(mixed.Division{Second: p}, inside, openKernel)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// divide says which functions of a plan cannot be patched.
func divide(p *plan.Plan) mixed.Division {
	refused, err := user.Refused(p)
	if err != nil {
		return mixed.Division{Second: p, Why: err.Error()}
	}
	return mixed.Divide(p, refused)
}

func mixedMeans(p *plan.Plan) plan.Means {
	if p.Filter.Children { // a command that is not there yet
		m := userMeans(p)
		m.Link += ", or the kernel's probe where none can be"
		return m
	}
	var m plan.Means
	switch d := divide(p); {
	case d.First == nil:
		m = kernelMeans(p)
		m.Why = d.Why
	default:
		m = userMeans(p)
		if d.Second != nil {
			m.Second, m.Passed, m.Refused = string(EngineKernel), m.Refused, nil
		}
	}
	return m
}
