package sonde

import (
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/tracefs"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

func tracefsBackend() backend {
	return backend{
		name: EngineTracefs, traps: true,
		open: func(p *plan.Plan, _ *target.Command) (engine.Session, error) { return openTracefs(p) }, means: tracefsMeans,
	}
}

// openTracefs makes a run on tracefs, or says why it cannot be.
func openTracefs(p *plan.Plan) (engine.Session, error) {
	if err := tracefs.Check(p); err != nil {
		return nil, &script.Diagnostic{Code: "engine-cannot", Message: "the tracefs engine cannot run this: " + err.Error(),
			Hints: []string{"eBPF can: sonde doctor says what it lacks here"}}
	}
	if err := user.Meets(p); err != nil {
		return nil, err
	}
	s, err := tracefs.Open(p)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func tracefsMeans(p *plan.Plan) plan.Means {
	m := plan.Means{Engine: string(EngineTracefs), Link: "uprobe events", Notes: tracefs.Predicates(p)}
	err := tracefs.Available()
	if err == nil {
		err = tracefs.Check(p)
	}
	if err != nil {
		m.Link, m.Why = "", "not usable here: "+err.Error()
	}
	return m
}
