package prototype

import (
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// specifiers is what stands before the declarators: "static const struct stat", with annotations.
type specifiers struct {
	t       *ctype.Type
	konst   bool
	typedef bool
	attrs   attributes
	notes   []annotation
}

// ignored are words without meaning for where a value lies or how it reads.
var ignored = set("extern static register auto inline __inline __inline__ _Noreturn noreturn volatile __volatile volatile__ __volatile__ " +
	"restrict __restrict __restrict__ _Thread_local __thread __extension__ _Nonnull _Nullable _Atomic constexpr")

// skipped are words followed by a group in parentheses that has no meaning here.
var skipped = set("__asm__ __asm asm __declspec")

// basic are the words that make up C's basic types.
var basic = set("void char short int long signed __signed__ __signed unsigned float double _Bool bool _Complex __complex__ " +
	"__int128 _Float128 __float128 _Float64 _Float32 _Float64x _Float32x")

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

func (p *parser) specifiers() specifiers {
	var s specifiers
	var words []string
	for p.tok.kind == word || p.tok.kind == note {
		w := p.tok.text
		switch {
		case p.tok.kind == note:
			s.notes = append(s.notes, p.annotation())
			continue
		case w == "const" || w == "__const":
			s.konst = true
		case w == "typedef":
			s.typedef = true
		case ignored[w]:
		case skipped[w]:
			p.advance()
			p.group()
			continue
		case p.isAttribute():
			p.attribute(&s.attrs)
			continue
		case basic[w]:
			words = append(words, w)
		case w == "struct" || w == "union":
			s.t = p.record()
			continue
		case w == "enum":
			s.t = p.enum()
			continue
		case s.t != nil || words != nil:
			return p.finish(s, words)
		case p.table.typedef(w) != nil:
			s.t = p.table.typedef(w)
		case p.startsType(p.ahead), p.ahead.kind == word && w == strings.ToUpper(w):
			// a macro in front of the type: SQLITE_API int f(void), __BEGIN_DECLS extern int g(void)
		default:
			p.fail(p.tok, "no type is called \""+w+"\"", p.nearTypes(w)...)
			return s
		}
		p.advance()
	}
	return p.finish(s, words)
}

func (p *parser) finish(s specifiers, words []string) specifiers {
	if words != nil {
		if s.t = basicType(words); s.t == nil {
			p.fail(p.tok, "\""+strings.Join(words, " ")+"\" is no type")
		}
	}
	if s.t == nil && p.err == nil {
		p.fail(p.tok, "expected a type here, found "+describe(p.tok))
	}
	return s
}

// startsType reports whether a token can be part of declaration specifiers.
func (p *parser) startsType(t token) bool {
	w := t.text
	return t.kind == word && (basic[w] || ignored[w] || w == "const" || w == "__const" || w == "struct" || w == "union" || w == "enum" ||
		w == "__attribute__" || p.table.typedef(w) != nil)
}

// basicType builds the type that words, in any order, name.
func basicType(words []string) *ctype.Type {
	count := map[string]int{}
	for _, w := range words {
		count[strings.Trim(w, "_")]++
	}
	unsigned, long := count["unsigned"] > 0, count["long"]
	sign := ""
	if unsigned {
		sign = "unsigned "
	}
	integer := func(name string, size int64) *ctype.Type {
		kind := ctype.Int
		if unsigned {
			kind = ctype.Uint
		}
		return &ctype.Type{Kind: kind, Lang: event.LangC, Name: sign + name, Size: size}
	}
	switch {
	case count["void"] > 0:
		return &ctype.Type{Kind: ctype.Void, Lang: event.LangC, Name: "void"}
	case count["Bool"] > 0 || count["bool"] > 0:
		return &ctype.Type{Kind: ctype.Bool, Lang: event.LangC, Name: "bool", Size: 1}
	case count["char"] > 0:
		return charType(unsigned, count["signed"] > 0)
	case count["int128"] > 0:
		return integer("__int128", 16)
	case count["short"] > 0:
		return integer("short", 2)
	}
	if f := floatType(count); f != nil {
		if count["Complex"]+count["complex"] > 0 {
			return &ctype.Type{Kind: ctype.Complex, Lang: event.LangC, Name: f.Name + " _Complex", Size: 2 * f.Size}
		}
		return f
	}
	switch {
	case long == 1:
		return integer("long", 8)
	case long == 2:
		return integer("long long", 8)
	case count["int"]+count["signed"]+count["unsigned"] > 0:
		return integer("int", 4)
	}
	return nil
}

func charType(unsigned, signed bool) *ctype.Type {
	t := &ctype.Type{Kind: ctype.Char, Lang: event.LangC, Name: "char", Size: 1, Signed: !unsigned}
	switch {
	case unsigned:
		t.Name = "unsigned char"
	case signed: // the number that int8_t is; only plain char is text
		t.Name, t.Kind, t.Signed = "signed char", ctype.Int, false
	}
	return t
}

func floatType(count map[string]int) *ctype.Type {
	float := func(name string, size int64) *ctype.Type {
		return &ctype.Type{Kind: ctype.Float, Lang: event.LangC, Name: name, Size: size}
	}
	switch {
	case count["double"] > 0 && count["long"] > 0, count["Float64x"] > 0:
		return float("long double", 16)
	case count["double"] > 0, count["Float64"] > 0, count["Float32x"] > 0:
		return float("double", 8)
	case count["float"] > 0, count["Float32"] > 0:
		return float("float", 4)
	case count["Float128"] > 0, count["float128"] > 0:
		return float("_Float128", 16)
	case count["Complex"]+count["complex"] > 0:
		return float("double", 8)
	}
	return nil
}

// attributes is what __attribute__((...)) and _Alignas(...) say that matters for where a value lies.
type attributes struct {
	packed bool
	align  int64 // 0: nothing
	vector int64 // bytes of a SIMD vector
	mode   int64 // bytes of an integer of another size than its words say
}

var modes = map[string]int64{"QI": 1, "byte": 1, "HI": 2, "SI": 4, "DI": 8, "word": 8, "pointer": 8, "TI": 16}

func (p *parser) isAttribute() bool {
	return p.is("__attribute__") || p.is("__attribute") || p.is("_Alignas")
}

// attribute adds one attribute list.
func (p *parser) attribute(a *attributes) {
	alignas := p.is("_Alignas")
	p.advance()
	group := p.group()
	for i, t := range group {
		switch rest := group[i+1:]; strings.Trim(t.text, "_") {
		case "packed":
			a.packed = true
		case "aligned":
			a.align = max(a.align, alignment(rest))
		case "vector_size":
			if len(rest) > 1 {
				a.vector, _ = parseNumber(rest[1].text)
			}
		case "mode":
			if len(rest) > 1 {
				a.mode = modes[strings.Trim(rest[1].text, "_")]
			}
		case "(":
			if alignas {
				a.align = max(a.align, alignment(group[i:]))
			}
		}
	}
}

// apply changes a type as the attributes say.
func (a *attributes) apply(t *ctype.Type) *ctype.Type {
	size := t.Sizeof()
	switch {
	case a.vector > 0 && a.vector <= 64 && size > 0 && a.vector%size == 0:
		return &ctype.Type{Kind: ctype.Array, Lang: event.LangC, Elem: t, Len: a.vector / size, Size: a.vector, Vector: true}
	case a.mode > 0 && (t.Kind == ctype.Int || t.Kind == ctype.Uint):
		c := *t
		c.Size = a.mode
		return &c
	}
	return t
}

// alignment reads "(16)"; without it the compiler takes the largest useful one.
func alignment(group []token) int64 {
	if len(group) < 2 || group[0].text != "(" {
		return 16
	}
	v, ok := parseNumber(group[1].text)
	if !ok || v <= 0 || v > 1<<20 || v&(v-1) != 0 {
		return 0
	}
	return v
}
