package symbol

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/sonde-project/sonde/script"
)

// Pattern asks for functions by name.
//
// An exact name is a linkage name (with or without @VERSION), or a demangled one: with parameters, without them, without
// template or type arguments, and in Go without the front part of the package path. A text that no function is called, and that
// has one of * ? [, is a glob: * any text, ? any character, [a-z] [!a-z] one of a set, \ takes the next character literally.
// A regexp (RE2) may match anywhere in a name. Globs and regexps are tried on every form of a name.
//
// An exact name means that function alone: foo does not stand for foo.constprop.0. Globs and regexps find such clones too, but
// not the cold parts (foo.cold), which are jumped into and never called, unless the pattern says "cold".
type Pattern struct {
	Text   string
	Regexp bool
}

// BadPattern is the code of a pattern that cannot be read.
const BadPattern script.Code = "bad-pattern"

// matcher decides about one form of a name.
type matcher struct {
	match func(form string) bool
	// needs are texts that the mangled form of any name that matches must have: what spares demangling the others.
	needs []string
	cold  bool
}

func (p Pattern) matcher() (matcher, error) {
	if !p.Regexp {
		return globMatcher(p.Text), nil
	}
	re, err := regexp.Compile(p.Text)
	if err != nil {
		return matcher{}, diagnosis(BadPattern, fmt.Sprintf("/%s/ is no regular expression: %v", p.Text, err))
	}
	var needs []string
	if tree, err := syntax.Parse(p.Text, syntax.Perl); err == nil {
		for _, literal := range literals(tree.Simplify()) {
			needs = append(needs, verbatim(literal)...)
		}
	}
	return matcher{re.MatchString, needs, strings.Contains(p.Text, "cold")}, nil
}

// literals gives texts that every match of a regexp has.
func literals(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []string{string(re.Rune)}
		}
	case syntax.OpConcat:
		var all []string
		for _, part := range re.Sub {
			all = append(all, literals(part)...)
		}
		return all
	case syntax.OpCapture, syntax.OpPlus:
		return literals(re.Sub[0])
	}
	return nil
}

// exactMatcher compares without regard to spaces that mean nothing: f(int,char*) is f(int, char*).
func exactMatcher(text string) matcher {
	wanted := text
	if strings.ContainsAny(text, "(<") {
		wanted = squeeze(text)
	}
	wanted = strings.ReplaceAll(wanted, "[...]", "") // how Go prints type arguments: the bare form has none
	match := func(form string) bool {
		return form == text || form == wanted ||
			len(form) > len(wanted) && strings.IndexByte(form, ' ') >= 0 && strings.ContainsAny(form, "(<") && squeeze(form) == wanted
	}
	return matcher{match, verbatim(text), true}
}

// squeeze drops the spaces that do not part two words.
func squeeze(text string) string {
	if strings.IndexByte(text, ' ') < 0 {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == ' ' && !(i > 0 && i+1 < len(text) && identifier(text[i-1]) && identifier(text[i+1])) {
			continue
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

const globCharacters = `*?[\`

func globMatcher(text string) matcher {
	var needs []string
	rest := text
	for rest != "" {
		at := strings.IndexAny(rest, globCharacters)
		if at < 0 {
			needs = append(needs, verbatim(rest)...)
			break
		}
		needs = append(needs, verbatim(rest[:at])...)
		switch rest[at] {
		case '[':
			_, rest, _ = globClass(rest[at:], 0)
		case '\\':
			rest = rest[min(at+2, len(rest)):]
		default:
			rest = rest[at+1:]
		}
	}
	return matcher{func(form string) bool { return glob(text, form) }, needs, strings.Contains(text, "cold")}
}

// glob matches the whole of name. After a mismatch only the last star is tried again, which suffices: what an earlier one could
// take, a later one can.
func glob(pattern, name string) bool {
	var star, mark string // pattern after the last star, and the name where it was last tried
	starred := false
	for {
		if pattern != "" && pattern[0] == '*' {
			pattern = pattern[1:]
			star, mark, starred = pattern, name, true
			continue
		}
		if name == "" {
			return pattern == ""
		}
		if ok, rest := globOne(pattern, name[0]); ok {
			pattern, name = rest, name[1:]
			continue
		}
		if !starred || mark == "" {
			return false
		}
		mark = mark[1:]
		pattern, name = star, mark
	}
}

// globOne matches one character and gives the rest of the pattern.
func globOne(pattern string, c byte) (bool, string) {
	if pattern == "" {
		return false, ""
	}
	switch pattern[0] {
	case '?':
		return true, pattern[1:]
	case '[':
		return unpack(globClass(pattern, c))
	case '\\':
		if len(pattern) > 1 {
			pattern = pattern[1:]
		}
	}
	return pattern[0] == c, pattern[1:]
}

func unpack(ok bool, rest string, _ bool) (bool, string) { return ok, rest }

// globClass matches c against the set at the start of pattern. A bracket that nothing closes stands for itself.
func globClass(pattern string, c byte) (ok bool, rest string, closed bool) {
	set := pattern[1:]
	negated := strings.HasPrefix(set, "!") || strings.HasPrefix(set, "^")
	if negated {
		set = set[1:]
	}
	for first := true; set != ""; first = false {
		if set[0] == ']' && !first {
			return ok != negated, set[1:], true
		}
		low, high := set[0], set[0]
		set = set[1:]
		if len(set) > 1 && set[0] == '-' && set[1] != ']' {
			high, set = set[1], set[2:]
		}
		ok = ok || low <= c && c <= high
	}
	return c == '[', pattern[1:], false
}

// verbatim gives the identifiers of a text that a mangled name must hold letter by letter: those that no demangler writes by
// itself.
func verbatim(text string) []string {
	var needs []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r >= 0x80 || !identifier(byte(r)) }) {
		if len(word) >= minVerbatim && word[0] > '9' && !strings.Contains(generated, word) {
			needs = append(needs, word)
		}
	}
	return needs
}

const minVerbatim = 3

// generated are the words that demanglers make up from codes. Source: Itanium C++ ABI 5.1, Rust RFC 2603, and the libiberty demangler.
const generated = "std allocator basic_string basic_istream basic_ostream basic_iostream istream ostream iostream string char_traits " +
	"void wchar_t bool char signed unsigned short int long float double __int128 __float128 decimal32 decimal64 decimal128 half " +
	"char8_t char16_t char32_t auto decltype nullptr nullptr_t _Float16 _Float32 _Float64 _Float128 _Float32x _Float64x bfloat16_t __bf16 " +
	"_BitInt _Accum _Fract _Sat const volatile restrict __restrict __vector complex _Complex imaginary _Imaginary true false this " +
	"anonymous namespace operator new delete co_await sizeof alignof typeid noexcept throw typename template class struct union enum " +
	"lambda unnamed type default arg clone abi requires static_cast dynamic_cast reinterpret_cast const_cast explicit object " +
	"non virtual covariant return thunk to for guard variable vtable VTT typeinfo name fn construction global constructors destructors " +
	"keyed TLS init function wrapper initializer reference temporary transaction java hidden alias string literal friend module " +
	"invocation block in alloc_token structured binding enable_if " +
	"str i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f16 f32 f64 f128 dyn as impl closure shim crate self mut unsafe extern " +
	"drop_in_place llvm cold parm pack parameter __alignof__ __uuidof transaction_safe template_template subobject"
