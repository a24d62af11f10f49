package resolve

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// hoists reports whether e, in a Return body, must be computed at the entry: it speaks of arguments and of
// nothing that only the return knows.
func (b *body) hoists(e script.Expr) bool {
	return b.kind == plan.Return && !b.entry && b.mentionsArgs(e) && !b.returnOnly(e)
}

func (b *body) mentionsArgs(e script.Expr) bool {
	found := false
	walk(e, func(e script.Expr) {
		switch e := e.(type) {
		case *script.FieldRef:
			if id, ok := e.X.(*script.Ident); ok && id.Name == "args" {
				found = true
			}
		case *script.Ident:
			found = found || b.isArg(e.Name)
		}
	})
	return found
}

// isArg reports whether a name is a parameter's. A builtin is none, whatever the types say: they are not read for it.
func (b *body) isArg(name string) bool {
	if _, numbered := argNumber(name); numbered {
		return true
	}
	if _, builtin := builtins[name]; builtin {
		return false
	}
	switch name {
	case "retval", "duration", "goid", "ustack", "NULL", "null", "nil", "nullptr", "false", "true":
		return false
	}
	_, param := b.paramIndex(name)
	return param
}

// returnOnly reports whether e needs what is known at the return: its result, its time, variables and maps, and what
// the callee wrote through an out parameter.
func (b *body) returnOnly(e script.Expr) bool {
	found := false
	walk(e, func(e script.Expr) {
		switch e := e.(type) {
		case *script.Var, *script.MapRef:
			found = true
		case *script.Ident:
			found = found || e.Name == "retval" || e.Name == "duration" || e.Name == "depth" || e.Name == "nsecs" || e.Name == "elapsed"
		case *script.Call:
			if (e.Name == "str" || e.Name == "buf") && len(e.Args) > 0 && b.isOut(e.Args[0]) {
				found = true
			}
			found = found || e.Name == "reg"
		case *script.FieldRef:
			found = found || (e.Arrow && b.isOut(e.X))
		}
	})
	return found
}

// isOut reports whether e is a parameter that the callee fills.
func (b *body) isOut(e script.Expr) bool {
	name := ""
	switch e := e.(type) {
	case *script.Ident:
		name = e.Name
	case *script.FieldRef:
		if id, ok := e.X.(*script.Ident); ok && id.Name == "args" {
			name = e.Name
		}
	}
	if name == "" {
		return false
	}
	i, ok := b.paramIndex(name)
	return ok && b.fn.types().Params[i].Out
}

// walk visits e and everything below it.
func walk(e script.Expr, visit func(script.Expr)) {
	if e == nil {
		return
	}
	visit(e)
	each := func(list ...script.Expr) {
		for _, x := range list {
			walk(x, visit)
		}
	}
	switch e := e.(type) {
	case *script.MapRef:
		each(e.Keys...)
	case *script.Call:
		each(e.Args...)
	case *script.Unary:
		each(e.X)
	case *script.Binary:
		each(e.X, e.Y)
	case *script.Cond:
		each(e.C, e.X, e.Y)
	case *script.Cast:
		each(e.X)
	case *script.FieldRef:
		each(e.X)
	case *script.Index:
		each(e.X, e.I)
	case *script.Tuple:
		each(e.Elems...)
	}
}

// dump writes machine-relevant structure as text: two bodies with equal dumps are one program. What numbers
// mean to their author (ctype) makes no difference.
func dump(v any) string {
	var s strings.Builder
	dumpValue(&s, reflect.ValueOf(v))
	return s.String()
}

var authorType = reflect.TypeOf((*ctype.Type)(nil))

func dumpValue(s *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Invalid:
		s.WriteString("nil")
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() || v.Type() == authorType {
			s.WriteString("nil")
			return
		}
		dumpValue(s, v.Elem())
	case reflect.Struct:
		s.WriteString(v.Type().Name())
		s.WriteByte('{')
		for i := range v.NumField() {
			dumpValue(s, v.Field(i))
			s.WriteByte(',')
		}
		s.WriteByte('}')
	case reflect.Slice:
		s.WriteByte('[')
		for i := range v.Len() {
			dumpValue(s, v.Index(i))
			s.WriteByte(',')
		}
		s.WriteByte(']')
	case reflect.Map, reflect.Func, reflect.Chan:
		panic("dump: " + v.Type().String())
	default:
		fmt.Fprintf(s, "%v", v)
	}
}
