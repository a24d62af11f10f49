package plan_test

import (
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/plantest"
)

// BenchmarkRecord decodes a call with a number, a result and no stack, and writes it as JSON.
func BenchmarkRecord(b *testing.B) {
	d := plan.NewDecoder(runPlan(), clock, nil)
	record := plantest.Record(plan.EmitCall, plantest.Header{Emission: 1, Function: 1, Outcome: event.Returned, Comm: "prog"}, []plantest.Captured{number(1), number(6)})
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		e, err := d.Record(record)
		if err != nil {
			b.Fatal(err)
		}
		out = e.(*event.Call).AppendJSON(out[:0])
	}
}
