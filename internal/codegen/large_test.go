package codegen_test

import (
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// large is a plan whose return probe has many bodies that each capture memory at entry and return.
func large(bodies int) *plan.Plan {
	p := &plan.Plan{Limits: plan.DefaultLimits()}
	args := []ctype.Register{ctype.RDI, ctype.RSI, ctype.RDX, ctype.RCX, ctype.R8, ctype.R9}
	probe := plan.Probe{Kind: plan.Return, Name: "large"}
	for b := range bodies {
		var slots []plan.Slot
		for i, r := range args {
			at := &plan.Reg{R: r, T: ulong}
			field := &plan.Load{Addr: op(at, "+", num(int64(8*b))), Size: 8, T: ulong}
			switch i % 3 {
			case 0:
				slots = append(slots, str(at, 200))
			case 1:
				slots = append(slots, plan.Slot{Kind: plan.SlotMem, X: field, Size: 64, If: at})
			case 2:
				slots = append(slots, plan.Slot{Kind: plan.SlotBuf, X: at, Len: &plan.Reg{R: args[i-1], T: ulong}, Size: 200})
			}
		}
		p.Emissions = append(p.Emissions, plan.Emission{Kind: plan.EmitCall, Frame: true, Entry: len(slots),
			Slots: []plan.Slot{number(reg(ctype.RAX)), str(&plan.Saved{Slot: 1, T: ulong}, 200)}})
		slots[1] = number(reg(ctype.RSI))
		probe.Bodies = append(probe.Bodies, plan.Body{Frame: &plan.Frame{Slots: slots, Depth: true}, Stmts: []plan.Stmt{&plan.Emit{Emission: b}}})
		for _, role := range []site.Role{site.Entry, site.Trampoline, site.Ret} {
			p.Functions = append(p.Functions, plan.Function{Lang: event.LangC})
			probe.Sites = append(probe.Sites, plan.Site{Function: b, Body: b, Callee: -1, Choice: site.Choice{Role: role}})
		}
	}
	p.Probes = []plan.Probe{probe}
	return p
}

func TestLargePlansLoad(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		p := large(200)
		begun := time.Now()
		code, err := codegen.Compile(p, f)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, prog := range code.Progs {
			size += len(prog.Spec.Instructions)
		}
		compiled := time.Since(begun)
		load(t, p, f)
		if took := time.Since(begun); took > 3*time.Minute {
			t.Errorf("took %v", took)
		}
		t.Logf("%d programs of %d instructions: compiled in %v, loaded in %v", len(code.Progs), size, compiled, time.Since(begun)-compiled)
	})
}
