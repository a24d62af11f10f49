package symbol

import (
	"fmt"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestAFileWithoutSectionHeadersKeepsItsExportedFunctions(t *testing.T) {
	library := []string{"-shared", "-fPIC", "-s", "-Wl,--version-script=" + inFixtures("c/versions.map")}
	for name, path := range map[string]string{
		"GNU hash": fixture.Build(t, "c/versions.c", append(library, "-Wl,--hash-style=gnu")...),
		"hash":     fixture.Build(t, "c/versions.c", append(library, "-Wl,--hash-style=sysv")...),
		"program":  cProgram(t, "-s", "-rdynamic"),
	} {
		// e_shoff, then e_shentsize, e_shnum and e_shstrndx.
		bare := changed(t, path, 40, make([]byte, 8)...)
		bare = changed(t, bare, 58, make([]byte, 6)...)
		with, without := open(t, path), open(t, bare)
		if len(without.ELF().Sections) != 0 || len(with.ELF().Sections) == 0 {
			t.Fatal("sections were not taken away")
		}
		tell := func(f *File) (all []string) {
			for _, fn := range f.Functions() {
				all = append(all, fmt.Sprint(fn.Addr, fn.Size, fn.Name, fn.Aliases, fn.Version, fn.OldVersion, fn.IFunc))
			}
			return all
		}
		if got, want := fmt.Sprint(tell(without)), fmt.Sprint(tell(with)); got != want || len(with.Functions()) == 0 {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
}

func TestAnAddressOutsideOfSymbolsIsInAFrame(t *testing.T) {
	whole, bare := open(t, cProgram(t)), open(t, cProgram(t, "-s"))
	for _, name := range []string{"helper", "checked", "main"} {
		found, err := whole.Find(Pattern{Text: name})
		if err != nil || len(found) == 0 {
			t.Fatal(name, err)
		}
		for _, want := range found {
			fn, offset, ok := bare.Enclosing(want.Addr + 3)
			if !ok || fn.Addr != want.Addr || fn.Size != want.Size || offset != 3 || fn.Name != want.Addr.String() {
				t.Errorf("%s: %+v, %d, %v", name, fn, offset, ok)
			}
			if same, _, ok := whole.Enclosing(want.Addr + 3); !ok || same != want {
				t.Errorf("%s: %+v although there is a symbol", name, same)
			}
		}
	}
	if fn, _, ok := bare.Enclosing(0x40); ok {
		t.Errorf("the file's header is in %+v", fn)
	}
}
