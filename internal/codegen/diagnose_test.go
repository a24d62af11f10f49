package codegen_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

func TestWhatIsTooLargeIsADiagnosis(t *testing.T) {
	deep := plan.Expr(&plan.Load{Addr: num(1), Size: 8, T: long})
	for range 100 {
		deep = &plan.StrCmp{X: &plan.Str{Addr: deep, Len: num(3), Max: 8}, Y: &plan.Text{S: "x"}, N: 1}
	}
	var wide []plan.Slot
	for range 3 {
		wide = append(wide, str(reg(ctype.RDI), 20000))
	}
	for want, p := range map[string]*plan.Plan{
		"its key has": {Maps: []plan.Map{{Name: "x", Kind: event.AggCount, Keys: []plan.Type{text(300), text(300)}}}},
		"its values":  {Maps: []plan.Map{{Name: "x", Kind: event.AggLhist, Max: 1e9, Step: 1}}},
		"ways":        {Probes: []plan.Probe{{Name: "many", Bodies: make([]plan.Body, 5000)}}},
		"too deep":    begin(set(1, deep)),
		"a hit needs": {Limits: plan.Limits{Capture: 100000}, Emissions: []plan.Emission{{Slots: wide}},
			Probes: []plan.Probe{{Name: "wide", Kind: plan.Begin, Bodies: []plan.Body{{Stmts: []plan.Stmt{&plan.Emit{}}}}}}},
		"a call needs": {Limits: plan.Limits{Capture: 100000},
			Probes: []plan.Probe{{Name: "wide", Kind: plan.Return, Bodies: []plan.Body{{Frame: &plan.Frame{Slots: wide}}}}}},
	} {
		if want == "too deep" {
			p.Maps = []plan.Map{valueMap("x")}
		}
		_, err := codegen.Compile(p, codegen.Features{RingBuf: true})
		var d *script.Diagnostic
		if !errors.As(err, &d) || d.Code != codegen.TooLarge || !strings.Contains(d.Message, want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestPlansThatMakeNoSenseAreErrors(t *testing.T) {
	for want, s := range map[string]plan.Stmt{
		"no variable":      &plan.SetVar{Var: 3, X: num(1)},
		"key parts":        &plan.MapSet{Map: 0, X: num(1)},
		"aggregates":       &plan.MapSet{Map: 1, X: num(1)},
		"no emission":      &plan.Emit{Emission: 9},
		"outside of a":     &plan.Break{},
		"is no text":       &plan.MapSet{Map: 0, Key: []plan.Expr{num(1)}, X: op(num(1), "==", num(2))},
		"no operator":      set(1, &plan.Binary{Op: "**", X: num(1), Y: num(2), T: long}),
		"no saved slot":    set(1, &plan.Saved{Slot: 0, T: long}),
		"completes a call": &plan.Emit{Emission: 0},
	} {
		p := begin(s)
		p.Maps = []plan.Map{valueMap("x"), {Name: "y", Kind: event.AggCount}}
		p.Emissions = []plan.Emission{{Kind: plan.EmitCall, Frame: true}}
		if want == "is no text" {
			p.Maps[0].Value = text(16)
		}
		if _, err := codegen.Compile(p, codegen.Features{RingBuf: true}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
