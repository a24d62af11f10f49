package codegen_test

import (
	"math/rand/v2"
	"testing"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/plan/plantest"
)

// loads checks that a random plan is accepted by the kernel's verifier.
func loads(t *testing.T, f codegen.Features, seed uint64) {
	t.Helper()
	p := plantest.Random(rand.New(rand.NewPCG(seed, 2)))
	t.Logf("seed %d", seed)
	load(t, p, f)
}

func TestRandomPlansLoad(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		for seed := range uint64(30) {
			loads(t, f, seed)
		}
	})
}

// The verifier accepts every plan.
func FuzzPlansLoad(f *testing.F) {
	full := features(f)
	f.Add(uint64(1000), uint8(0))
	f.Fuzz(func(t *testing.T, seed uint64, without uint8) {
		kernel := full
		kernel.Sleepable = kernel.Sleepable && without&1 == 0
		kernel.TaskStorage = kernel.TaskStorage && without&2 == 0
		kernel.MayGoto = kernel.MayGoto && without&4 == 0
		kernel.CPUv4 = kernel.CPUv4 && without&8 == 0
		if without&16 != 0 {
			kernel.CopyFromUserStr = 0
		}
		loads(t, kernel, seed)
	})
}
