package symbol

import (
	"slices"
	"testing"
	"time"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestNearNamesAreTheOnesMeant(t *testing.T) {
	for _, c := range []struct{ path, name, first string }{
		{cProgram(t), "hepler", "helper"},
		{cProgram(t), "Checked", "checked"},
		{cProgram(t), "_leaf", "leaf"},
		{cProgram(t), "bare_labl", "bare_label"},
		{fixture.Build(t, "cc/symbols.cc"), "price", "shop::price"},
		{fixture.Build(t, "cc/symbols.cc"), "shop::prise", "shop::price"},
		{fixture.Build(t, "cc/symbols.cc"), "shop::price(long)", "shop::price"},
		{fixture.Build(t, "rust/symbols.rs"), "price", "symbols::shop::price"},
		{fixture.Build(t, "go/symbols"), "main.Put", "main.(*Store).Put"},
		{fixture.Build(t, "go/symbols"), "main.Store.Put", "main.(*Store).Put"},
		{fixture.Build(t, "go/symbols"), "main.ad", "main.add"},
	} {
		f := open(t, c.path)
		near := f.Near(c.name, 3)
		if len(near) == 0 || near[0] != c.first || len(near) > 3 {
			t.Errorf("%q: %q, want %q first", c.name, near, c.first)
			continue
		}
		if found, err := f.Find(Pattern{Text: near[0]}); err != nil || len(found) == 0 {
			t.Errorf("%q is offered but finds %v, %v", near[0], found, err)
		}
	}
	f := open(t, cProgram(t))
	if near := f.Near("zzzzzzzzzzzz", 3); near != nil {
		t.Errorf("zzzzzzzzzzzz is near %q", near)
	}
	if near := f.Near("", 3); near != nil {
		t.Errorf("nothing is near %q", near)
	}
}

func TestClonesAreNearTheFunction(t *testing.T) {
	f := open(t, fixture.Build(t, "c/clone.c"))
	found, err := f.Find(Pattern{Text: "scale"})
	if err != nil || len(found) != 0 {
		t.Fatalf("scale: %v, %v: the compiler left a plain copy", found, err)
	}
	near := f.Near("scale", 5)
	if len(near) == 0 {
		t.Fatal("nothing is near scale")
	}
	clones, err := f.Find(Pattern{Text: near[0]})
	if err != nil || len(clones) == 0 {
		t.Fatalf("%q: %v, %v", near[0], clones, err)
	}
	if of, suffix := f.Clone(clones[0]); of != "scale" || suffix == "" {
		t.Errorf("%s is a clone of %q", clones[0].Name, of)
	}
}

func TestClonesBesideAFunctionAreTold(t *testing.T) {
	f := open(t, fixture.Build(t, "c/clone_beside.c"))
	found, err := f.Find(Pattern{Text: "scale"})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	clones := f.Clones(found[0])
	if len(clones) != 1 {
		t.Fatalf("clones %v", clones)
	}
	if of, suffix := f.Clone(clones[0]); of != "scale" || suffix != ".constprop.0" {
		t.Errorf("%s is %q%q", clones[0].Name, of, suffix)
	}
	all, err := f.Find(Pattern{Text: "scale*"})
	if err != nil || len(all) != 2 {
		t.Errorf("scale* finds %v, %v", all, err)
	}
	if main, _ := f.Find(Pattern{Text: "main"}); f.Clones(main[0]) != nil {
		t.Errorf("main has clones %v", f.Clones(main[0]))
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"malloc", "malloc", 0}, {"mallc", "malloc", 1}, {"mlaloc", "malloc", 1}, {"calloc", "malloc", 1}, {"free", "malloc", 4}, {"", "abc", 3},
	} {
		if got := edits(c.a, c.b, 3); got != c.want {
			t.Errorf("%q, %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestLargeTablesAreFast(t *testing.T) {
	for _, path := range system() {
		start := time.Now()
		f := open(t, path)
		count := len(f.Functions())
		if _, err := f.Find(Pattern{Text: "*alloc*"}); err != nil {
			t.Fatal(err)
		}
		for i := range f.Functions() {
			f.Display(&f.functions[i])
		}
		if near := f.Near("mallokk", 3); !slices.IsSorted(near) && len(near) > 3 {
			t.Error(near)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s: %d functions took %v", path, count, took)
		}
	}
}
