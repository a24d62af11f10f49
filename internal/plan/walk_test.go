package plan

import "testing"

func TestWalkReachesEveryExpression(t *testing.T) {
	// Each place that can hold an expression holds a register of its own.
	n := 0
	reg := func() Expr {
		n++
		return &Reg{}
	}
	all := &Choose{
		C: &Binary{X: reg(), Y: &Unary{X: reg()}},
		X: &StrCmp{X: &Str{Addr: reg(), Len: reg()}, Y: &Buf{Addr: reg(), Len: reg()}},
		Y: &TupleOf{Elems: []Expr{&Cast{X: &Load{Addr: reg()}}, &SymOf{X: reg()}, &MapGet{Key: []Expr{reg()}}, &MapHas{Key: []Expr{reg()}}}},
	}
	key := func() []Expr { return []Expr{reg()} }
	p := &Plan{
		Probes: []Probe{{Bodies: []Body{{
			Frame: &Frame{Pred: reg(), Slots: []Slot{{X: reg(), Len: reg(), If: reg()}}},
			Pred:  all,
			Stmts: []Stmt{
				&SetVar{X: reg()}, &MapSet{Key: key(), X: reg()}, &MapAdd{Key: key(), X: reg()},
				&MapAggregate{Key: key()}, &MapDelete{Key: key()},
				&If{Cond: reg(), Then: []Stmt{&SetVar{X: reg()}}, Else: []Stmt{&Loop{Cond: reg(), Body: []Stmt{&SetVar{X: reg()}, &Break{}}}}},
			},
		}}}},
		Emissions: []Emission{{Slots: []Slot{{X: reg()}}}},
	}
	seen, breaks := map[*Reg]bool{}, 0
	p.Walk(func(node any) {
		switch node := node.(type) {
		case *Reg:
			seen[node] = true
		case *Break:
			breaks++
		}
	})
	if len(seen) != n || breaks != 1 {
		t.Errorf("%d of %d registers were met, %d of 1 break", len(seen), n, breaks)
	}
}
