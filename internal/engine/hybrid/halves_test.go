package hybrid

import (
	"fmt"
	"testing"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// Parts of a predicate, as tests write them.
func parts() map[byte]plan.Expr {
	number := plan.Type{Kind: plan.IntType, Size: 8}
	reg := &plan.Reg{R: ctype.RDI, T: number}
	return map[byte]plan.Expr{
		'r': reg,
		'?': &plan.Value{B: plan.Rand, T: number},
		'm': &plan.MapGet{T: number},
		's': &plan.UserStack{Frames: 4},
		'd': &plan.Value{B: plan.Duration, T: number},
		'l': &plan.Load{Addr: reg, Size: 8, T: number},
		'n': &plan.Unary{Op: "!", X: &plan.MapHas{}, T: number},
	}
}

func written(e plan.Expr, all map[byte]plan.Expr) (text string) {
	for _, c := range conjuncts(e) {
		for letter, part := range all {
			if part == c {
				text += string(letter)
			}
		}
	}
	return text
}

// What is known in the process is decided there; what reads memory stays behind what was written before it.
func TestAPredicateIsDividedByWhatItAsksFor(t *testing.T) {
	all := parts()
	for text, want := range map[string]string{
		"":      "|",
		"r":     "r|",
		"r?":    "r?|",
		"m":     "|m",
		"rm?":   "r?|m",
		"rl":    "rl|",
		"lr":    "lr|",
		"ml":    "|ml",
		"rmlr?": "rr?|ml",
		"sdnr":  "r|sdn",
	} {
		var pred plan.Expr
		for i := range text {
			pred = and(pred, all[text[i]])
		}
		inside, outside := divide(pred)
		if got := written(inside, all) + "|" + written(outside, all); got != want {
			t.Errorf("%q is divided into %q, not %q", text, got, want)
		}
	}
}

// Each site has its pad; a call that is seen to return by a replaced address needs one for both.
func TestEverySiteIsReachedThroughAPad(t *testing.T) {
	at := func(role site.Role, function, body int) plan.Site {
		return plan.Site{Function: function, Body: body, Addr: symbol.Addr(100*function + int(role)/2), Choice: site.Choice{Role: role}}
	}
	r := parts()['r']
	p := &plan.Plan{Probes: []plan.Probe{
		{Kind: plan.Begin, Bodies: make([]plan.Body, 1)},
		{Kind: plan.Entry, Bodies: []plan.Body{{Pred: r}, {}}, Sites: []plan.Site{at(site.Entry, 0, 0), at(site.Entry, 1, 1), at(site.Inside, 2, 0)}},
		{Kind: plan.Return, Bodies: []plan.Body{{Frame: &plan.Frame{Pred: r}}, {Frame: &plan.Frame{}, Pred: r}, {Pred: r}}, Sites: []plan.Site{
			at(site.Entry, 0, 0), at(site.Trampoline, 0, 0), // 0, 0
			at(site.Entry, 1, 0), at(site.Ret, 1, 0), at(site.TailJump, 1, 0), // 1 2 3
			at(site.Entry, 2, 1), at(site.Trampoline, 2, 1), // 4, 4
			at(site.Entry, 3, 1), at(site.Ret, 3, 1), // 5 6
			at(site.Trampoline, 4, 2), at(site.Ret, 5, 2), // 7 8
		}},
	}}
	h := halve(p, nil)
	if got := fmt.Sprint(h.pads); got != "[[] [0 1 2] [0 0 1 2 3 4 4 5 6 7 8]]" {
		t.Errorf("pads %v", got)
	}
	var kinds []string
	for _, probe := range h.inside.Probes {
		for _, s := range probe.Sites {
			b := &probe.Bodies[s.Body]
			kinds = append(kinds, fmt.Sprintf("%v:%v,%v", s.Role, b.Pred != nil, b.Frame != nil && b.Frame.Pred != nil))
		}
	}
	want := "[entry:true,false entry:false,false inside:true,false" +
		" entry:true,false entry:false,true ret:false,true tail jump:false,true entry:false,false entry:false,false ret:false,false entry:false,false ret:false,false]"
	if got := fmt.Sprint(kinds); got != want {
		t.Errorf("inside decides\n%v, not\n%v", got, want)
	}
	out := h.outside.Probes
	if out[1].Bodies[0].Pred != nil || out[2].Bodies[0].Frame.Pred != nil || out[2].Bodies[1].Pred == nil || out[2].Bodies[2].Pred == nil {
		t.Errorf("the kernel decides %+v", out)
	}
	if p.Probes[1].Bodies[0].Pred == nil || p.Probes[2].Bodies[0].Frame.Pred == nil {
		t.Error("the plan was changed")
	}
	if h.decided != 2 || h.of != 4 {
		t.Errorf("%d of %d", h.decided, h.of)
	}
}

// A function that cannot be patched is left to the kernel with its whole predicate, at its own places.
func TestAFunctionThatCannotBePatchedIsTheKernelsAlone(t *testing.T) {
	at := func(role site.Role, function int) plan.Site {
		return plan.Site{Function: function, Addr: symbol.Addr(100 * function), Choice: site.Choice{Role: role}}
	}
	r := parts()['r']
	p := &plan.Plan{Probes: []plan.Probe{
		{Kind: plan.Entry, Bodies: []plan.Body{{Pred: r}}, Sites: []plan.Site{at(site.Entry, 0), at(site.Entry, 1)}},
		{Kind: plan.Return, Bodies: []plan.Body{{Frame: &plan.Frame{Pred: r}}}, Sites: []plan.Site{at(site.Entry, 1), at(site.Ret, 1), at(site.Entry, 0), at(site.Ret, 0)}},
		{Kind: plan.Entry, Bodies: []plan.Body{{Pred: r}}, Sites: []plan.Site{at(site.Entry, 0)}},
	}}
	h := halve(p, map[int]bool{1: true})
	if got := fmt.Sprint(h.pads); got != "[[0 -1] [-1 -1 0 1] [0]]" {
		t.Errorf("pads %v", got)
	}
	for i, probe := range h.outside.Probes {
		for j, s := range probe.Sites {
			b := &probe.Bodies[s.Body]
			if decides := b.Pred != nil || b.Frame != nil && b.Frame.Pred != nil; decides != (s.Function == 1) {
				t.Errorf("site %d of probe %d: the kernel decides: %v", j, i, decides)
			}
		}
	}
	var n []int
	for _, probe := range h.beside().Probes {
		n = append(n, len(probe.Sites))
	}
	if fmt.Sprint(n) != "[1 2 0]" {
		t.Errorf("beside: %v sites", n)
	}
	if p.Probes[0].Sites[1].Body != 0 || p.Probes[1].Sites[0].Body != 0 {
		t.Error("the plan was changed")
	}
}
