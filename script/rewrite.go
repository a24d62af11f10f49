package script

// rewrite copies an expression with every name replaced by what change gives for it. The words that ustack takes
// are no names.
func rewrite(x Expr, change func(*Ident) Expr) Expr {
	list := func(from []Expr) []Expr {
		if from == nil {
			return nil
		}
		to := make([]Expr, len(from))
		for i, e := range from {
			to[i] = rewrite(e, change)
		}
		return to
	}
	switch x := x.(type) {
	case *Ident:
		return change(x)
	case *MapRef:
		return &MapRef{Name: x.Name, Keys: list(x.Keys), Span: x.Span}
	case *Call:
		if x.Name == "ustack" {
			return x
		}
		return &Call{Name: x.Name, Args: list(x.Args), Span: x.Span}
	case *Unary:
		return &Unary{Op: x.Op, X: rewrite(x.X, change), Postfix: x.Postfix, Span: x.Span}
	case *Binary:
		return &Binary{Op: x.Op, X: rewrite(x.X, change), Y: rewrite(x.Y, change), Span: x.Span}
	case *Cond:
		return &Cond{C: rewrite(x.C, change), X: rewrite(x.X, change), Y: rewrite(x.Y, change), Span: x.Span}
	case *Cast:
		return &Cast{Type: x.Type, X: rewrite(x.X, change), Span: x.Span}
	case *Sizeof:
		if x.X == nil {
			return x
		}
		return &Sizeof{X: rewrite(x.X, change), Span: x.Span}
	case *FieldRef:
		return &FieldRef{X: rewrite(x.X, change), Name: x.Name, Arrow: x.Arrow, Span: x.Span}
	case *Index:
		return &Index{X: rewrite(x.X, change), I: rewrite(x.I, change), Span: x.Span}
	case *Tuple:
		return &Tuple{Elems: list(x.Elems), Span: x.Span}
	}
	return x
}
