package symbol

import (
	"sync"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestDebugInformationMayBeAskedFromSeveralGoroutines(t *testing.T) {
	f := open(t, fixture.Build(t, "abi/abi.cc", "-no-pie", "-w"))
	fns := f.Functions()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range fns {
				sig, err := f.Signature(&fns[i])
				if err != nil {
					t.Error(err)
				}
				if sig != nil {
					_ = sig.String(fns[i].Name)
				}
				f.Line(fns[i].Addr)
				f.Inlines(fns[i].Addr + 4)
			}
			f.TypeNamed("Store")
			f.Inlined("use")
		})
	}
	group.Wait()
}
