package resolve

import (
	"fmt"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// aggregations are the map functions: @x = count() and its relatives.
var aggregations = map[string]event.AggKind{
	"count": event.AggCount, "sum": event.AggSum, "avg": event.AggAvg, "min": event.AggMin, "max": event.AggMax,
	"stats": event.AggStats, "hist": event.AggHist, "lhist": event.AggLhist, "quantiles": event.AggQuantiles,
}

func (b *body) assign(s *script.Assign) ([]plan.Stmt, error) {
	switch left := s.Left.(type) {
	case *script.Var:
		return b.assignVar(left, s)
	case *script.MapRef:
		if call, ok := s.Right.(*script.Call); ok && s.Op == "=" {
			if kind, ok := aggregations[call.Name]; ok {
				return b.aggregate(left, call, kind)
			}
		}
		return b.assignMap(left, s)
	}
	return nil, b.diag(s.Left.Pos(), "not-assignable", "only maps and variables can be assigned")
}

func (b *body) assignVar(left *script.Var, s *script.Assign) ([]plan.Stmt, error) {
	right := s.Right
	if s.Op != "=" {
		right = &script.Binary{Op: strings.TrimSuffix(s.Op, "="), X: left, Y: s.Right, Span: s.Span}
	}
	x, err := b.value(right)
	if err != nil {
		return nil, err
	}
	v := b.variable(left.Name, x.Type())
	if old, t := b.r.plan.Vars[v].Type, x.Type(); old.Kind != t.Kind || old.Shown != t.Shown || old.Format != t.Format {
		return nil, b.diag(s.Span, "type", "$"+left.Name+" was something else before: a number cannot become text")
	}
	return []plan.Stmt{&plan.SetVar{Var: v, X: x}}, nil
}

func (b *body) assignMap(left *script.MapRef, s *script.Assign) ([]plan.Stmt, error) {
	key, err := b.keys(left)
	if err != nil {
		return nil, err
	}
	if s.Op == "+=" || s.Op == "-=" {
		x, err := b.number(s.Right)
		if err != nil {
			return nil, err
		}
		if s.Op == "-=" {
			x = &plan.Unary{Op: "-", X: x, T: int64Type}
		}
		m, err := b.mapOf(left, key, event.AggValue, int64Type)
		return []plan.Stmt{&plan.MapAdd{Map: m, Key: key, X: x}}, err
	}
	right := s.Right
	if s.Op != "=" {
		right = &script.Binary{Op: strings.TrimSuffix(s.Op, "="), X: left, Y: s.Right, Span: s.Span}
	}
	x, err := b.value(right)
	if err != nil {
		return nil, err
	}
	m, err := b.mapOf(left, key, event.AggValue, x.Type())
	return []plan.Stmt{&plan.MapSet{Map: m, Key: key, X: x}}, err
}

// aggregate compiles @x[key] = count() and its relatives.
func (b *body) aggregate(left *script.MapRef, call *script.Call, kind event.AggKind) ([]plan.Stmt, error) {
	key, err := b.keys(left)
	if err != nil {
		return nil, err
	}
	want := map[event.AggKind][2]int{event.AggCount: {0, 0}, event.AggHist: {1, 2}, event.AggLhist: {4, 4}}
	n, ok := want[kind]
	if !ok {
		n = [2]int{1, 1}
	}
	if len(call.Args) < n[0] || len(call.Args) > n[1] {
		return nil, b.diag(call.Span, "arguments", "wrong number of arguments: "+usage(call.Name))
	}
	var x plan.Expr
	t := int64Type
	if len(call.Args) > 0 {
		if x, err = b.number(call.Args[0]); err != nil {
			return nil, err
		}
		t = x.Type()
	}
	m, err := b.mapOf(left, key, kind, t)
	if err != nil {
		return nil, err
	}
	if err := b.buckets(&b.r.plan.Maps[m], call); err != nil {
		return nil, err
	}
	return []plan.Stmt{&plan.MapAggregate{Map: m, Key: key, X: x}}, nil
}

// quantileBits gives 8 buckets per power of two: a quantile is off by at most 6 %.
const quantileBits = 3

// buckets reads the shape of a histogram off its call.
func (b *body) buckets(m *plan.Map, call *script.Call) error {
	number := func(i int) (int64, error) {
		x, err := b.number(call.Args[i])
		if err != nil {
			return 0, err
		}
		c, ok := x.(*plan.Const)
		if !ok {
			return 0, b.diag(call.Args[i].Pos(), "not-constant", call.Name+": the shape of a histogram must be constant")
		}
		return c.V, nil
	}
	var err error
	switch {
	case m.Kind == event.AggQuantiles:
		m.Bits = quantileBits
	case m.Kind == event.AggHist && len(call.Args) == 2:
		bits, err := number(1)
		if err != nil {
			return err
		}
		if bits < 0 || bits > 5 {
			return b.diag(call.Args[1].Pos(), "arguments", "hist: bits must be from 0 to 5")
		}
		m.Bits = int(bits)
	case m.Kind == event.AggLhist:
		for i, to := range []*int64{&m.Min, &m.Max, &m.Step} {
			if *to, err = number(i + 1); err != nil {
				return err
			}
		}
		if m.Step <= 0 || m.Max <= m.Min || (m.Max-m.Min)/m.Step > 1000 {
			return b.diag(call.Span, "arguments", "lhist(value, min, max, step): step must be positive and give at most 1000 buckets")
		}
	}
	return nil
}

// effect compiles an expression statement: a call for what it does, or @x++.
func (b *body) effect(e script.Expr) ([]plan.Stmt, error) {
	switch e := e.(type) {
	case *script.Unary:
		if e.Op == "++" || e.Op == "--" {
			return b.increment(e)
		}
	case *script.Call:
		if f := effectCall(e.Name); f != nil {
			return f(b, e)
		}
		if _, ok := aggregations[e.Name]; ok {
			return nil, b.diag(e.Span, "not-a-statement", e.Name+"() must be assigned to a map", "write @ = "+script.Format(e)+";")
		}
	}
	return nil, b.diag(e.Pos(), "not-a-statement", "this expression has no effect")
}

func (b *body) increment(e *script.Unary) ([]plan.Stmt, error) {
	step := &script.Int{Value: 1, Span: e.Span}
	op := "+="
	if e.Op == "--" {
		op = "-="
	}
	return b.assign(&script.Assign{Left: e.X, Op: op, Right: step, Span: e.Span})
}

// keys compiles the parts of a map's key; a tuple is its parts.
func (b *body) keys(m *script.MapRef) ([]plan.Expr, error) {
	list := m.Keys
	if len(list) == 1 {
		if t, ok := list[0].(*script.Tuple); ok {
			list = t.Elems
		}
	}
	var out []plan.Expr
	for _, k := range list {
		x, err := b.value(k)
		if err == nil && isInt(x) && isText(x.Type().C) {
			x, err = b.asText(k, x) // a char * is a key by what it says, not by where it lies
		}
		if err != nil {
			return nil, err
		}
		if x.Type().Kind == plan.BytesType {
			return nil, b.diag(k.Pos(), "type", "buf() cannot be part of a key", "use str()")
		}
		out = append(out, x)
	}
	return out, nil
}

// mapOf gives the index of a map, declaring it the first time and widening its types later.
func (b *body) mapOf(ref *script.MapRef, key []plan.Expr, kind event.AggKind, value plan.Type) (int, error) {
	i, ok := b.r.maps[ref.Name]
	if !ok {
		i = len(b.r.plan.Maps)
		b.r.maps[ref.Name] = i
		m := plan.Map{Name: ref.Name, Kind: kind, Value: value}
		for n, x := range key {
			m.Keys = append(m.Keys, keyType(x.Type()))
			m.Part = append(m.Part, keyText(ref, n))
		}
		b.r.plan.Maps = append(b.r.plan.Maps, m)
		return i, nil
	}
	m := &b.r.plan.Maps[i]
	if m.Kind != kind {
		return i, b.diag(ref.Span, "map-type", "@"+m.Name+" holds something else elsewhere in this script")
	}
	if len(m.Keys) != len(key) {
		return i, b.diag(ref.Span, "map-key", fmt.Sprintf("@%s has %d key parts here and %d elsewhere", m.Name, len(key), len(m.Keys)))
	}
	for n, x := range key {
		if !widen(&m.Keys[n], keyType(x.Type())) {
			return i, b.diag(ref.Span, "map-key", fmt.Sprintf("part %d of the key of @%s is a number here and text elsewhere", n+1, m.Name))
		}
	}
	if kind == event.AggValue && !widen(&m.Value, value) {
		return i, b.diag(ref.Span, "map-type", "@"+m.Name+" holds text elsewhere and a number here")
	}
	return i, nil
}

// keyType is how an expression's type is kept in a key: numbers take a whole word.
func keyType(t plan.Type) plan.Type {
	if t.Kind == plan.IntType {
		t.Size = 8
	}
	return t
}

// widen makes t hold u too; false when it cannot.
func widen(t *plan.Type, u plan.Type) bool {
	if t.Kind != u.Kind || len(t.Elems) != len(u.Elems) || t.Shown != u.Shown || t.Format != u.Format {
		return false
	}
	if t.Kind == plan.StrType || t.Kind == plan.StackType {
		t.Size = max(t.Size, u.Size)
	}
	if !alike(t.C, u.C) {
		t.C = nil
	}
	for i := range t.Elems {
		if !widen(&t.Elems[i], u.Elems[i]) {
			return false
		}
	}
	return true
}

// alike reports whether two types read in the same way: what a cast names is found anew each time.
func alike(t, u *ctype.Type) bool {
	for t != u {
		if t == nil || u == nil || t.Kind != u.Kind {
			return false
		}
		switch t.Kind {
		case ctype.Int, ctype.Uint, ctype.Char, ctype.Void:
			return t.Name == u.Name && t.Size == u.Size
		case ctype.Pointer:
			t, u = t.Elem, u.Elem
		default:
			return false
		}
	}
	return true
}

// keyText is how a part of the key reads in results: a parameter by its bare name, as --by has it, the rest as in the script.
func keyText(m *script.MapRef, n int) string {
	list := m.Keys
	if len(list) == 1 {
		if t, ok := list[0].(*script.Tuple); ok {
			list = t.Elems
		}
	}
	text := script.Format(list[n])
	if _, field := list[n].(*script.FieldRef); field {
		text = strings.TrimPrefix(strings.TrimPrefix(text, "args."), "args->")
	}
	return text
}
