package ctype

import (
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/event"
)

// String writes the type as its language does: "const char *", "int (*)(void *)", "&[u8]", "map[string]int".
func (t *Type) String() string {
	p := printer{left: maxWords}
	return p.declare(t, "")
}

// String writes a declaration of a function called name: "void *malloc(size_t size)", "fn crab::greet(name: &str)",
// "func (s *main.Store) Put(key string) error". A name that already carries parameters (demangled C++) loses them.
func (s *Signature) String(name string) string {
	p := printer{left: maxWords}
	switch s.Lang {
	case event.LangGo:
		return p.goFunc(s, name)
	case event.LangRust:
		return p.rustFunc(s, name)
	}
	if s.Lang == event.LangCPP {
		name = plainName(name)
	}
	return p.cFunc(s, name)
}

// printer writes a bounded number of types: a hostile file can make one that contains itself without a name between.
type printer struct{ left budget }

const maxWords = 500

func (p *printer) declare(t *Type, inner string) string {
	if t == nil {
		return join("void", inner)
	}
	if !p.left.spend() {
		return join("...", inner)
	}
	switch t.Lang {
	case event.LangGo:
		return p.goType(t)
	case event.LangRust:
		return p.rustType(t)
	}
	return p.cType(t, inner)
}

// cType writes a declarator inside out: what binds tighter than "*" wraps it in parentheses.
func (p *printer) cType(t *Type, inner string) string {
	switch t.Kind {
	case Pointer, Reference, CString:
		return p.cPointer(t, inner)
	case Array:
		if t.Vector || t.Name != "" {
			break
		}
		length := ""
		if t.Len >= 0 {
			length = strconv.FormatInt(t.Len, 10)
		}
		return p.declare(t.Elem, inner+"["+length+"]")
	case Func:
		if t.Func != nil && t.Name == "" {
			return p.cResult(t.Func, inner+p.cParams(t.Func))
		}
	}
	return join(cName(t), inner)
}

func (p *printer) cPointer(t *Type, inner string) string {
	if t.Name != "" {
		return join(t.Name, inner)
	}
	star := "*"
	if t.Kind == Reference {
		star = "&"
	}
	elem := t.Elem
	if t.Kind == CString && elem == nil {
		elem = &Type{Kind: Char, Name: "char", Size: 1}
	}
	inner = star + inner
	switch {
	case elem != nil && elem.Name == "" && (elem.Kind == Array || elem.Kind == Func):
		return p.declare(elem, "("+inner+")")
	case t.Const && elem != nil && elem.Name == "" && (elem.Kind == Pointer || elem.Kind == CString):
		return p.declare(elem, "const "+inner)
	case t.Const:
		return "const " + p.declare(elem, inner)
	}
	return p.declare(elem, inner)
}

// join puts a blank between a type and what it declares, except where C style has none.
func join(base, inner string) string {
	switch {
	case inner == "":
		return base
	case inner[0] == '[', base != "" && base[len(base)-1] == '&':
		return base + inner
	}
	return base + " " + inner
}

var kindNames = map[Kind]string{
	Void: "void", Bool: "bool", Char: "char", Rune: "char32_t", Struct: "struct {...}", Union: "union {...}",
	Enum: "enum {...}", Func: "func", Opaque: "...", Variant: "enum {...}",
}

func cName(t *Type) string {
	if t.Name != "" {
		return t.Name
	}
	if name := kindNames[t.Kind]; name != "" {
		return name
	}
	bits := strconv.FormatInt(t.Size*8, 10)
	switch t.Kind {
	case Int:
		return "int" + bits + "_t"
	case Uint:
		return "uint" + bits + "_t"
	case Float:
		return "_Float" + bits
	}
	return "..."
}

func (p *printer) cFunc(s *Signature, name string) string {
	if s.Lang == event.LangCPP && isStructor(name) {
		return name + p.cParams(s)
	}
	return p.cResult(s, name+p.cParams(s))
}

// isStructor: constructors and destructors have no result to write: "ns::Box::Box", "Box<int>::~Box".
func isStructor(name string) bool {
	class, method, ok := cutLast(name)
	if !ok {
		return false
	}
	_, own, found := cutLast(class)
	if !found {
		own = class
	}
	own, _, _ = strings.Cut(own, "<")
	method, _, _ = strings.Cut(method, "<")
	return strings.TrimPrefix(method, "~") == own
}

// cutLast cuts at the last "::" outside angle brackets.
func cutLast(name string) (before, after string, found bool) {
	depth := 0
	for i := len(name) - 1; i > 0; i-- {
		switch {
		case name[i] == '>' && name[i-1] != '-':
			depth++
		case name[i] == '<':
			depth--
		case depth == 0 && name[i] == ':' && name[i-1] == ':':
			return name[:i-1], name[i+1:], true
		}
	}
	return "", name, false
}

func (p *printer) cResult(s *Signature, inner string) string {
	if len(s.Results) == 0 {
		return join("void", inner)
	}
	if t := s.Results[0].Type; t != nil && t.Kind == Opaque && t.Name == "" {
		return inner // a mangled name does not tell
	}
	return p.declare(s.Results[0].Type, inner)
}

func (p *printer) cParams(s *Signature) string {
	var params []string
	for i := range s.Params {
		if !s.Params[i].Receiver {
			params = append(params, p.declare(s.Params[i].Type, s.Params[i].Name))
		}
	}
	if s.Variadic {
		params = append(params, "...")
	}
	if params == nil && s.Lang != event.LangCPP {
		return "(void)"
	}
	return "(" + strings.Join(params, ", ") + ")"
}

// plainName cuts the parameter list off a demangled C++ name: "ns::f<int>(char) const" gives "ns::f<int>".
func plainName(name string) string {
	depth := 0
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case strings.HasPrefix(name[i:], "operator()"):
			i += len("operator()") - 1
		case strings.HasPrefix(name[i:], "operator<<"):
			i += len("operator<<") - 1
		case strings.HasPrefix(name[i:], "operator<"):
			i += len("operator<") - 1
		case strings.HasPrefix(name[i:], "operator->"), strings.HasPrefix(name[i:], "operator>>"):
			i += len("operator->") - 1
		case strings.HasPrefix(name[i:], "operator>"):
			i += len("operator>") - 1
		case strings.HasPrefix(name[i:], "(anonymous namespace)"):
			i += len("(anonymous namespace)") - 1
		case c == '<':
			depth++
		case c == '>':
			depth--
		case c == '(' && depth == 0 && i > 0:
			return name[:i]
		}
	}
	return name
}
