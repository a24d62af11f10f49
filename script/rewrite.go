package script

// rewriter copies trees, with every leaf replaced by what change gives for it: names, variables, literals, and maps once their keys are
// copied. The words that ustack takes are no names. It counts the nodes that it makes, and how deep they lie in each other.
type rewriter struct {
	change         func(Expr) Expr
	nodes          int
	level, deepest int
}

// rewrite copies an expression so.
func rewrite(x Expr, change func(Expr) Expr) Expr {
	r := rewriter{change: change}
	return r.expr(x)
}

func (r *rewriter) list(from []Expr) []Expr {
	if from == nil {
		return nil
	}
	to := make([]Expr, len(from))
	for i, e := range from {
		to[i] = r.expr(e)
	}
	return to
}

// down notes a node; what it returns ends it.
func (r *rewriter) down() (up func()) {
	r.nodes++
	r.level++
	r.deepest = max(r.deepest, r.level)
	return func() { r.level-- }
}

func (r *rewriter) expr(x Expr) Expr {
	defer r.down()()
	switch x := x.(type) {
	case *MapRef:
		return r.change(&MapRef{Name: x.Name, Keys: r.list(x.Keys), Span: x.Span})
	case *Call:
		if x.Name == "ustack" {
			return x
		}
		return &Call{Name: x.Name, Args: r.list(x.Args), Span: x.Span}
	case *Unary:
		return &Unary{Op: x.Op, X: r.expr(x.X), Postfix: x.Postfix, Span: x.Span}
	case *Binary:
		return &Binary{Op: x.Op, X: r.expr(x.X), Y: r.expr(x.Y), Span: x.Span}
	case *Cond:
		return &Cond{C: r.expr(x.C), X: r.expr(x.X), Y: r.expr(x.Y), Span: x.Span}
	case *Cast:
		return &Cast{Type: x.Type, X: r.expr(x.X), Span: x.Span}
	case *Sizeof:
		if x.X == nil {
			return x
		}
		return &Sizeof{X: r.expr(x.X), Span: x.Span}
	case *FieldRef:
		return &FieldRef{X: r.expr(x.X), Name: x.Name, Arrow: x.Arrow, Span: x.Span}
	case *Index:
		return &Index{X: r.expr(x.X), I: r.expr(x.I), Span: x.Span}
	case *Tuple:
		return &Tuple{Elems: r.list(x.Elems), Span: x.Span}
	}
	return r.change(x)
}

func (r *rewriter) stmts(from []Stmt) []Stmt {
	if from == nil {
		return nil
	}
	to := make([]Stmt, len(from))
	for i, s := range from {
		to[i] = r.stmt(s)
	}
	return to
}

func (r *rewriter) stmt(s Stmt) Stmt {
	defer r.down()()
	switch s := s.(type) {
	case *ExprStmt:
		return &ExprStmt{X: r.expr(s.X), Span: s.Span}
	case *Assign:
		return &Assign{Left: r.expr(s.Left), Op: s.Op, Right: r.expr(s.Right), Span: s.Span}
	case *If:
		return &If{Cond: r.expr(s.Cond), Then: r.stmts(s.Then), Else: r.stmts(s.Else), Span: s.Span}
	case *While:
		return &While{Cond: r.expr(s.Cond), Body: r.stmts(s.Body), Unroll: s.Unroll, Span: s.Span}
	case *For:
		v := s.Var
		if renamed, ok := r.expr(&Var{Name: v, Span: s.Span}).(*Var); ok {
			v = renamed.Name
		}
		return &For{Var: v, From: r.expr(s.From), To: r.expr(s.To), Body: r.stmts(s.Body), Span: s.Span}
	}
	return s
}
