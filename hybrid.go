package sonde

import (
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/hybrid"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/target"
)

func hybridBackend() backend {
	return backend{name: EngineHybrid, open: openHybrid, means: hybridMeans}
}

// openHybrid loads the plan into the process and the kernel.
func openHybrid(p *plan.Plan, c *target.Command) (engine.Session, error) {
	var s *hybrid.Session
	var err error
	if c != nil {
		s, err = hybrid.OpenCommand(p, c.Trace)
	} else {
		s, err = hybrid.Open(p)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func hybridMeans(p *plan.Plan) plan.Means {
	m := plan.Means{Engine: string(EngineHybrid), Link: "a 5-byte jump a window, a uprobe behind it", Why: hybrid.Decides(p)}
	var err error
	if p.Filter.Children { // a command that is not there yet
		err = hybrid.Check(p)
	} else {
		m.Passed, err = hybrid.Refused(p)
		m.Second = string(EngineKernel)
	}
	if err != nil {
		m.Link, m.Why = "", "not usable here: "+err.Error()
	}
	return m
}
