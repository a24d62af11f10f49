package event

import (
	"strconv"
	"strings"
)

// appendStruct appends fields by name, and the type's or variant's name in the languages whose literals have it.
func (v *Value) appendStruct(b []byte, lang Language) []byte {
	before, between, after := "{", "=", "}"
	switch lang {
	case LangGo:
		b, between = appendGoType(b, v.Type), ":"
	case LangRust:
		name := v.Str
		if name == "" {
			name = rustName(v.Type)
		}
		b = append(b, name...)
		if len(v.Fields) == 0 && !v.Truncated {
			return b
		}
		before, between, after = " { ", ": ", " }"
	default:
		b = append(append(b, v.Dynamic...), v.Str...)
	}
	b = append(b, before...)
	for i := range v.Fields {
		if i > 0 {
			b = append(b, ", "...)
		}
		if name := v.Fields[i].Name; name != "" {
			b = append(append(b, name...), between...)
		}
		b = v.Fields[i].Value.AppendText(b, lang)
	}
	return append(v.appendMore(b, len(v.Fields)), after...)
}

// appendGoType appends a type's name as its users write it: of a package's path the last part only. Full names have
// []*io/fs.PathError where Go has []*fs.PathError.
func appendGoType(b []byte, name string) []byte {
	for {
		slash := strings.IndexByte(name, '/')
		if slash < 0 {
			return append(b, name...)
		}
		start := strings.LastIndexAny(name[:slash], "[]*(), {}") + 1
		b = append(b, name[:start]...)
		name = name[slash+1:]
	}
}

// rustName is the last part of a path, without what it is generic over: core::option::Option<i32> is Option.
func rustName(path string) string {
	if at := strings.IndexByte(path, '<'); at >= 0 {
		path = path[:at]
	}
	return path[strings.LastIndexByte(path, ':')+1:]
}

// appendMore says that something was left out after n members.
func (v *Value) appendMore(b []byte, n int) []byte {
	switch {
	case !v.Truncated:
		return b
	case n > 0:
		b = append(b, ", "...)
	}
	return append(b, "..."...)
}

func (v *Value) appendTuple(b []byte, lang Language) []byte {
	b = append(append(b, v.Str...), '(')
	b = v.appendElems(b, lang)
	if lang == LangRust && v.Str == "" && len(v.Fields) == 1 && !v.Truncated {
		b = append(b, ',')
	}
	return append(b, ')')
}

func (v *Value) appendArray(b []byte, lang Language) []byte {
	before, after := "{", "}"
	switch lang {
	case LangGo:
		b = appendGoType(b, v.Type)
	case LangRust:
		before, after = "[", "]"
		if rustName(v.Type) == "Vec" {
			before = "vec!["
		}
	}
	return append(v.appendElems(append(b, before...), lang), after...)
}

func (v *Value) appendElems(b []byte, lang Language) []byte {
	for i := range v.Fields {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = v.Fields[i].Value.AppendText(b, lang)
	}
	return v.appendMore(b, len(v.Fields))
}

// appendMap appends the pairs that were captured; of a map whose pairs were not, its length.
func (v *Value) appendMap(b []byte, lang Language) []byte {
	if lang == LangGo {
		b = appendGoType(b, v.Type)
	}
	if len(v.Fields) == 0 && v.Len > 0 {
		return append(strconv.AppendUint(append(b, "(len "...), v.Len, 10), ')')
	}
	open, between, end := "{", ", ", "}"
	if lang == LangGo || lang == LangRust {
		open, between, end = "", ": ", ""
	}
	if lang == LangGo {
		between = ":"
	}
	b = append(b, '{')
	for i := range v.Fields {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = v.Fields[i].appendKey(append(b, open...), lang)
		b = append(v.Fields[i].Value.AppendText(append(b, between...), lang), end...)
	}
	return append(v.appendMore(b, len(v.Fields)), '}')
}

func (f *Field) appendKey(b []byte, lang Language) []byte {
	if f.Key == nil {
		return append(b, f.Name...)
	}
	return f.Key.AppendText(b, lang)
}

// appendInterface appends the dynamic value; a scalar is shown converted to its type, a value that was not captured as
// its type and address.
func (v *Value) appendInterface(b []byte, lang Language) []byte {
	switch elem := v.Elem; {
	case elem == nil && v.Type == "":
		return appendAddress(b, v.Uint, lang)
	case elem == nil && lang == LangRust && strings.HasPrefix(v.Type, "<"): // <T as Trait>::function::Type
		name := v.Type[strings.LastIndexByte(v.Type, ':')+1:]
		return append(appendAddress(append(append(b, name...), '('), v.Uint, lang), ')')
	case elem == nil:
		return append(appendAddress(append(appendGoType(b, v.Type), '('), v.Uint, lang), ')')
	case elem.Problem != "" || !elem.namesType(lang):
		return append(elem.AppendText(append(appendGoType(b, v.Type), '('), lang), ')')
	default:
		return elem.AppendText(b, lang)
	}
}

// namesType reports whether the value's text already tells its type, so that an interface need not.
func (v *Value) namesType(lang Language) bool {
	switch v.Kind {
	case KindString:
		return v.Type == "string" || v.Type == "" || lang == LangRust
	case KindBool:
		return v.Type == "bool"
	case KindStruct, KindTuple:
		return lang == LangGo && v.Type != "" || lang == LangRust && (v.Str != "" || v.Kind == KindStruct)
	case KindArray, KindMap:
		return lang == LangGo && v.Type != ""
	case KindPointer:
		return v.Elem != nil && v.Elem.namesType(lang)
	}
	return false
}
