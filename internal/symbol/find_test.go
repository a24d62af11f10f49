package symbol

import (
	"errors"
	"slices"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/script"
)

func cProgram(t testing.TB, flags ...string) string {
	return fixture.Build(t, "c/symbols.c", append([]string{inFixtures("c/symbols_more.c")}, flags...)...)
}

func displayed(f *File, found []*Function) []string {
	var names []string
	for _, fn := range found {
		names = append(names, f.Display(fn))
	}
	slices.Sort(names)
	return names
}

func TestAPatternFindsTheFunctionsItMeans(t *testing.T) {
	t.Setenv("RUSTC_BOOTSTRAP", "1") // the older mangling needs unstable options in newer compilers
	programs := map[string]*File{
		"c":       open(t, cProgram(t)),
		"library": open(t, fixture.Build(t, "c/versions.c", "-shared", "-fPIC", "-Wl,--version-script="+inFixtures("c/versions.map"))),
		"c++":     open(t, fixture.Build(t, "cc/symbols.cc")),
		"rust":    open(t, fixture.Build(t, "rust/symbols.rs", "-Zunstable-options", "-Csymbol-mangling-version=legacy")),
		"rust v0": open(t, fixture.Build(t, "rust/symbols.rs", "-Csymbol-mangling-version=v0")),
		"go":      open(t, fixture.Build(t, "go/symbols")),
		"go -s":   open(t, fixture.Build(t, "go/symbols", "-ldflags=-s -w")),
	}
	pushes := []string{
		"shop::Stack<int>::push(int)",
		"shop::Stack<std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > >::push(std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >)",
	}
	prices := []string{
		"shop::price(char*, int)", "shop::price(int)",
		"shop::price(std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > const&)",
	}
	mapped := []string{"main.Map[go.shape.string,go.shape.int]"}
	goPush := []string{"main.(*Stack[go.shape.int]).Push", "main.(*Stack[go.shape.string]).Push"}
	for _, c := range []struct {
		program string
		pattern Pattern
		want    []string
	}{
		{"c", Pattern{Text: "leaf"}, []string{"leaf"}},
		{"c", Pattern{Text: "leaf_alias"}, []string{"leaf"}},
		{"c", Pattern{Text: "leaf*"}, []string{"leaf"}},
		{"c", Pattern{Text: "helper"}, []string{"helper", "helper"}},
		{"c", Pattern{Text: "bare_[lmn]*"}, []string{"bare_label", "bare_next"}},
		{"c", Pattern{Text: "bare_[!l]???"}, []string{"bare_next"}},
		{"c", Pattern{Text: "ba[re_label"}, nil},
		{"c", Pattern{Text: "^(leaf|twice)$", Regexp: true}, []string{"leaf", "twice"}},
		{"c", Pattern{Text: "checked"}, []string{"checked"}},
		{"c", Pattern{Text: "checke*"}, []string{"checked"}},
		{"c", Pattern{Text: "checked.cold"}, []string{"checked.cold"}},
		{"c", Pattern{Text: "checked*cold*"}, []string{"checked.cold"}},
		{"c", Pattern{Text: "nothing"}, nil},
		{"c", Pattern{Text: ""}, nil},

		{"library", Pattern{Text: "greet"}, []string{"greet", "greet"}},
		{"library", Pattern{Text: "greet@SONDE_1.0"}, []string{"greet"}},
		{"library", Pattern{Text: "greet@@SONDE_2.0"}, []string{"greet"}},
		{"library", Pattern{Text: "greet@SONDE_2.0"}, nil},
		{"library", Pattern{Text: "same"}, []string{"same"}},
		{"library", Pattern{Text: "same@SONDE_1.0"}, []string{"same"}},
		{"library", Pattern{Text: "*@SONDE_1.0"}, []string{"greet", "plain", "same"}},

		{"c++", Pattern{Text: "shop::price"}, prices},
		{"c++", Pattern{Text: "shop::price(int)"}, []string{"shop::price(int)"}},
		{"c++", Pattern{Text: "shop::price( char * , int )"}, []string{"shop::price(char*, int)"}},
		{"c++", Pattern{Text: "_ZN4shop5priceEi"}, []string{"shop::price(int)"}},
		{"c++", Pattern{Text: "shop::pri*"}, prices},
		{"c++", Pattern{Text: "price"}, nil},
		{"c++", Pattern{Text: "*price*"}, prices},
		{"c++", Pattern{Text: `price\(`, Regexp: true}, prices},
		{"c++", Pattern{Text: "shop::Stack::push"}, pushes},
		{"c++", Pattern{Text: "shop::Stack<int>::push"}, pushes[:1]},
		{"c++", Pattern{Text: "shop::Stack<*>::push"}, pushes},
		{"c++", Pattern{Text: "shop::max_of<int>"}, []string{"shop::max_of<int>(int, int)"}},
		{"c++", Pattern{Text: "shop::max_of"}, []string{"shop::max_of<double>(double, double)", "shop::max_of<int>(int, int)"}},
		{"c++", Pattern{Text: "shop::Stack<int>::operator<<"}, []string{"shop::Stack<int>::operator<<(int)"}},
		{"c++", Pattern{Text: "shop::Both::operator=="}, []string{"shop::Both::operator==(shop::Both const&) const"}},
		{"c++", Pattern{Text: "shop::Both::operator int"}, []string{"shop::Both::operator int() const"}},
		{"c++", Pattern{Text: "shop::Both::Both"}, []string{"shop::Both::Both(int)"}},
		{"c++", Pattern{Text: "shop::Both::listen"}, []string{"shop::Both::listen()"}},
		{"c++", Pattern{Text: "*thunk to shop::Both::listen*"}, []string{"non-virtual thunk to shop::Both::listen()"}},
		{"c++", Pattern{Text: "shop::tagged"}, []string{"shop::tagged[abi:cxx11](int)"}},
		{"c++", Pattern{Text: "(anonymous namespace)::hidden"}, []string{"(anonymous namespace)::hidden(int)"}},
		{"c++", Pattern{Text: "(anonymous namespace)::h*"}, []string{"(anonymous namespace)::hidden(int)"}},
		{"c++", Pattern{Text: "c_name"}, []string{"c_name"}},
		{"c++", Pattern{Text: "main::{lambda(int)#1}::operator()"}, []string{"main::{lambda(int)#1}::operator()(int) const"}},

		{"rust", Pattern{Text: "symbols::shop::price"}, []string{"symbols::shop::price"}},
		{"rust", Pattern{Text: "symbols::shop::*"}, []string{"symbols::shop::Pair<T>::swap", "symbols::shop::largest", "symbols::shop::largest", "symbols::shop::price"}},
		{"rust", Pattern{Text: "symbols::shop::Pair<T>::swap"}, []string{"symbols::shop::Pair<T>::swap"}},
		{"rust", Pattern{Text: "symbols::shop::Pair::swap"}, []string{"symbols::shop::Pair<T>::swap"}},
		{"rust", Pattern{Text: "<symbols::Shown as core::fmt::Display>::fmt"}, []string{"<symbols::Shown as core::fmt::Display>::fmt"}},
		{"rust", Pattern{Text: "c_name"}, []string{"c_name"}},
		{"rust v0", Pattern{Text: "symbols::shop::price"}, []string{"symbols::shop::price"}},
		{"rust v0", Pattern{Text: "symbols::shop::largest"}, []string{"symbols::shop::largest::<f64>", "symbols::shop::largest::<u64>"}},
		{"rust v0", Pattern{Text: "symbols::shop::largest::<u64>"}, []string{"symbols::shop::largest::<u64>"}},
		{"rust v0", Pattern{Text: "symbols::shop::Pair::swap"}, []string{"<symbols::shop::Pair<u64>>::swap"}},
		{"rust v0", Pattern{Text: "*::Shown as *::fmt"}, []string{"<symbols::Shown as core::fmt::Display>::fmt"}},

		{"go", Pattern{Text: "main.add"}, []string{"main.add"}},
		{"go", Pattern{Text: "main.(*Store).Put"}, []string{"main.(*Store).Put"}},
		{"go", Pattern{Text: "main.(*Store).*"}, []string{"main.(*Store).Put", "main.(*Store).Put.func1"}},
		{"go", Pattern{Text: "main.Store.Len"}, []string{"main.Store.Len"}},
		{"go", Pattern{Text: "main.Map"}, mapped},
		{"go", Pattern{Text: "main.Map[...]"}, mapped},
		{"go", Pattern{Text: mapped[0]}, mapped},
		{"go", Pattern{Text: "main.(*Stack[...]).Push"}, goPush},
		{"go", Pattern{Text: "main.(*Stack).Push"}, goPush},
		{"go", Pattern{Text: "internal/poll.(*FD).Write"}, []string{"internal/poll.(*FD).Write"}},
		{"go", Pattern{Text: "poll.(*FD).Write"}, []string{"internal/poll.(*FD).Write"}},
		{"go", Pattern{Text: "runtime.memmove"}, []string{"runtime.memmove"}},
		{"go", Pattern{Text: `^main\.\(\*Store\)\.P\w+$`, Regexp: true}, []string{"main.(*Store).Put"}},
		{"go -s", Pattern{Text: "main.(*Store).Put"}, []string{"main.(*Store).Put"}},
		{"go -s", Pattern{Text: "main.Map[...]"}, mapped},
		{"go -s", Pattern{Text: "main.Map"}, mapped},
		{"go -s", Pattern{Text: "main.(*Stack[...]).Push"}, goPush},
	} {
		f := programs[c.program]
		found, err := f.Find(c.pattern)
		if got := displayed(f, found); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q: %q, %v; want %q", c.program, c.pattern.Text, got, err, c.want)
		}
	}
}

func TestAStarFindsEverythingThatIsCalled(t *testing.T) {
	f := open(t, cProgram(t))
	found, err := f.Find(Pattern{Text: "*"})
	if err != nil {
		t.Fatal(err)
	}
	cold := 0
	for i := range f.Functions() {
		if f.Cold(&f.Functions()[i]) {
			cold++
		}
	}
	if cold == 0 || len(found) != len(f.Functions())-cold {
		t.Errorf("%d of %d functions, %d cold", len(found), len(f.Functions()), cold)
	}
}

func TestABadRegexpIsADiagnosis(t *testing.T) {
	_, err := open(t, cProgram(t)).Find(Pattern{Text: "a(", Regexp: true})
	var d *script.Diagnostic
	if !errors.As(err, &d) || d.Code != BadPattern {
		t.Errorf("got %v", err)
	}
}

func TestPrefilterNeverHidesAMatch(t *testing.T) {
	// A form of a name must match itself as a glob, and the prefilter must agree: every word that verbatim gives is in the mangled name.
	paths := system()
	paths = append(paths, fixture.Build(t, "cc/symbols.cc"), fixture.Build(t, "rust/symbols.rs"), fixture.Build(t, "rust/symbols.rs", "-Csymbol-mangling-version=v0"))
	for _, path := range paths {
		f := open(t, path)
		for i := range f.Functions() {
			fn := &f.functions[i]
			if !mangled(fn.Lang) {
				continue
			}
			for _, form := range f.spelling(i).forms {
				if m := (matcher{needs: verbatim(form)}); !m.possible(fn.Name) {
					t.Fatalf("%s: %q would hide %s", path, verbatim(form), fn.Name)
				}
			}
		}
	}
}

func TestLanguages(t *testing.T) {
	for path, want := range map[string]event.Language{
		cProgram(t): event.LangC, cProgram(t, "-s"): event.LangC,
		fixture.Build(t, "cc/symbols.cc"): event.LangCPP, fixture.Build(t, "cc/symbols.cc", "-s"): event.LangCPP,
		fixture.Build(t, "rust/symbols.rs"): event.LangRust, fixture.Build(t, "rust/symbols.rs", "-Cstrip=symbols"): event.LangRust,
		fixture.Build(t, "go/symbols"): event.LangGo, fixture.Build(t, "go/symbols", "-ldflags=-s -w"): event.LangGo,
	} {
		if got := open(t, path).Language(); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestFunctionsHaveTheLanguageOfTheirNames(t *testing.T) {
	for _, c := range []struct {
		path, name string
		want       event.Language
	}{
		{fixture.Build(t, "cc/symbols.cc"), "c_name", event.LangC},
		{fixture.Build(t, "cc/symbols.cc"), "shop::price(int)", event.LangCPP},
		{fixture.Build(t, "rust/symbols.rs"), "symbols::shop::price", event.LangRust},
		{fixture.Build(t, "rust/symbols.rs"), "c_name", event.LangC},
		{fixture.Build(t, "go/symbols"), "main.add", event.LangGo},
		{fixture.Build(t, "go/symbols", "-buildmode=pie", "-ldflags=-linkmode=external"), "main.add", event.LangGo},
		{fixture.Build(t, "go/symbols", "-buildmode=pie", "-ldflags=-linkmode=external"), "x_cgo_thread_start", event.LangC},
		{fixture.Build(t, "go/symbols", "-buildmode=pie", "-ldflags=-linkmode=external"), "_start", event.LangC},
	} {
		f := open(t, c.path)
		found, err := f.Find(Pattern{Text: c.name})
		if err != nil || len(found) == 0 {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if found[0].Lang != c.want {
			t.Errorf("%s: %v, want %v", c.name, found[0].Lang, c.want)
		}
	}
}
