package itanium_test

import (
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/itanium"
)

var symbols = map[string]itanium.Class{"app::Store": {Known: true}, "Token": {Known: true, NonTrivial: true}}

func lookup(name string) itanium.Class { return symbols[name] }

func TestANameTellsWhatItsFunctionTakes(t *testing.T) {
	for _, test := range []struct {
		name  string
		this  itanium.This
		known bool
		want  string // the parameters, and where the name tells it the result
	}{
		{"_Z1fv", itanium.Never, false, "()"},
		{"_Z1fDnDiwexyz", itanium.Never, false, "(decltype(nullptr), char32_t, wchar_t, long double, long long, unsigned long long, ...)"},
		{"_ZN3app5Store3putERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEiPKc", itanium.Maybe, true,
			"(const std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > &:32, int, const char *)"},
		{"_ZN3app3putESs", itanium.Maybe, false, "(std::string:8)"},
		{"_ZNK3app5Store3getEl", itanium.Always, true, "(long)"},
		{"_ZNO3app5Other3getEv", itanium.Always, true, "()"},
		{"_ZN3app5StoreC2Eiz", itanium.Always, true, "(int, ...)"},
		{"_ZN3app5StorecvbEv", itanium.Always, true, "() bool"},
		{"_ZN3app5StoreaSERKS0_", itanium.Always, true, "(const app::Store &:-1)"},
		{"_ZN3applsERSoRKNS_5StoreE", itanium.Never, false, "(std::ostream &:-1, const app::Store &:-1)"},
		{"_ZN3app5StorelsEi", itanium.Always, true, "(int)"},
		{"_ZN3app5StorenwEm", itanium.Never, true, "(unsigned long)"},
		{"_ZN3app7largestIiEET_S1_S1_", itanium.Maybe, false, "(int, int) int"},
		{"_ZN3app3PutIJicEEEvDpT_", itanium.Maybe, false, "(int, char) void"},
		{"_Z3putIJicEEvDpT_", itanium.Never, false, "(int, char) void"},
		{"_Z3use5TokenS_i", itanium.Never, false, "(Token:8, Token:8, int)"},
		{"_Z3use5Colori", itanium.Never, false, "(Color:-1, int)"},
		{"_ZSt4sortIPiEvT_S1_", itanium.Never, false, "(int *, int *) void"},
		{"_ZNSt6vectorIiSaIiEE9push_backEOi", itanium.Maybe, true, "(int &)"},
		{"_Z1fSt6vectorIiSaIiEESt4pairIcdE", itanium.Never, false, "(std::vector<int, std::allocator<int> >:24, std::pair<char, double>:16)"},
		{"_Z1fNSt3__16vectorIiNS_9allocatorIiEEEE", itanium.Never, false, "(std::__1::vector<int, std::__1::allocator<int> >:24)"},
		{"_Z1fPFiiERA3_iMN3app5StoreEFiiEMN3app5StoreEi", itanium.Never, false, "(int (*)(int), int (&)[3], int (app::Store::*)(int):16, int app::Store::*)"},
		{"_ZZ4mainENKUliE_clEi", itanium.Always, true, "(int)"},
		{"_Z1fRVKcPKvS0_", itanium.Never, false, "(const char &, const void *, const char &)"},
		{"_Z1fCde", itanium.Never, false, "(double _Complex:16, long double)"},
	} {
		fn, ok := itanium.Parse(test.name, lookup)
		if !ok {
			t.Errorf("%s cannot be read", test.name)
			continue
		}
		if got := described(fn); got != test.want || fn.This != test.this || fn.Known != test.known {
			t.Errorf("%s:\n got %s, this %d, class %t\nwant %s, this %d, class %t", test.name, got, fn.This, fn.Known, test.want, test.this, test.known)
		}
	}
}

// described writes parameters with the size of classes.
func described(fn itanium.Function) string {
	var words []string
	for _, p := range fn.Params {
		word, class := p.String(), p
		if p.Kind == ctype.Reference && p.Name == "" {
			class = p.Elem
		}
		if class.Kind == ctype.Struct || class.Kind == ctype.Opaque || class.Kind == ctype.Complex || class.Kind == ctype.Reference {
			word += ":" + itoa(class.Size)
		}
		words = append(words, word)
	}
	if fn.Variadic {
		words = append(words, "...")
	}
	text := "(" + strings.Join(words, ", ") + ")"
	if fn.Result != nil {
		text += " " + fn.Result.String()
	}
	return text
}

func itoa(n int64) string {
	if n < 0 {
		return "-1"
	}
	return strings.TrimLeft(string([]byte{byte('0' + n/10), byte('0' + n%10)}), "0")
}

func TestNamesThatAreNoneOfFunctionsTellNothing(t *testing.T) {
	for _, name := range []string{"", "main", "_ZTV3Foo", "_ZN3app5Store1nE", "_Z3fooi.constprop.0", "_Z3fooi.isra.0", "_ZThn16_N3app5Store3getEv", "_RNvC4crab5greet", "_Z", strings.Repeat("_Z1f", 5000)} {
		if fn, ok := itanium.Parse(name, lookup); ok {
			t.Errorf("%.40q is said to take %s", name, described(fn))
		}
	}
}

func TestStructorsTellClasses(t *testing.T) {
	for name, want := range map[string]struct {
		class      string
		nonTrivial bool
	}{
		"_ZN3app5StoreC1Ei": {"app::Store", false}, "_ZN3app5StoreC1ERKS0_": {"app::Store", true}, "_ZN3app5StoreC2EOS0_": {"app::Store", true},
		"_ZN3app5StoreD1Ev": {"app::Store", true}, "_ZNK3app5Store3getEv": {"app::Store", false}, "_ZN3app5Store3getEv": {}, "_Z1fv": {},
		"_ZNSt6vectorIiSaIiEEC1Ev": {"std::vector<int, std::allocator<int> >", false},
	} {
		if class, nonTrivial := itanium.ClassOf(name); class != want.class || nonTrivial != want.nonTrivial {
			t.Errorf("%s: %q %t", name, class, nonTrivial)
		}
	}
}

// Whatever a name says, it is read in bounded time, and types have sizes that a value can have.
func FuzzParse(f *testing.F) {
	f.Add("_ZN3app5Store3putERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEiPKc")
	f.Add("_Z1fSt5arrayIS_IiLm4EELm9999999EESt4pairIcS0_E")
	f.Add("_Z1fPFvPFvPFvvEEES2_S2_")
	f.Fuzz(func(t *testing.T, name string) {
		fn, _ := itanium.Parse(name, lookup)
		for _, p := range fn.Params {
			if size := p.Sizeof(); size > 1<<46 {
				t.Errorf("%q: a parameter of %d bytes", name, size)
			}
		}
		itanium.ClassOf(name)
	})
}
