package symbol

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestAnIndirectFunctionHasTheImplementationsOfItsResolver(t *testing.T) {
	for name, flags := range map[string][]string{"PIE": nil, "no PIE": {"-no-pie"}, "static": {"-static"}, "no optimizer": {"-O0"}, "protected": {"-fcf-protection"}, "clang": {"CC=clang", "-O2"}} {
		var path string
		if name == "clang" {
			path = fixture.Build(t, "c/symbols.c", flags[0], flags[1], inFixtures("c/symbols_more.c"))
		} else {
			path = cProgram(t, flags...)
		}
		f := open(t, path)
		found, err := f.Find(Pattern{Text: "twice"})
		if err != nil || len(found) != 1 || !found[0].IFunc {
			t.Errorf("%s: %v, %v", name, found, err)
			continue
		}
		var names []string
		for _, fn := range f.Implementations(found[0]) {
			names = append(names, fn.Name)
		}
		slices.Sort(names)
		if want := []string{"twice_plain", "twice_shift"}; !slices.Equal(names, want) {
			t.Errorf("%s: %q, want %q", name, names, want)
		}
		leaf, _ := f.Find(Pattern{Text: "leaf"})
		if all := f.Implementations(leaf[0]); all != nil {
			t.Errorf("%s: leaf is no indirect function but has %v", name, all)
		}
	}
}

func TestImplementationsWithoutSymbolsAreNamedAfterTheFunction(t *testing.T) {
	f := open(t, cProgram(t, "-s", "-rdynamic"))
	found, _ := f.Find(Pattern{Text: "twice"})
	all := f.Implementations(found[0])
	if len(all) != 2 {
		t.Fatalf("%d implementations", len(all))
	}
	for _, fn := range all {
		if fn.Name != "twice@"+fn.Addr.String() || fn.Size == 0 {
			t.Errorf("got %+v", fn)
		}
		if code, err := f.Code(fn); err != nil || code[len(code)-1] != 0xc3 { // ret
			t.Errorf("%s: % x, %v", fn.Name, code, err)
		}
	}
}

func TestEveryIndirectFunctionOfTheCLibraryHasImplementations(t *testing.T) {
	for _, path := range system() {
		f := open(t, path)
		for i := range f.Functions() {
			// glibc has one whose resolver only measures the caches, and gives NULL.
			if fn := &f.Functions()[i]; fn.IFunc && len(f.Implementations(fn)) == 0 && fn.Name != "__x86_cacheinfo" {
				t.Errorf("%s: %s has none", path, fn.Name)
			}
		}
	}
}

func TestTheChosenStrlenIsAmongTheImplementations(t *testing.T) {
	// A program prints where its strlen is, and where a plain function of the same library is.
	path := fixture.Build(t, "c/strlen.c")
	out, err := exec.Command(path).Output()
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(out))
	if len(words) != 3 {
		t.Fatalf("%q", out)
	}
	chosen, _ := strconv.ParseUint(words[0], 0, 64)
	puts, _ := strconv.ParseUint(words[1], 0, 64)
	f := open(t, words[2])
	plain, err := f.Find(Pattern{Text: "puts"})
	if err != nil || len(plain) != 1 {
		t.Fatal(plain, err)
	}
	bias := Bias(puts - uint64(plain[0].Addr))
	found, _ := f.Find(Pattern{Text: "strlen"})
	var all []Addr
	for _, fn := range f.Implementations(found[0]) {
		all = append(all, fn.Addr)
	}
	if addr := PC(chosen).Addr(bias); !slices.Contains(all, addr) {
		t.Errorf("chosen %v is not in %v", addr, all)
	}
}
