package mixed_test

import (
	"testing"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/enginetest"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/engine/mixed"
	"github.com/sonde-project/sonde/internal/engine/user"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

// both runs the table on both engines at once: the functions with an odd number on the one inside the process, or those with an even number.
type both struct {
	odd  bool
	deaf bool
}

func TestConformance(t *testing.T) {
	fixture.NeedRoot(t)
	for name, odd := range map[string]bool{"odd": true, "even": false} {
		t.Run(name, func(t *testing.T) { enginetest.Run(t, both{odd: odd}) })
	}
}

func TestEveryLostCallIsReported(t *testing.T) {
	fixture.NeedRoot(t)
	enginetest.Loss(t, both{deaf: true})
}

func (both) Patches() {}

func (both) Check(p *plan.Plan) error { return user.Check(p) }

func (b both) Observe(p *plan.Plan, drive func() error) (*enginetest.Observation, error) {
	s, err := mixed.New(mixed.Divide(p, b.refused(p)), inside, trapping)
	if err != nil {
		return nil, err
	}
	return enginetest.Observe(s, p, b.deaf, drive)
}

func (b both) refused(p *plan.Plan) (list []plan.Refusal) {
	for i := range p.Probes {
		for j := range p.Probes[i].Sites {
			if s := &p.Probes[i].Sites[j]; (s.Function%2 == 1) != b.odd {
				list = append(list, plan.Refusal{Function: p.Functions[s.Function].Name, Site: s, Why: "its number"})
			}
		}
	}
	return list
}

func inside(p *plan.Plan) (engine.Session, error) { return user.Open(p) }

func trapping(p *plan.Plan) (engine.Session, error) {
	f, err := kernel.Features(kernel.NeedsOf(p))
	if err != nil {
		return nil, err
	}
	code, err := codegen.Compile(p, f)
	if err != nil {
		return nil, err
	}
	return kernel.Open(p, code)
}
