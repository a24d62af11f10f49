package sonde

import (
	"github.com/sonde-project/sonde/internal/engine/tracefs"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

func tracefsBackend() backend {
	return backend{
		name: EngineTracefs, traps: true,
		open: openTracefs, means: tracefsMeans,
	}
}

// openTracefs makes a run on tracefs, or says why it cannot be.
func openTracefs(p *plan.Plan, _ *target.Command) (l loaded, err error) {
	if err := tracefs.Check(p); err != nil {
		return l, &script.Diagnostic{Code: "engine-cannot", Message: "the tracefs engine cannot run this: " + err.Error(),
			Hints: []string{"eBPF can: sonde doctor says what it lacks here"}}
	}
	rest, left, err := user.Apart(p, 0)
	if err != nil {
		return l, err
	}
	s, err := tracefs.Open(rest)
	return loaded{s, func() plan.Means { return tracefsMeans(p) }, leftOut(left).list}, err
}

func tracefsMeans(p *plan.Plan) plan.Means {
	m := plan.Means{Engine: string(EngineTracefs), Link: "uprobe events", Notes: tracefs.Predicates(p)}
	err := tracefs.Available()
	if err == nil {
		err = tracefs.Check(p)
	}
	return unusable(m, err)
}
