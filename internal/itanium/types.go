package itanium

import (
	"strconv"
	"strings"

	"github.com/ianlancetaylor/demangle"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// maxTypes bounds the types of one name: back references let a short name stand for more than memory holds.
const maxTypes = 500

type reader struct {
	classes Classes
	left    int
}

func of(t ctype.Type) *ctype.Type {
	t.Lang = event.LangCPP
	return &t
}

// opaque is a type of which nothing but the name is known.
func opaque(name string) *ctype.Type {
	return of(ctype.Type{Kind: ctype.Opaque, Name: name, Size: -1})
}

// params reads the parameters of a function. One that is a class whose objects travel by their address is shown as such an address.
func (r *reader) params(args []demangle.AST) (types []*ctype.Type, variadic bool) {
	for _, a := range expanded(args) {
		if b, ok := a.(*demangle.BuiltinType); ok && (b.Name == "..." || b.Name == "void") {
			variadic = variadic || b.Name == "..."
			continue
		}
		t := r.typeOf(a)
		if t.Kind == ctype.Opaque && (t.NonTrivial || r.classes(t.Name).NonTrivial) {
			t = of(ctype.Type{Kind: ctype.Reference, Name: t.Name, Size: 8, Elem: t})
		}
		types = append(types, t)
	}
	return types, variadic
}

// result reads the type of a result.
func (r *reader) result(tree demangle.AST) *ctype.Type {
	t := r.typeOf(tree)
	if t.Kind == ctype.Opaque && r.classes(t.Name).NonTrivial {
		t.NonTrivial = true
	}
	return t
}

// expanded puts the members of packs in their place.
func expanded(args []demangle.AST) []demangle.AST {
	var out []demangle.AST
	for _, a := range args {
		switch t := a.(type) {
		case *demangle.ExprList:
			out = append(out, expanded(t.Exprs)...)
		case *demangle.ArgumentPack:
			out = append(out, expanded(t.Args)...)
		default:
			out = append(out, a)
		}
	}
	return out
}

// scalars are the built-in types by their demangled names.
var scalars = map[string]ctype.Type{
	"bool": {Kind: ctype.Bool, Size: 1}, "char": {Kind: ctype.Char, Size: 1, Signed: true}, "signed char": {Kind: ctype.Char, Size: 1, Signed: true},
	"unsigned char": {Kind: ctype.Char, Size: 1}, "char8_t": {Kind: ctype.Char, Size: 1}, "short": {Kind: ctype.Int, Size: 2}, "unsigned short": {Kind: ctype.Uint, Size: 2},
	"char16_t": {Kind: ctype.Uint, Size: 2}, "int": {Kind: ctype.Int, Size: 4}, "unsigned int": {Kind: ctype.Uint, Size: 4}, "unsigned": {Kind: ctype.Uint, Size: 4},
	"wchar_t": {Kind: ctype.Rune, Size: 4, Signed: true}, "char32_t": {Kind: ctype.Rune, Size: 4}, "long": {Kind: ctype.Int, Size: 8}, "unsigned long": {Kind: ctype.Uint, Size: 8},
	"long long": {Kind: ctype.Int, Size: 8}, "unsigned long long": {Kind: ctype.Uint, Size: 8}, "__int128": {Kind: ctype.Int, Size: 16}, "unsigned __int128": {Kind: ctype.Uint, Size: 16},
	"float": {Kind: ctype.Float, Size: 4}, "double": {Kind: ctype.Float, Size: 8}, "long double": {Kind: ctype.Float, Size: 16}, "__float128": {Kind: ctype.Float, Size: 16},
	"void": {Kind: ctype.Void},
}

// typeOf reads a type; one that is not understood is opaque.
func (r *reader) typeOf(tree demangle.AST) *ctype.Type {
	if r.left--; r.left < 0 {
		return opaque("...")
	}
	switch t := tree.(type) {
	case *demangle.BuiltinType:
		return scalar(t.Name)
	case *demangle.PointerType:
		return r.pointer(ctype.Pointer, t.Base)
	case *demangle.ReferenceType:
		return r.pointer(ctype.Reference, t.Base)
	case *demangle.RvalueReferenceType:
		return r.pointer(ctype.Reference, t.Base)
	case *demangle.TypeWithQualifiers:
		return r.typeOf(t.Base)
	case *demangle.VendorQualifier:
		return r.typeOf(t.Type)
	case *demangle.ElaboratedType:
		return r.typeOf(t.Type)
	case *demangle.ComplexType:
		elem := r.typeOf(t.Base)
		return of(ctype.Type{Kind: ctype.Complex, Name: text(t), Size: 2 * elem.Size, Elem: elem})
	case *demangle.ArrayType:
		return r.array(t)
	case *demangle.FunctionType:
		return r.function(t)
	case *demangle.PtrMem:
		return r.memberPointer(t)
	case *demangle.Qualified, *demangle.Name, *demangle.Template:
		return r.class(t)
	}
	return opaque(text(tree))
}

func scalar(name string) *ctype.Type {
	t, ok := scalars[name]
	switch {
	case name == "decltype(nullptr)":
		return of(ctype.Type{Kind: ctype.Pointer, Name: name, Size: 8, Elem: of(ctype.Type{Kind: ctype.Void})})
	case !ok:
		return opaque(name)
	}
	t.Name = name
	return of(t)
}

func (r *reader) pointer(kind ctype.Kind, base demangle.AST) *ctype.Type {
	p := of(ctype.Type{Kind: kind, Size: 8})
	if q, ok := base.(*demangle.TypeWithQualifiers); ok {
		p.Const = strings.Contains(text(q.Qualifiers), "const")
	}
	p.Elem = r.typeOf(base)
	return p
}

func (r *reader) array(t *demangle.ArrayType) *ctype.Type {
	elem := r.typeOf(t.Element)
	n, err := strconv.ParseInt(text(t.Dimension), 10, 32)
	if err != nil {
		n = -1
	}
	return of(ctype.Type{Kind: ctype.Array, Elem: elem, Len: n, Size: -1})
}

func (r *reader) function(t *demangle.FunctionType) *ctype.Type {
	sig := &ctype.Signature{Lang: event.LangCPP, Source: "demangled"}
	types, variadic := r.params(t.Args)
	for _, p := range types {
		sig.Params = append(sig.Params, ctype.Param{Type: p})
	}
	sig.Variadic = variadic
	if t.Return != nil {
		if result := r.typeOf(t.Return); result.Kind != ctype.Void {
			sig.Results = []ctype.Param{{Type: result}}
		}
	}
	return of(ctype.Type{Kind: ctype.Func, Size: 8, Func: sig})
}

// memberPointer: to data it is an offset; to a function, a code address or an offset in a table, and what to add to this. Source: Itanium
// C++ ABI, section 2.3.
func (r *reader) memberPointer(t *demangle.PtrMem) *ctype.Type {
	name := text(t)
	switch t.Member.(type) {
	case *demangle.FunctionType, *demangle.MethodWithQualifiers:
		code := of(ctype.Type{Kind: ctype.Pointer, Size: 8, Elem: of(ctype.Type{Kind: ctype.Func, Size: 8})})
		return of(ctype.Type{Kind: ctype.Struct, Name: name, Size: 16, Format: "method", Fields: []ctype.Field{{Name: "ptr", Type: code}, {Name: "adj", Type: scalar("long"), Offset: 8}}})
	}
	return of(ctype.Type{Kind: ctype.Int, Name: name, Size: 8})
}

// class reads the name of a class, union or enumeration: what the standard library has is known by its layout.
func (r *reader) class(tree demangle.AST) *ctype.Type {
	name := text(tree)
	family, _, _ := strings.Cut(name, "<")
	if !strings.HasPrefix(family, "std::") && !strings.HasPrefix(family, "__gnu_cxx::") {
		return opaque(name)
	}
	var args []*ctype.Type
	if t, ok := tree.(*demangle.Template); ok {
		if text(t.Name) != family {
			return opaque(name) // a member of a template
		}
		for _, a := range expanded(t.Args) {
			args = append(args, r.typeOf(a))
		}
	} else if strings.Contains(name, "<") {
		return opaque(name)
	}
	if t := library(family, args); t != nil {
		t.Name, t.Lang = name, event.LangCPP
		return t
	}
	return opaque(name)
}
