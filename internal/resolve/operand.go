package resolve

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// operand is an expression under compilation: a number or text in x, or a place in user memory in addr whose
// type says how to load it. A structure passed in registers has pieces instead of an address.
type operand struct {
	x      plan.Expr
	addr   plan.Expr
	pieces []ctype.Piece
	t      *ctype.Type // nil: a plain number or text of the script
}

var (
	int64Type  = plan.Type{Kind: plan.IntType, Size: 8, Signed: true}
	uint64Type = plan.Type{Kind: plan.IntType, Size: 8}
)

func constant(v int64) plan.Expr { return &plan.Const{V: v, T: int64Type} }

// plus adds a constant to an address.
func plus(x plan.Expr, n int64) plan.Expr {
	if n == 0 {
		return x
	}
	if b, ok := x.(*plan.Binary); ok && b.Op == "+" {
		if c, ok := b.Y.(*plan.Const); ok {
			return &plan.Binary{Op: "+", X: b.X, Y: constant(c.V + n), T: uint64Type}
		}
	}
	return &plan.Binary{Op: "+", X: x, Y: constant(n), T: uint64Type}
}

// strip removes typedefs.
func strip(t *ctype.Type) *ctype.Type {
	for n := 0; t != nil && t.Kind == ctype.Typedef && n < 64; n++ {
		t = t.Elem
	}
	return t
}

// scalarType is the register shape of a C-like type; ok is false for aggregates and floats.
func scalarType(t *ctype.Type) (plan.Type, bool) {
	s := strip(t)
	if s == nil {
		return uint64Type, true
	}
	out := plan.Type{Kind: plan.IntType, Size: int(s.Size), C: t}
	switch s.Kind {
	case ctype.Int, ctype.Rune:
		out.Signed = true
	case ctype.Char, ctype.Enum:
		out.Signed = s.Signed
	case ctype.Bool, ctype.Uint:
	case ctype.Pointer, ctype.Reference, ctype.CString, ctype.Map, ctype.Chan:
		out.Size = 8
	case ctype.Func:
		out.Size = 8
	default:
		return plan.Type{}, false
	}
	if out.Size != 1 && out.Size != 2 && out.Size != 4 && out.Size != 8 {
		return plan.Type{}, false
	}
	return out, true
}

// isText reports whether the type is text behind a pointer: char * of C and C++, or declared so.
func isText(t *ctype.Type) bool {
	s := strip(t)
	if s == nil {
		return false
	}
	if s.Kind == ctype.CString {
		return true
	}
	if s.Kind != ctype.Pointer || s.Elem == nil || (s.Lang == event.LangGo || s.Lang == event.LangRust) {
		return false
	}
	e := strip(s.Elem)
	return e != nil && e.Kind == ctype.Char && e.Size == 1
}

// isEnum reports whether numbers of the type have names.
func isEnum(t *ctype.Type) bool {
	s := strip(t)
	return s != nil && s.Kind == ctype.Enum
}

// fieldOf finds a member, those of base classes and unnamed members included, with its offset.
func fieldOf(t *ctype.Type, name string) (*ctype.Field, int64, bool) {
	s := strip(t)
	if s == nil {
		return nil, 0, false
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		if f.Name == name {
			return f, f.Offset, true
		}
		if f.Name == "" || f.Base {
			if g, off, ok := fieldOf(f.Type, name); ok {
				return g, f.Offset + off, true
			}
		}
	}
	return nil, 0, false
}

// fieldNames lists the members that fieldOf finds.
func fieldNames(t *ctype.Type) []string {
	var names []string
	if s := strip(t); s != nil {
		for _, f := range s.Fields {
			if f.Name == "" || f.Base {
				names = append(names, fieldNames(f.Type)...)
			} else {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

// isInt reports whether x is a number in a register.
func isInt(x plan.Expr) bool {
	switch t := x.Type(); t.Kind {
	case plan.IntType, plan.FuncType, plan.ProbeType:
		return t.Shown == plan.ShownPlain // what stands for something else is not reckoned with
	}
	return false
}

func isStr(x plan.Expr) bool { return x.Type().Kind == plan.StrType }

// wideUnsigned reports whether comparing x as signed would be wrong: a full-width unsigned that is no small constant.
func wideUnsigned(x plan.Expr) bool {
	if _, ok := x.(*plan.Const); ok {
		return false
	}
	t := x.Type()
	return t.Kind == plan.IntType && t.Size == 8 && !t.Signed
}
