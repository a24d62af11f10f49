package hybrid

import "github.com/sonde-project/sonde/internal/plan"

// divide divides a predicate into what can be decided inside the process and what must be left to the kernel: both must hold. Each part of
// it is evaluated once, so that chance (rand) stays what it was and what cannot be read is counted once. What reads memory stays behind what
// was written before it: p != 0 && p->n > 3.
func divide(pred plan.Expr) (inside, outside plan.Expr) {
	for _, e := range conjuncts(pred) {
		knows, reads := asks(e)
		if knows && (outside == nil || !reads) {
			inside = and(inside, e)
		} else {
			outside = and(outside, e)
		}
	}
	return inside, outside
}

// conjuncts lists the parts of a predicate that must all hold.
func conjuncts(e plan.Expr) []plan.Expr {
	if e == nil {
		return nil
	}
	if b, ok := e.(*plan.Binary); ok && b.Op == "&&" {
		return append(conjuncts(b.X), conjuncts(b.Y)...)
	}
	return []plan.Expr{e}
}

func and(x, y plan.Expr) plan.Expr {
	if x == nil {
		return y
	}
	return &plan.Binary{Op: "&&", X: x, Y: y, T: plan.Type{Kind: plan.IntType, Size: 8}}
}

// asks reports whether an expression asks for what is known inside the process only, and whether it reads memory there. Maps and stacks are the
// kernel's, and so is what a call has kept.
func asks(e plan.Expr) (known, reads bool) {
	known = true
	plan.WalkExpr(e, func(node any) {
		switch node := node.(type) {
		case *plan.MapGet, *plan.MapHas, *plan.VarRef, *plan.Saved, *plan.UserStack:
			known = false
		case *plan.Value:
			known = known && node.B != plan.Cgroup && node.B != plan.Duration && node.B != plan.Depth
		case *plan.Load, *plan.Str, *plan.Buf:
			reads = true
		}
	})
	return known, reads
}
