package ctype

import (
	"strconv"
	"strings"
)

func (p *printer) goType(t *Type) string {
	if t.Name != "" {
		return t.Name
	}
	switch t.Kind {
	case Pointer:
		if t.Elem == nil {
			return "unsafe.Pointer"
		}
		return "*" + p.declare(t.Elem, "")
	case Slice:
		return "[]" + p.declare(t.Elem, "")
	case Array:
		return "[" + strconv.FormatInt(t.Len, 10) + "]" + p.declare(t.Elem, "")
	case Map:
		return "map[" + p.declare(t.Key, "") + "]" + p.declare(t.Elem, "")
	case Chan:
		return "chan " + p.declare(t.Elem, "")
	case GoString:
		return "string"
	case Interface:
		return "interface {}"
	case Struct:
		return "struct {...}"
	case Func:
		if t.Func != nil {
			return p.goFunc(t.Func, "")
		}
		return "func()"
	}
	return nativeScalar(t)
}

func nativeScalar(t *Type) string {
	bits := strconv.FormatInt(t.Size*8, 10)
	switch t.Kind {
	case Int:
		return "int" + bits
	case Uint:
		return "uint" + bits
	case Float:
		return "float" + bits
	}
	return cName(t)
}

// goFunc writes "func main.add(a int) int"; a method's receiver is read off its name: main.(*Store).Put.
func (p *printer) goFunc(s *Signature, name string) string {
	params, receiver := s.Params, ""
	if len(params) > 0 && params[0].Receiver {
		if method, ok := methodName(name); ok {
			receiver = "(" + strings.TrimSpace(params[0].Name+" "+p.declare(params[0].Type, "")) + ") "
			name, params = method, params[1:]
		}
	}
	text := "func"
	if name != "" {
		text += " " + receiver + name
	}
	text += "(" + p.goParams(params) + ")"
	switch {
	case len(s.Results) == 1 && goName(s.Results[0].Name) == "":
		text += " " + p.declare(s.Results[0].Type, "")
	case len(s.Results) > 0:
		text += " (" + p.goParams(s.Results) + ")"
	}
	return text
}

// methodName takes Put from main.(*Store).Put and from main.Store.Put; closures (main.f.func1) have no receiver.
func methodName(name string) (string, bool) {
	bare := outsideBrackets(name)
	parts := strings.Count(bare[strings.LastIndexByte(bare, '/')+1:], ".")
	dot := strings.LastIndexByte(name, '.')
	return name[dot+1:], parts == 2 && dot > 0
}

// outsideBrackets drops type arguments: main.(*List[go.shape.int]).Push.
func outsideBrackets(name string) string {
	var b strings.Builder
	depth := 0
	for _, c := range []byte(name) {
		if c == '[' {
			depth++
		}
		if depth == 0 {
			b.WriteByte(c)
		}
		if c == ']' {
			depth--
		}
	}
	return b.String()
}

func (p *printer) goParams(params []Param) string {
	var words []string
	for i := range params {
		words = append(words, strings.TrimSpace(goName(params[i].Name)+" "+p.declare(params[i].Type, "")))
	}
	return strings.Join(words, ", ")
}

// goName hides the names that the compiler gives to unnamed parameters and results: ~r0, ~p0.
func goName(name string) string {
	if strings.HasPrefix(name, "~") {
		return ""
	}
	return name
}

func (p *printer) rustType(t *Type) string {
	if t.Name != "" {
		return t.Name
	}
	switch t.Kind {
	case Void:
		return "()"
	case Pointer:
		if t.Const {
			return "*const " + p.declare(t.Elem, "")
		}
		return "*mut " + p.declare(t.Elem, "")
	case Reference:
		return "&" + p.declare(t.Elem, "")
	case Slice:
		return "&[" + p.declare(t.Elem, "") + "]"
	case Str:
		return "&str"
	case Array:
		return "[" + p.declare(t.Elem, "") + "; " + strconv.FormatInt(t.Len, 10) + "]"
	case Func:
		if t.Func != nil {
			return p.rustFunc(t.Func, "")
		}
		return "fn()"
	}
	bits := strconv.FormatInt(t.Size*8, 10)
	switch t.Kind {
	case Int:
		return "i" + bits
	case Uint:
		return "u" + bits
	case Float:
		return "f" + bits
	}
	return cName(t)
}

func (p *printer) rustFunc(s *Signature, name string) string {
	var params []string
	for i := range s.Params {
		params = append(params, p.rustParam(&s.Params[i]))
	}
	if s.Variadic {
		params = append(params, "...")
	}
	text := strings.TrimSpace("fn "+name) + "(" + strings.Join(params, ", ") + ")"
	if len(s.Results) > 0 && s.Results[0].Type.Underlying().Sizeof() != 0 {
		text += " -> " + p.declare(s.Results[0].Type, "")
	}
	return text
}

func (p *printer) rustParam(param *Param) string {
	word := p.declare(param.Type, "")
	if param.Name == "self" {
		switch {
		case strings.HasPrefix(word, "&mut "):
			return "&mut self"
		case strings.HasPrefix(word, "&"):
			return "&self"
		}
		return "self"
	}
	if param.Name == "" {
		return word
	}
	return param.Name + ": " + word
}
