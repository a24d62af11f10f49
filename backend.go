package sonde

import (
	"errors"
	"os"
	"slices"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/engine/tracefs"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// backend is one way to run plans.
type backend struct {
	name Engine
	// traps: a hit goes through the kernel, and costs what its instruction's class costs.
	traps bool
	// beforeRet: its programs know what sites before a ret tell.
	beforeRet bool
	// follows: the engine goes on tracing a command that it observes.
	follows bool
	// returns is how this engine sees returns, where it has only one way.
	returns resolve.ReturnPolicy
	// open loads a plan, or says why it cannot be run. The command is held before its first instruction; nil: none was started.
	open func(p *plan.Plan, c *target.Command) (loaded, error)
	// means says how a plan would be run.
	means func(p *plan.Plan) plan.Means
}

// loaded is a plan that an engine has.
type loaded struct {
	engine engine.Session
	means  func() plan.Means // how it runs it, but for what it could not arm
	// left is what it leaves out of it because another sonde is there, as is known once it is armed; nil: nothing.
	left func() []plan.Refusal
}

// backend decides which engine runs the scripts of a run, and says why. By itself that is the kernel's eBPF, which can do
// everything, and inside one process, function by function, what costs less there and leaves no risk; where eBPF is not permitted tracefs, and where
// that is not either the engine inside the process alone.
func (t *Target) backend(r *run) (backend, string) {
	if r.object != nil {
		return r.objectBackend(), ""
	}
	switch r.engine {
	case EngineKernel:
		return kernelBackend(), "asked for"
	case EngineUser:
		return userBackend(), "asked for"
	case EngineHybrid:
		return hybridBackend(), "asked for"
	case EngineTracefs:
		return tracefsBackend(), "asked for"
	case EngineMixed:
		return mixedBackend(), "asked for"
	}
	permitted := !errors.Is(kernel.Permitted(), script.NotPermitted)
	one := len(t.pids) == 1 && t.pids[0] != os.Getpid() // nobody stops himself
	switch {
	case permitted && one:
		return autoBackend(), ""
	case permitted:
		return kernelBackend(), ""
	case tracefs.Available() == nil:
		return tracefsBackend(), "eBPF is not permitted here"
	case len(t.argv) > 0, len(t.pids) > 0 && !slices.Contains(t.pids, os.Getpid()):
		return userBackend(), "eBPF is not permitted here"
	}
	return kernelBackend(), ""
}

func kernelBackend() backend {
	return backend{
		name: EngineKernel, traps: true, beforeRet: true,
		open: func(p *plan.Plan, _ *target.Command) (loaded, error) { return trapping(p, "") },
		means: func(p *plan.Plan) plan.Means {
			m := kernelMeans(p)
			_, m.Refused, _ = user.Apart(p, kernel.Narrowed(&p.Filter))
			return m
		},
	}
}

// trapping has the kernel run a plan, for a reason.
func trapping(p *plan.Plan, why string) (loaded, error) {
	s, left, err := openKernel(p)
	return loaded{s, func() plan.Means { return because(kernelMeans(p), why) }, left.list}, err
}

// leftOut is what kernel probes are not put on, because another sonde's jumps are there.
type leftOut []plan.Refusal

func (l leftOut) list() []plan.Refusal { return l }

// because adds why an engine runs a plan, unless it says by itself.
func because(m plan.Means, why string) plan.Means {
	if m.Why == "" {
		m.Why = why
	}
	return m
}

// openKernel compiles the plan for the kernel and loads it.
func openKernel(p *plan.Plan) (engine.Session, leftOut, error) {
	tracefs.Sweep()
	p, left, err := user.Apart(p, kernel.Narrowed(&p.Filter))
	if err != nil {
		return nil, nil, err
	}
	code, err := compileKernel(p)
	if err != nil {
		return nil, nil, err
	}
	s, err := kernel.Open(p, code)
	if err != nil {
		return nil, nil, err
	}
	return s, left, nil
}

func compileKernel(p *plan.Plan) (*codegen.Program, error) {
	features, err := kernel.Features(kernel.NeedsOf(p))
	if err != nil {
		return nil, err
	}
	return codegen.Compile(p, features)
}

func kernelMeans(p *plan.Plan) plan.Means {
	m := plan.Means{Engine: string(EngineKernel), Link: "uprobe_multi"}
	features, err := kernel.Features(kernel.NeedsOf(p))
	if err == nil && !features.Multi {
		m.Link = "one perf event a site, as this kernel lacks uprobe_multi"
	}
	return unusable(m, err)
}

// insideLink is how the engine inside the process arms.
const insideLink = "a 5-byte jump a window"

func userBackend() backend {
	return backend{name: EngineUser, follows: true, returns: resolve.ReturnSites, open: openFollowed, means: userMeans}
}

// openFollowed loads a plan into processes, or into a command of which what it executes is observed too.
func openFollowed(p *plan.Plan, c *target.Command) (loaded, error) {
	var s *user.Session
	var err error
	if c == nil {
		s, err = user.Open(p)
	} else {
		s, err = user.NewSurvey().OpenFollowed(p, c.Trace)
	}
	return loaded{s, inside, nil}, err
}

// inside is how the engine inside the process runs what it has.
func inside() plan.Means { return plan.Means{Engine: string(EngineUser), Link: insideLink} }

func userMeans(p *plan.Plan) plan.Means {
	m := inside()
	survey := user.NewSurvey()
	defer survey.Close()
	var err error
	m.Refused, err = survey.Foreseen(p)
	return unusable(m, err)
}

// unusable adds why an engine cannot run a plan, if there is an error.
func unusable(m plan.Means, err error) plan.Means {
	if err != nil {
		m.Link, m.Why = "", "not usable here: "+err.Error()
	}
	return m
}
