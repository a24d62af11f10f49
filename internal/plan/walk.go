package plan

// Walk calls fn for every *Slot, Stmt and Expr of the plan, outer before inner. Questions such as "does anything here
// read memory" are asked with it.
func (p *Plan) Walk(fn func(node any)) {
	for i := range p.Probes {
		for j := range p.Probes[i].Bodies {
			p.Probes[i].Bodies[j].walk(fn)
		}
	}
	for i := range p.Emissions {
		walkSlots(p.Emissions[i].Slots, fn)
	}
}

// WalkBody calls fn as Walk does for one body, and for what it sends.
func (p *Plan) WalkBody(b *Body, fn func(node any)) {
	b.walk(func(node any) {
		fn(node)
		if e, ok := node.(*Emit); ok {
			walkSlots(p.Emissions[e.Emission].Slots, fn)
		}
	})
}

// WalkExpr calls fn for every Expr of an expression, outer before inner.
func WalkExpr(e Expr, fn func(node any)) { walkExpr(e, fn) }

func (b *Body) walk(fn func(any)) {
	if b.Frame != nil {
		walkExpr(b.Frame.Pred, fn)
		walkSlots(b.Frame.Slots, fn)
	}
	walkExpr(b.Pred, fn)
	walkStmts(b.Stmts, fn)
}

func walkSlots(slots []Slot, fn func(any)) {
	for i := range slots {
		fn(&slots[i])
		walkExprs(fn, slots[i].X, slots[i].Len, slots[i].If)
	}
}

func walkStmts(stmts []Stmt, fn func(any)) {
	for _, s := range stmts {
		fn(s)
		switch s := s.(type) {
		case *SetVar:
			walkExpr(s.X, fn)
		case *MapSet:
			walkKey(s.Key, s.X, fn)
		case *MapAdd:
			walkKey(s.Key, s.X, fn)
		case *MapAggregate:
			walkKey(s.Key, s.X, fn)
		case *MapDelete:
			walkKey(s.Key, nil, fn)
		case *If:
			walkExpr(s.Cond, fn)
			walkStmts(s.Then, fn)
			walkStmts(s.Else, fn)
		case *Loop:
			walkExpr(s.Cond, fn)
			walkStmts(s.Body, fn)
		}
	}
}

func walkKey(key []Expr, x Expr, fn func(any)) {
	walkExprs(fn, key...)
	walkExpr(x, fn)
}

func walkExprs(fn func(any), list ...Expr) {
	for _, e := range list {
		walkExpr(e, fn)
	}
}

func walkExpr(e Expr, fn func(any)) {
	if e == nil {
		return
	}
	fn(e)
	switch e := e.(type) {
	case *Load:
		walkExpr(e.Addr, fn)
	case *Str:
		walkExprs(fn, e.Addr, e.Len)
	case *Buf:
		walkExprs(fn, e.Addr, e.Len)
	case *MapGet:
		walkExprs(fn, e.Key...)
	case *MapHas:
		walkExprs(fn, e.Key...)
	case *Unary:
		walkExpr(e.X, fn)
	case *Binary:
		walkExprs(fn, e.X, e.Y)
	case *Choose:
		walkExprs(fn, e.C, e.X, e.Y)
	case *Cast:
		walkExpr(e.X, fn)
	case *StrCmp:
		walkExprs(fn, e.X, e.Y)
	case *TupleOf:
		walkExprs(fn, e.Elems...)
	case *SymOf:
		walkExpr(e.X, fn)
	}
}
