package script

// The verbs of the command are scripts. These functions build the trees that the parser would build from the text
// that --show-script prints.

// Sampled is a predicate that also rejects all but one hit in n, by chance: rand % n == 0 && pred. The predicate may be nil.
func Sampled(pred Expr, n int) Expr {
	if n <= 1 {
		return pred
	}
	chance := Expr(&Binary{Op: "==", X: &Binary{Op: "%", X: &Ident{Name: "rand"}, Y: &Int{Value: int64(n)}}, Y: &Int{}})
	if pred == nil {
		return chance
	}
	return &Binary{Op: "&&", X: chance, Y: pred}
}

// TraceOptions says what trace emits beside the call.
type TraceOptions struct {
	Stack bool
}

// Count is the script of `sonde count`: how often the points were passed, by function and the further keys.
//
//	uprobe:T:F /pred/ { @[func, by...] = count(); }
//
// A predicate or key that needs the return (retval, duration, depth) makes it count returns.
func Count(points []Point, pred Expr, by []Expr) (*Script, error) {
	atReturn := usesReturn(append(by[:len(by):len(by)], pred))
	points, err := armed(points, atReturn, false)
	if err != nil {
		return nil, err
	}
	return verb(given{points, pred, by}, func(g given) Stmt {
		return &Assign{Left: g.keyed(), Op: "=", Right: &Call{Name: "count"}}
	}), nil
}

// Trace is the script of `sonde trace`: one event per call, emitted at its return.
//
//	uretprobe:T:F /pred/ { call(); }
//
// Instructions, lines and static probes have no return: they emit when they are passed.
func Trace(points []Point, pred Expr, opts TraceOptions) (*Script, error) {
	points, err := armed(points, true, usesReturn([]Expr{pred}))
	if err != nil {
		return nil, err
	}
	call := &Call{Name: "call"}
	if opts.Stack {
		call.Args = []Expr{&Ident{Name: "ustack"}}
	}
	return verb(given{points: points, pred: pred}, func(given) Stmt { return &ExprStmt{X: call} }), nil
}

// Time is the script of `sonde time`: how long calls took, by function and the further keys.
//
//	uretprobe:T:F /pred/ { @[func, by...] = quantiles(duration); }
func Time(points []Point, pred Expr, by []Expr) (*Script, error) {
	points, err := armed(points, true, true)
	if err != nil {
		return nil, err
	}
	return verb(given{points, pred, by}, func(g given) Stmt {
		took := &Call{Name: "quantiles", Args: []Expr{&Ident{Name: "duration"}}}
		return &Assign{Left: g.keyed(), Op: "=", Right: took}
	}), nil
}

// verb is a script of one probe with one statement, its text being what the command line had. Parameters stand bare in
// --if and --by; in a script they are args.NAME.
func verb(g given, body func(given) Stmt) *Script {
	text := g.place()
	g.qualify()
	return &Script{Text: text, Probes: []*Probe{{Points: g.points, Pred: g.pred, Body: []Stmt{body(g)}}}}
}

// qualify makes the bare names of parameters what they are in a script.
func (g *given) qualify() {
	g.pred = qualify(g.pred)
	for i, key := range g.by {
		g.by[i] = qualify(key)
	}
}

// keyed is @[func, by...].
func (g given) keyed() *MapRef {
	return &MapRef{Keys: append([]Expr{&Ident{Name: "func"}}, g.by...)}
}

// armed turns function points into entry or return probes. Where needed is set, a point without a return is a mistake.
func armed(points []Point, atReturn, needed bool) ([]Point, error) {
	out := make([]Point, len(points))
	for i, pt := range points {
		inside := pt.HasOffset || pt.File != "" || pt.Kind == USDT
		switch {
		case inside && (needed || pt.Kind == Uretprobe):
			text := pt.commandLine()
			return nil, &Diagnostic{Code: NoReturn, Message: "no call begins or ends at " + text, Text: text, Span: Span{0, len(text)},
				Hints: []string{"durations and results belong to functions: TARGET:FUNCTION"}}
		case inside:
		case atReturn:
			pt.Kind = Uretprobe
		}
		out[i] = pt
	}
	return out, nil
}

// usesReturn reports whether any of the expressions needs what only the return knows.
func usesReturn(list []Expr) bool {
	found := false
	for _, x := range list {
		rewrite(x, func(x Expr) Expr {
			if id, ok := x.(*Ident); ok {
				found = found || id.Name == "retval" || id.Name == "duration" || id.Name == "depth"
			}
			return x
		})
	}
	return found
}

// qualify turns the bare name of a parameter into args.NAME. Builtins keep their meaning, and so do names in capitals,
// which are constants.
func qualify(x Expr) Expr {
	return rewrite(x, func(x Expr) Expr {
		id, ok := x.(*Ident)
		if !ok || IsBuiltin(id.Name) || constantName(id.Name) {
			return x
		}
		return &FieldRef{X: &Ident{Name: "args", Span: id.Span}, Name: id.Name, Span: id.Span}
	})
}

// Between is the script of `sonde time --from A --to B`: how long a thread takes from one point to the other.
//
//	A { @start[tid] = nsecs; }
//	B /has_key(@start, tid) && pred/ { @[func, by...] = quantiles(nsecs - @start[tid]); delete(@start[tid]); }
//	END { clear(@start); }
func Between(from, to Point, pred Expr, by []Expr) *Script {
	g := given{[]Point{from, to}, pred, by}
	text := g.place()
	g.qualify()
	starts, tid, nsecs := &MapRef{Name: "start"}, &Ident{Name: "tid"}, &Ident{Name: "nsecs"}
	start := &MapRef{Name: "start", Keys: []Expr{tid}}
	begun := Expr(&Call{Name: "has_key", Args: []Expr{starts, tid}})
	if g.pred != nil {
		begun = &Binary{Op: "&&", X: begun, Y: g.pred}
	}
	took := &Call{Name: "quantiles", Args: []Expr{&Binary{Op: "-", X: nsecs, Y: start}}}
	return &Script{Text: text, Probes: []*Probe{
		{Points: g.points[:1], Body: []Stmt{&Assign{Left: start, Op: "=", Right: nsecs}}},
		{Points: g.points[1:], Pred: begun, Body: []Stmt{
			&Assign{Left: g.keyed(), Op: "=", Right: took}, &ExprStmt{X: &Call{Name: "delete", Args: []Expr{start}}},
		}},
		{Points: []Point{{Kind: End}}, Body: []Stmt{&ExprStmt{X: &Call{Name: "clear", Args: []Expr{starts}}}}},
	}}
}

// Bare is a script of probes without statements, one a list of points: what happens at them is said elsewhere, by a compiled object.
func Bare(probes ...[]Point) *Script {
	var g given
	for _, points := range probes {
		g.points = append(g.points, points...)
	}
	s := &Script{Text: g.place()}
	for _, points := range probes {
		s.Probes = append(s.Probes, &Probe{Points: g.points[:len(points)]})
		g.points = g.points[len(points):]
	}
	return s
}
