package sonde

import (
	"github.com/sonde-project/sonde/internal/engine/hybrid"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/target"
)

func hybridBackend() backend {
	return backend{name: EngineHybrid, follows: true, open: openHybrid, means: hybridMeans}
}

// openHybrid loads the plan into the process and the kernel.
func openHybrid(p *plan.Plan, c *target.Command) (loaded, error) {
	var s *hybrid.Session
	var err error
	if c != nil {
		s, err = hybrid.OpenFollowed(p, c.Trace)
	} else {
		s, err = hybrid.Open(p)
	}
	return loaded{s, func() plan.Means { return halved(p, s.Passed()) }, nil}, err
}

func hybridMeans(p *plan.Plan) plan.Means {
	passed, err := hybrid.Refused(p)
	return unusable(halved(p, passed), err)
}

// halved is how the hybrid engine runs a plan, but for functions that the kernel has to itself.
func halved(p *plan.Plan, passed []plan.Refusal) plan.Means {
	return plan.Means{
		Engine: string(EngineHybrid), Link: "a 5-byte jump a window, a uprobe behind it", Why: hybrid.Decides(p), Second: string(EngineKernel), Passed: passed,
	}
}
