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

// BenchmarkPrintf decodes what a printf of three numbers and a short text sends.
func BenchmarkPrintf(b *testing.B) {
	word, text := plan.Type{Kind: plan.IntType, Size: 8, Signed: true}, plan.Type{Kind: plan.StrType, Size: 200}
	p := &plan.Plan{Functions: []plan.Function{{Name: "f", Lang: event.LangC}}, Limits: plan.DefaultLimits(), Emissions: []plan.Emission{{Kind: plan.EmitPrintf,
		Format: "%d %d %d %s\n", Slots: []plan.Slot{{Kind: plan.SlotInt}, {Kind: plan.SlotInt}, {Kind: plan.SlotInt}, {Kind: plan.SlotStr}},
		Shape: plan.Shape{ErrnoSlot: -1, StackSlot: -1}}}}
	for i, t := range []plan.Type{word, word, word, text} {
		p.Emissions[0].Args = append(p.Emissions[0].Args, plan.Node{T: t, Pieces: []plan.NodePiece{{Slot: i, Size: 8}}})
	}
	p.Probes = []plan.Probe{{Name: "uprobe:x:f", Bodies: []plan.Body{{Stmts: []plan.Stmt{&plan.Emit{}}}}}}
	d := plan.NewDecoder(p, clock, nil)
	record := plantest.Record(plan.EmitPrintf, plantest.Header{}, []plantest.Captured{number(1), number(6), number(7), {Kind: plan.SlotStr, Bytes: []byte("a short text\x00"), Code: 13}})
	decode(b, d, record)
}

// BenchmarkCall decodes a call with a number and a result.
func BenchmarkCall(b *testing.B) {
	d := plan.NewDecoder(runPlan(), clock, nil)
	record := plantest.Record(plan.EmitCall, plantest.Header{Emission: 1, Function: 0, Outcome: event.Returned, Comm: "prog"}, []plantest.Captured{number(1), number(6)})
	decode(b, d, record)
}

// decode runs a decoder that gives events to keep, and one that does not.
func decode(b *testing.B, d *plan.Decoder, record []byte) {
	for _, name := range []string{"kept", "reused"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Record(record); err != nil {
					b.Fatal(err)
				}
			}
		})
		d.Reuse()
	}
}
