package sonde

import (
	"errors"

	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/engine/tracefs"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// objectBackend runs the run's compiled object: in the kernel, or inside the process once the kernel's verifier has taken it.
func (r *run) objectBackend() backend {
	if r.engine == EngineUser {
		b := userBackend()
		b.open, b.means = r.openInside, r.meansInside
		return b
	}
	b := kernelBackend()
	b.beforeRet = false // its programs read the registers of a ret
	if r.engine == EngineHybrid {
		b.open = func(*plan.Plan, *target.Command) (l loaded, err error) {
			return l, diagnostic("not-offered", "--engine=hybrid decides the predicates of scripts inside the process, and an object has its own in its programs", "--engine=user runs them there, --engine=kernel in the kernel")
		}
		return b
	}
	b.open = func(p *plan.Plan, _ *target.Command) (l loaded, err error) {
		tracefs.Sweep()
		rest, left, err := user.Apart(p, kernel.Narrowed(&p.Filter))
		if err != nil {
			return l, err
		}
		s, err := kernel.OpenObject(rest, r.object, r.armed, r.verifier)
		return loaded{s, func() plan.Means { return kernelMeans(p) }, leftOut(left).list}, err
	}
	return b
}

func (r *run) openInside(p *plan.Plan, held *target.Command) (l loaded, err error) {
	c, err := engine.Compile(p, r.object, r.armed)
	if err != nil {
		return l, err
	}
	programs, err := kernel.Verify(p, r.object, r.armed, r.verifier)
	if err != nil {
		return l, unverified(err)
	}
	var s *user.Object
	if held != nil {
		s, err = user.OpenObjectFollowed(c, programs, held.Trace)
	} else {
		s, err = user.OpenObject(c, programs)
	}
	return loaded{s, inside, nil}, err
}

func (r *run) meansInside(p *plan.Plan) plan.Means {
	m := inside()
	c, err := engine.Compile(p, r.object, r.armed)
	if err == nil {
		m.Refused, err = r.refusedInside(c)
	}
	return unusable(m, err)
}

func (r *run) refusedInside(c *engine.Compiled) ([]plan.Refusal, error) {
	programs, err := kernel.Verify(c.Plan, r.object, r.armed, r.verifier)
	if err != nil {
		return nil, unverified(err)
	}
	return user.CheckObject(c, programs)
}

// unverified says why the kernel was asked for something that it does not run.
func unverified(err error) error {
	var d *script.Diagnostic
	if !errors.Is(err, script.NotPermitted) || !errors.As(err, &d) {
		return err
	}
	why := *d
	why.Hints = append([]string{"the engine inside the process runs an object only after the kernel's verifier has taken it"}, d.Hints...)
	return &why
}
