package hybrid_test

import (
	"testing"

	"github.com/sonde-project/sonde/internal/engine/enginetest"
	"github.com/sonde-project/sonde/internal/engine/hybrid"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

// engine runs the table of all engines on this one.
type engine struct {
	deaf bool // records are read when the program has ended
}

func TestConformance(t *testing.T) {
	fixture.NeedRoot(t)
	enginetest.Run(t, engine{})
}

func TestEveryLostCallIsReported(t *testing.T) {
	fixture.NeedRoot(t)
	enginetest.Loss(t, engine{deaf: true})
}

func (engine) Check(p *plan.Plan) error { return hybrid.Check(p) }

func (e engine) Observe(p *plan.Plan, drive func() error) (*enginetest.Observation, error) {
	s, err := hybrid.Open(p)
	if err != nil {
		return nil, err
	}
	return enginetest.Observe(s, p, e.deaf, drive)
}
