package resolve

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// number compiles e to an integer in a register.
func (b *body) number(e script.Expr) (plan.Expr, error) {
	x, err := b.value(e)
	if err != nil {
		return nil, err
	}
	if !isInt(x) {
		return nil, b.diag(e.Pos(), "type", "a number is needed here")
	}
	return x, nil
}

// truth compiles e as a condition.
func (b *body) truth(e script.Expr) (plan.Expr, error) { return b.number(e) }

// value compiles e to a number or text. What only the entry knows is captured there and kept for the return.
func (b *body) value(e script.Expr) (plan.Expr, error) {
	if b.hoists(e) {
		b.entry = true
		x, err := b.value(e)
		b.entry = false
		if err != nil {
			return nil, err
		}
		return b.saved(e, x)
	}
	o, err := b.operand(e)
	if err != nil {
		return nil, err
	}
	return b.load(e, o)
}

// saved keeps an entry-time value for the return.
func (b *body) saved(e script.Expr, x plan.Expr) (plan.Expr, error) {
	if _, ok := x.(*plan.Const); ok {
		return x, nil
	}
	if t, ok := x.(*plan.TupleOf); ok {
		return b.savedTuple(e, t)
	}
	slot, _, err := b.slot(e, x)
	if err != nil {
		return nil, err
	}
	text, ok := x.(*plan.Str)
	return &plan.Saved{Slot: b.save(slot), T: x.Type(), UntilNUL: ok && text.UntilNUL && text.Len != nil}, nil
}

// savedTuple keeps each part by itself.
func (b *body) savedTuple(e script.Expr, x *plan.TupleOf) (plan.Expr, error) {
	kept := &plan.TupleOf{T: x.T}
	for _, elem := range x.Elems {
		part, err := b.saved(e, elem)
		if err != nil {
			return nil, err
		}
		kept.Elems = append(kept.Elems, part)
	}
	return kept, nil
}

// load brings an operand into a register, or makes text of it.
func (b *body) load(e script.Expr, o operand) (plan.Expr, error) {
	if o.x != nil {
		if t := strip(o.t); t != nil && isText(o.t) && !isInt(o.x) {
			return o.x, nil
		}
		return o.x, nil
	}
	if o.addr == nil {
		return nil, b.diag(e.Pos(), "type", "a structure is not a number; name one of its members: "+strings.Join(fieldNames(o.t), ", "))
	}
	t := strip(o.t)
	if t != nil && t.Kind == ctype.Array {
		if el := strip(t.Elem); el != nil && el.Kind == ctype.Char {
			return &plan.Str{Addr: o.addr, Max: int(min(max(t.Len, 1), int64(b.r.scope.Limits.String)))}, nil
		}
		return retyped(o.addr, &ctype.Type{Kind: ctype.Pointer, Size: 8, Elem: t.Elem, Name: "*"}), nil
	}
	if t != nil && (t.Kind == ctype.GoString || t.Kind == ctype.Str) {
		return b.goText(o.addr), nil
	}
	st, ok := scalarType(o.t)
	if !ok {
		return nil, b.diag(e.Pos(), "type", fmt.Sprintf("%s is not a number; name one of its members: %s", o.t, strings.Join(fieldNames(o.t), ", ")))
	}
	return &plan.Load{Addr: o.addr, Size: st.Size, T: st}, nil
}

// goText reads a string kept as pointer and length.
func (b *body) goText(addr plan.Expr) plan.Expr {
	return &plan.Str{
		Addr: &plan.Load{Addr: addr, Size: 8, T: uint64Type},
		Len:  &plan.Load{Addr: plus(addr, 8), Size: 8, T: uint64Type},
		Max:  b.r.scope.Limits.String,
	}
}

// retyped gives a number another C type.
func retyped(x plan.Expr, t *ctype.Type) plan.Expr {
	st, _ := scalarType(t)
	if c, ok := x.(*plan.Const); ok {
		return &plan.Const{V: c.V, T: st}
	}
	return &plan.Cast{X: x, T: st}
}

// operand compiles e, leaving what lies in memory there.
func (b *body) operand(e script.Expr) (operand, error) {
	switch e := e.(type) {
	case *script.Int:
		return operand{x: constant(e.Value)}, nil
	case *script.Str:
		return operand{x: &plan.Text{S: e.Value}}, nil
	case *script.Ident:
		return b.ident(e)
	case *script.Positional:
		return b.positional(e)
	case *script.Var:
		return b.varRef(e)
	case *script.MapRef:
		return b.mapRef(e)
	case *script.Call:
		return b.call(e)
	case *script.Unary:
		return b.unary(e)
	case *script.Binary:
		return b.binary(e)
	case *script.Cond:
		return b.choose(e)
	case *script.Cast:
		return b.cast(e)
	case *script.Sizeof:
		return b.sizeof(e)
	case *script.FieldRef:
		return b.field(e)
	case *script.Index:
		return b.index(e)
	case *script.Tuple:
		return b.tuple(e)
	}
	return operand{}, b.diag(e.Pos(), "unsupported", fmt.Sprintf("cannot compile %T", e))
}

func (b *body) positional(e *script.Positional) (operand, error) {
	params := b.r.scope.Params
	if e.Count {
		return operand{x: constant(int64(len(params)))}, nil
	}
	if e.N < 1 || e.N > len(params) {
		return operand{x: constant(0)}, nil // as bpftrace: an absent parameter is 0
	}
	if v, err := strconv.ParseInt(params[e.N-1], 0, 64); err == nil {
		return operand{x: constant(v)}, nil
	}
	return operand{x: &plan.Text{S: params[e.N-1]}}, nil
}

func (b *body) varRef(e *script.Var) (operand, error) {
	v, ok := b.vars[e.Name]
	if !ok {
		return operand{}, b.diag(e.Span, "no-variable", "$"+e.Name+" is used before it is set")
	}
	t := b.r.plan.Vars[v].Type
	return operand{x: &plan.VarRef{Var: v, T: t}, t: t.C}, nil
}

func (b *body) mapRef(e *script.MapRef) (operand, error) {
	key, err := b.keys(e)
	if err != nil {
		return operand{}, err
	}
	i, ok := b.r.maps[e.Name]
	if !ok {
		if !b.r.learning {
			return operand{}, b.diag(e.Span, "no-map", "@"+e.Name+" is read but never written")
		}
		return operand{x: constant(0)}, nil // learnt on the next pass
	}
	m := &b.r.plan.Maps[i]
	if m.Kind != event.AggValue {
		return operand{}, b.diag(e.Span, "map-type", "@"+m.Name+" is an aggregation and cannot be read by a program", "print it, or keep a number beside it: @n++")
	}
	if _, err := b.mapOf(e, key, m.Kind, m.Value); err != nil {
		return operand{}, err
	}
	get := &plan.MapGet{Map: i, Key: key, T: m.Value}
	if m.Value.Kind == plan.FuncType || m.Value.Kind == plan.ProbeType { // 0 is a function; none is what no number of one is
		return operand{x: &plan.Choose{C: &plan.MapHas{Map: i, Key: key}, X: get, Y: &plan.Const{V: -1, T: m.Value}, T: m.Value}}, nil
	}
	return operand{x: get, t: m.Value.C}, nil
}

func (b *body) unary(e *script.Unary) (operand, error) {
	switch e.Op {
	case "*":
		return b.deref(e)
	case "&":
		o, err := b.operand(e.X)
		if err != nil {
			return operand{}, err
		}
		if o.addr == nil {
			return operand{}, b.diag(e.Span, "type", "this has no address")
		}
		return operand{x: retyped(o.addr, &ctype.Type{Kind: ctype.Pointer, Size: 8, Elem: o.t, Name: "*"})}, nil
	case "++", "--":
		return operand{}, b.diag(e.Span, "unsupported", e.Op+" is a statement here", "write it on a line of its own")
	}
	x, err := b.number(e.X)
	if err != nil {
		return operand{}, err
	}
	if c, ok := x.(*plan.Const); ok {
		return operand{x: constant(foldUnary(e.Op, c.V))}, nil
	}
	return operand{x: &plan.Unary{Op: e.Op, X: x, T: int64Type}}, nil
}

func foldUnary(op string, v int64) int64 {
	switch op {
	case "-":
		return -v
	case "~":
		return ^v
	}
	if v == 0 {
		return 1
	}
	return 0
}

// deref reads through a pointer; through a plain number, 8 bytes, as bpftrace does.
func (b *body) deref(e *script.Unary) (operand, error) {
	x, err := b.number(e.X)
	if err != nil {
		return operand{}, err
	}
	if t := strip(x.Type().C); t != nil && t.Elem != nil && (t.Kind == ctype.Pointer || t.Kind == ctype.Reference) {
		return operand{addr: x, t: t.Elem}, nil
	}
	return operand{x: &plan.Load{Addr: x, Size: 8, T: uint64Type}}, nil
}

func (b *body) binary(e *script.Binary) (operand, error) {
	x, err := b.value(e.X)
	if err != nil {
		return operand{}, err
	}
	y, err := b.value(e.Y)
	if err != nil {
		return operand{}, err
	}
	if isStr(x) != isStr(y) && (e.Op == "==" || e.Op == "!=") {
		if same, ok, err := b.sameName(e, x, y); ok {
			return operand{x: same}, err
		}
		if x, err = b.asText(e.X, x); err == nil {
			y, err = b.asText(e.Y, y)
		}
		if err != nil {
			return operand{}, err
		}
	}
	if isStr(x) && isStr(y) {
		if e.Op != "==" && e.Op != "!=" {
			return operand{}, b.diag(e.Span, "type", "text can only be compared with == and !=")
		}
		return operand{x: &plan.Binary{Op: e.Op, X: x, Y: y, T: int64Type}}, nil
	}
	if !isInt(x) || !isInt(y) {
		return operand{}, b.diag(e.Span, "type", "operands of "+e.Op+" must be numbers")
	}
	return operand{x: arithmetic(e.Op, x, y)}, nil
}

// asText makes text of a char pointer, for comparing with a literal.
func (b *body) asText(e script.Expr, x plan.Expr) (plan.Expr, error) {
	if isStr(x) {
		return x, nil
	}
	if isText(x.Type().C) {
		if b.hoists(e) {
			b.entry = true
			defer func() { b.entry = false }()
		}
		return b.textAt(e)
	}
	hint := "str(" + script.Format(e) + ") reads the text at an address"
	if names := enumerators(x.Type().C); len(names) > 0 {
		hint = "names of its values stand without quotes: " + strings.Join(names[:min(len(names), offered)], ", ")
	}
	return nil, b.diag(e.Pos(), "type", "a number cannot be compared with text", hint)
}

// textAt is str(e) where e is a char pointer.
func (b *body) textAt(e script.Expr) (plan.Expr, error) {
	return b.value(&script.Call{Name: "str", Args: []script.Expr{e}, Span: e.Pos()})
}

// arithmetic types a binary operation; see plan.Binary for what Signed does.
func arithmetic(op string, x, y plan.Expr) plan.Expr {
	t := int64Type
	signed := !wideUnsigned(x) && !wideUnsigned(y)
	if op == ">>" || op == "<<" {
		signed = !wideUnsigned(x)
	}
	if strings.Contains("+-*/%&|^<<>>", op) && !signed {
		t = uint64Type
	}
	return &plan.Binary{Op: op, X: x, Y: y, Signed: signed, T: t}
}

func (b *body) choose(e *script.Cond) (operand, error) {
	c, err := b.truth(e.C)
	if err != nil {
		return operand{}, err
	}
	x, err := b.value(e.X)
	if err != nil {
		return operand{}, err
	}
	y, err := b.value(e.Y)
	if err != nil {
		return operand{}, err
	}
	t := x.Type()
	if !widen(&t, y.Type()) {
		return operand{}, b.diag(e.Span, "type", "both sides of ?: must be numbers, or both text")
	}
	return operand{x: &plan.Choose{C: c, X: x, Y: y, T: t}}, nil
}

func (b *body) tuple(e *script.Tuple) (operand, error) {
	t := plan.Type{Kind: plan.TupleType}
	var elems []plan.Expr
	for _, el := range e.Elems {
		x, err := b.value(el)
		if err != nil {
			return operand{}, err
		}
		et := keyType(x.Type())
		t.Size += (et.Size + 7) &^ 7
		t.Elems = append(t.Elems, et)
		elems = append(elems, x)
	}
	return operand{x: &plan.TupleOf{Elems: elems, T: t}}, nil
}
