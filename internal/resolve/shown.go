package resolve

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// strftime is a time of nsecs, written when it is printed.
func (b *body) strftime(e *script.Call) (operand, error) {
	if err := b.arguments(e, 2, 2); err != nil {
		return operand{}, err
	}
	format, ok := e.Args[0].(*script.Str)
	if !ok {
		return operand{}, b.diag(e.Args[0].Pos(), "not-constant", "strftime takes a format in quotes")
	}
	return b.shownNumber(e.Args[1], plan.Type{Kind: plan.IntType, Size: 8, Shown: plan.ShownTime, Format: format.Value})
}

// strerror is a number of errno, explained when it is printed.
func (b *body) strerror(e *script.Call) (operand, error) {
	if err := b.arguments(e, 1, 1); err != nil {
		return operand{}, err
	}
	return b.shownNumber(e.Args[0], plan.Type{Kind: plan.IntType, Size: 8, Signed: true, Shown: plan.ShownError})
}

func (b *body) shownNumber(e script.Expr, t plan.Type) (operand, error) {
	x, err := b.number(e)
	return operand{x: &plan.Cast{X: x, T: t}}, err
}

// ntop is an address of the internet: of IPv6 if it has 16 bytes, else of IPv4, unless a family is given.
func (b *body) ntop(e *script.Call) (operand, error) {
	if err := b.arguments(e, 1, 2); err != nil {
		return operand{}, err
	}
	addr, before := e.Args[len(e.Args)-1], b.entry
	hoisted := b.hoists(addr)
	b.entry = before || hoisted
	x, err := b.inet(addr)
	b.entry = before
	if err != nil {
		return operand{}, err
	}
	var whole plan.Expr = x
	if hoisted {
		if whole, err = b.savedTuple(addr, x); err != nil {
			return operand{}, err
		}
	}
	if len(e.Args) == 2 {
		family, err := b.number(e.Args[0])
		if err != nil {
			return operand{}, err
		}
		whole.(*plan.TupleOf).Elems[0] = family
	}
	return operand{x: whole}, nil
}

// inet reads an address: 4 or 16 bytes of memory, or a number whose bytes are one as they lie there.
func (b *body) inet(e script.Expr) (*plan.TupleOf, error) {
	x := &plan.TupleOf{T: plan.InetType()}
	o, err := b.operand(e)
	if err != nil {
		return nil, err
	}
	read := func(at int64, size int) plan.Expr {
		return &plan.Load{Addr: plus(o.addr, at), Size: size, T: plan.Type{Kind: plan.IntType, Size: size}}
	}
	t := strip(o.t)
	if o.addr != nil && t != nil && (t.Kind == ctype.Array || t.Kind == ctype.Struct || t.Kind == ctype.Union) {
		switch o.t.Sizeof() {
		case 4:
			x.Elems = []plan.Expr{constant(unix.AF_INET), read(0, 4), constant(0)}
			return x, nil
		case 16:
			x.Elems = []plan.Expr{constant(unix.AF_INET6), read(0, 8), read(8, 8)}
			return x, nil
		}
		return nil, b.diag(e.Pos(), "type", fmt.Sprintf("%s has %d bytes, and an address has 4 or 16", o.t, o.t.Sizeof()))
	}
	n, err := b.load(e, o)
	switch {
	case err != nil:
		return nil, err
	case !isInt(n):
		return nil, b.diag(e.Pos(), "type", "ntop takes a number, or 4 or 16 bytes")
	case t != nil && t.Kind == ctype.Pointer:
		return nil, b.diag(e.Pos(), "type", "ntop takes the address itself, and this is a pointer", "*("+script.Format(e)+") is what it leads to")
	}
	x.Elems = []plan.Expr{constant(unix.AF_INET), &plan.Cast{X: n, T: plan.Type{Kind: plan.IntType, Size: 4}}, constant(0)}
	return x, nil
}

// sameName compares func or probe with a name; false: neither side is one of these. Programs have numbers in their place.
func (b *body) sameName(e *script.Binary, x, y plan.Expr) (plan.Expr, bool, error) {
	if isStr(x) {
		x, y = y, x
	}
	kind := x.Type().Kind
	if kind != plan.FuncType && kind != plan.ProbeType {
		return nil, false, nil
	}
	name, ok := y.(*plan.Text)
	if !ok {
		return nil, true, b.diag(e.Span, "not-constant", "func and probe can be compared with a name in quotes")
	}
	same, err := b.isNamed(e, x, name.S)
	if err != nil || e.Op == "==" {
		return same, true, err
	}
	return &plan.Unary{Op: "!", X: same, T: int64Type}, true, nil
}

// isNamed is whether x is the function, or the probe, of a name.
func (b *body) isNamed(e *script.Binary, x plan.Expr, name string) (plan.Expr, error) {
	if x.Type().Kind == plan.FuncType {
		return b.r.isFunction(x, name), nil
	}
	if _, own := x.(*plan.Value); own {
		return fixed(name == b.point), nil
	}
	if _, own := x.(*plan.Binary); !own { // see ofPattern
		return nil, b.diag(e.Span, "unsupported", "a probe that was kept cannot be compared", "keep func, or compare where it is hit")
	}
	fn, ok := strings.CutPrefix(name, b.prefix)
	if !ok {
		return constant(0), nil
	}
	hit := builtins["func"].x
	return b.r.isFunction(&hit, fn), nil
}

func fixed(is bool) plan.Expr {
	if is {
		return constant(1)
	}
	return constant(0)
}

// isFunction compares a function's ID with those of all functions of a name, which the second pass knows.
func (r *resolver) isFunction(x plan.Expr, name string) plan.Expr {
	var any plan.Expr
	for id, fn := range r.functions {
		if fn.Name != name && fn.Linkage != name {
			continue
		}
		var is plan.Expr = &plan.Binary{Op: "==", X: x, Y: constant(int64(id)), T: int64Type}
		if any != nil {
			is = &plan.Binary{Op: "||", X: any, Y: is, T: int64Type}
		}
		any = is
	}
	if any == nil {
		return constant(0)
	}
	return any
}
