package kernel_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/enginetest"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
)

// engine runs the table of all engines on this one, with the features that limit leaves.
type engine struct {
	limit func(*codegen.Features)
	deaf  bool // records are read when the program has ended
}

func all(*codegen.Features) {}

func single(f *codegen.Features) { f.Multi = false }

func TestConformance(t *testing.T) {
	fixture.NeedRoot(t)
	enginetest.Run(t, engine{limit: all})
}

func TestConformanceWithoutUprobeMulti(t *testing.T) {
	fixture.NeedRoot(t)
	enginetest.Run(t, engine{limit: single})
}

func TestEveryLostCallIsReported(t *testing.T) {
	fixture.NeedRoot(t)
	enginetest.Loss(t, engine{limit: all, deaf: true})
}

func TestConformanceInsideAPIDNamespace(t *testing.T) {
	fixture.NeedRoot(t)
	fixture.Need(t, "unshare")
	out, err := exec.Command("unshare", "--pid", "--fork", "--mount-proc", os.Args[0],
		"-test.v", "-test.run=^TestConformance$/(child|process|thread|longjmp|unfinished)").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "    --- PASS"); n < 7 {
		t.Errorf("%d cases passed\n%s", n, out)
	}
}

func (e engine) Check(p *plan.Plan) error { return kernel.Check(p) }

func (e engine) Observe(p *plan.Plan, drive func() error) (*enginetest.Observation, error) {
	f, err := kernel.Features(kernel.NeedsOf(p))
	if err != nil {
		return nil, err
	}
	e.limit(&f)
	code, err := codegen.Compile(p, f)
	if err != nil {
		return nil, err
	}
	s, err := kernel.Open(p, code)
	if err != nil {
		return nil, err
	}
	return enginetest.Observe(s, p, e.deaf, drive)
}
