package resolve

import (
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/script"
)

// offered is how many functions a hint names when a point means several.
const offered = 8

// Describe describes the one function that a point names, with its parameters. A point that names several is a mistake, and so is the address
// of one among several of a name: whoever asks goes on by the name.
func Describe(pt script.Point, scope Scope) (event.Function, error) {
	r := newResolver(&script.Script{}, scope)
	matches, err := r.find(&pt)
	if err != nil {
		return event.Function{}, err
	}
	if len(matches) == 1 && matches[0].within {
		m := matches[0]
		byName := script.Point{Kind: pt.Kind, Target: pt.Target, Function: m.obj.file.Demangled(m.fn), Span: pt.Span, FunctionSpan: pt.Span}
		if same, err := r.inObject(&byName, m.obj); err == nil && len(same) > 1 {
			return event.Function{}, r.several(&byName, same)
		}
	}
	if len(matches) > 1 {
		return event.Function{}, r.several(&pt, matches)
	}
	m := matches[0]
	f := r.describe(m)
	if sig := r.signature(m); sig != nil && sig.Source != guessed {
		places := ctype.Place(sig)
		f.Typed = true
		f.Params = parameters(sig.Params, places.Params)
		if !resultUnknown(sig) {
			f.Results = parameters(sig.Results, places.Results)
		}
	}
	if code, err := m.obj.file.Code(m.fn); err == nil {
		if c, err := site.ChooseEntry(code, m.fn.Lang); err == nil {
			f.Entry = c.Offset
		}
	}
	return f, nil
}

// several says what tells the functions apart that a point names: their names, their symbol versions, or the files of statics, which no name tells.
func (r *resolver) several(pt *script.Point, matches []match) error {
	times := map[string]int{}
	for _, m := range matches {
		times[m.name()]++
	}
	var names, hints []string
	alike := false
	for _, m := range matches {
		name := m.name()
		switch unit := m.fn.Unit; {
		case times[name] == 1:
		case m.fn.Version != "":
			name += m.fn.VersionSuffix()
		default:
			alike = true
			if unit != "" {
				name += " of " + unit
			}
		}
		names = append(names, name)
	}
	shown := strings.Join(names[:min(len(names), offered)], ", ")
	if len(names) > offered {
		shown += " and " + strconv.Itoa(len(names)-offered) + " more"
	}
	if alike {
		hints = append(hints, "sonde count "+pt.Target+":"+pt.Function+" observes all of a name")
	}
	return r.diag(pt.FunctionSpan, script.Several, pt.Function+" names "+strconv.Itoa(len(matches))+" functions", append([]string{"one of: " + shown}, hints...)...)
}

func parameters(params []ctype.Param, places [][]ctype.Piece) []event.Parameter {
	var out []event.Parameter
	for i, p := range params {
		one := event.Parameter{Name: p.Name, Type: p.Type.String(), Kind: valueKind(p.Type), Size: p.Type.Sizeof(), Receiver: p.Receiver}
		if one.Kind == event.KindString {
			one.Behind = behind(p.Type)
		}
		for _, piece := range places[i] {
			if piece.Kind == ctype.InMemory {
				one.Behind = true
			}
			if piece.Kind != ctype.InRegister && (piece.Kind != ctype.InMemory || piece.Offset != 0) || piece.Reg.Vector() {
				one.Registers = nil
				break
			}
			one.Registers = append(one.Registers, generalNames[piece.Reg])
		}
		out = append(out, one)
	}
	return out
}

// generalNames follow ctype.Register.
var generalNames = [...]string{"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}

// behind reports whether a text's address and length stand in memory: a string class by reference.
func behind(t *ctype.Type) bool {
	u := t.Underlying()
	if u != nil && (u.Kind == ctype.Pointer || u.Kind == ctype.Reference) {
		return isStringClass(u.Elem)
	}
	return false
}

func isStringClass(t *ctype.Type) bool {
	if t == nil {
		return false
	}
	u := t.Underlying()
	if u == nil || u.Kind != ctype.Struct {
		return false
	}
	name := u.Name
	return strings.HasPrefix(name, "std::") && (strings.Contains(name, "basic_string<char") || name == "std::string") || name == "alloc::string::String"
}

// scalarKinds are the kinds of values whose type alone says it.
var scalarKinds = map[ctype.Kind]event.Kind{
	ctype.Bool: event.KindBool, ctype.Int: event.KindInt, ctype.Uint: event.KindUint, ctype.Char: event.KindChar, ctype.Rune: event.KindChar,
	ctype.Float: event.KindFloat, ctype.Enum: event.KindEnum, ctype.CString: event.KindString, ctype.GoString: event.KindString,
	ctype.Str: event.KindString, ctype.Array: event.KindArray, ctype.Slice: event.KindArray, ctype.Map: event.KindMap,
	ctype.Interface: event.KindInterface, ctype.Struct: event.KindStruct, ctype.Union: event.KindStruct, ctype.Func: event.KindPointer,
	ctype.Chan: event.KindPointer, ctype.Variant: event.KindStruct, ctype.TraitObject: event.KindStruct,
}

// valueKind is the kind of the values that a type gives.
func valueKind(t *ctype.Type) event.Kind {
	u := t.Underlying()
	switch {
	case u == nil:
		return event.KindNone
	case u.Kind == ctype.Enum && u.Flags:
		return event.KindFlags
	case isStringClass(u):
		return event.KindString
	case u.Kind == ctype.Pointer || u.Kind == ctype.Reference:
		if e := u.Elem; e != nil && (e.Underlying() != nil && e.Underlying().Kind == ctype.Char || isStringClass(e)) {
			return event.KindString
		}
		return event.KindPointer
	}
	return scalarKinds[u.Kind]
}
