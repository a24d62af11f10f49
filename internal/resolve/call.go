package resolve

import (
	"fmt"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// valueCall is a call that gives a value; nil when the name is none.
func valueCall(name string) func(*body, *script.Call) (operand, error) {
	switch name {
	case "str":
		return (*body).str
	case "buf":
		return (*body).buf
	case "ustack":
		return (*body).ustack
	case "usym":
		return (*body).usym
	case "strncmp":
		return (*body).strncmp
	case "has_key":
		return (*body).hasKey
	case "reg":
		return (*body).register
	case "strftime":
		return (*body).strftime
	case "strerror":
		return (*body).strerror
	case "ntop":
		return (*body).ntop
	}
	return nil
}

func (b *body) call(e *script.Call) (operand, error) {
	if f := valueCall(e.Name); f != nil {
		return f(b, e)
	}
	if _, ok := aggregations[e.Name]; ok {
		return operand{}, b.diag(e.Span, "not-a-value", e.Name+"() aggregates into a map and has no value", "write @ = "+script.Format(e)+";")
	}
	if effectCall(e.Name) != nil {
		return operand{}, b.diag(e.Span, "not-a-value", e.Name+"() has no value")
	}
	return operand{}, b.diag(e.Span, "unsupported", e.Name+"() is not known here")
}

// arguments checks how many arguments a call has.
func (b *body) arguments(e *script.Call, least, most int) error {
	if len(e.Args) < least || len(e.Args) > most {
		return b.diag(e.Span, "arguments", "wrong number of arguments: "+usage(e.Name))
	}
	return nil
}

// str reads text: up to a NUL, and at most as many bytes as its second argument says.
func (b *body) str(e *script.Call) (operand, error) {
	if err := b.arguments(e, 1, 2); err != nil {
		return operand{}, err
	}
	x, err := b.value(e.Args[0])
	if err != nil || isStr(x) {
		return operand{x: x}, err
	}
	if !isInt(x) {
		return operand{}, b.diag(e.Args[0].Pos(), "type", "str takes an address")
	}
	s := &plan.Str{Addr: x, Max: b.r.scope.Limits.String}
	if len(e.Args) == 2 {
		if s.Len, err = b.number(e.Args[1]); err != nil {
			return operand{}, err
		}
		s.UntilNUL = true
		if c, ok := s.Len.(*plan.Const); ok && c.V > 0 {
			s.Max, s.Len = int(min(c.V, int64(s.Max))), nil
		}
	}
	return operand{x: s}, nil
}

func (b *body) buf(e *script.Call) (operand, error) {
	if err := b.arguments(e, 2, 2); err != nil {
		return operand{}, err
	}
	addr, err := b.number(e.Args[0])
	if err != nil {
		return operand{}, err
	}
	n, err := b.number(e.Args[1])
	if err != nil {
		return operand{}, err
	}
	return operand{x: &plan.Buf{Addr: addr, Len: n, Max: b.r.scope.Limits.String}}, nil
}

func (b *body) ustack(e *script.Call) (operand, error) {
	frames := b.r.scope.Limits.Stack
	for _, a := range e.Args {
		if n, ok := a.(*script.Int); ok && n.Value > 0 {
			frames = min(frames, int(n.Value))
		} else if id, ok := a.(*script.Ident); !ok || (id.Name != "perf" && id.Name != "bpftrace") {
			return operand{}, b.diag(a.Pos(), "arguments", "ustack takes the number of frames")
		}
	}
	return operand{x: b.userStack(frames)}, nil
}

func (b *body) userStack(frames int) *plan.UserStack {
	atEntry := b.kind == plan.Entry || b.entry
	return &plan.UserStack{Frames: frames, Caller: atEntry && !b.inside && b.note == nil && b.fn != nil}
}

func (b *body) usym(e *script.Call) (operand, error) {
	if err := b.arguments(e, 1, 1); err != nil {
		return operand{}, err
	}
	x, err := b.number(e.Args[0])
	return operand{x: &plan.SymOf{X: x}}, err
}

func (b *body) strncmp(e *script.Call) (operand, error) {
	if err := b.arguments(e, 3, 3); err != nil {
		return operand{}, err
	}
	x, err := b.value(e.Args[0])
	if err != nil {
		return operand{}, err
	}
	if x, err = b.asText(e.Args[0], x); err != nil {
		return operand{}, err
	}
	y, err := b.value(e.Args[1])
	if err != nil {
		return operand{}, err
	}
	if y, err = b.asText(e.Args[1], y); err != nil {
		return operand{}, err
	}
	n, ok := e.Args[2].(*script.Int)
	if !ok || n.Value < 1 || n.Value > int64(b.r.scope.Limits.String) {
		return operand{}, b.diag(e.Args[2].Pos(), "arguments", "strncmp compares a constant number of bytes")
	}
	return operand{x: &plan.StrCmp{X: x, Y: y, N: int(n.Value)}}, nil
}

func (b *body) hasKey(e *script.Call) (operand, error) {
	if err := b.arguments(e, 2, 2); err != nil {
		return operand{}, err
	}
	m, ok := e.Args[0].(*script.MapRef)
	if !ok || len(m.Keys) > 0 {
		return operand{}, b.diag(e.Args[0].Pos(), "arguments", "has_key takes a map and a key")
	}
	ref := &script.MapRef{Name: m.Name, Keys: []script.Expr{e.Args[1]}, Span: m.Span}
	key, err := b.keys(ref)
	if err != nil {
		return operand{}, err
	}
	i, ok := b.r.maps[m.Name]
	if !ok {
		if b.r.learning {
			return operand{x: constant(0)}, nil
		}
		return operand{}, b.diag(m.Span, "no-map", "@"+m.Name+" is never written")
	}
	return operand{x: &plan.MapHas{Map: i, Key: key}}, nil
}

// register is reg("di"): a register by the name perf and bpftrace give it.
func (b *body) register(e *script.Call) (operand, error) {
	if err := b.arguments(e, 1, 1); err != nil {
		return operand{}, err
	}
	s, ok := e.Args[0].(*script.Str)
	if !ok {
		return operand{}, b.diag(e.Args[0].Pos(), "arguments", `reg takes a name: reg("di")`)
	}
	r, ok := registerNames[s.Value]
	if !ok {
		return operand{}, b.diag(e.Args[0].Pos(), "no-register", fmt.Sprintf("no register %q", s.Value), "ax bx cx dx si di bp sp r8 to r15")
	}
	return operand{x: &plan.Reg{R: r, T: uint64Type}}, nil
}

// usage is how a function of the language is written.
func usage(name string) string {
	for _, f := range script.Functions() {
		if f.Name == name {
			return f.Usage
		}
	}
	return name
}
