package symbol

import (
	"debug/dwarf"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

// goBuilds are the ways to link a Go program that move its text or its tables.
var goBuilds = map[string][]string{
	"plain":             nil,
	"PIE":               {"-buildmode=pie"},
	"external":          {"-ldflags=-linkmode=external"},
	"external PIE":      {"-buildmode=pie", "-ldflags=-linkmode=external"},
	"shared C library":  {"-buildmode=c-shared"},
	"without optimizer": {"-gcflags=-N -l"},
}

// stripped gives the flags that build the same without symbol table.
func stripped(flags []string) []string {
	flags = slices.Clone(flags)
	for i, flag := range flags {
		if strings.HasPrefix(flag, "-ldflags=") {
			flags[i] = flag + " -s -w"
			return flags
		}
	}
	return append(flags, "-ldflags=-s -w")
}

func TestAStrippedGoProgramHasTheFunctionsOfTheUnstripped(t *testing.T) {
	for name, flags := range goBuilds {
		t.Run(name, func(t *testing.T) {
			whole := open(t, fixture.Build(t, "go/symbols", flags...))
			bare := open(t, fixture.Build(t, "go/symbols", stripped(flags)...))
			if whole.Stripped() || !bare.Stripped() {
				t.Fatal("nothing was stripped")
			}
			if problems := bare.Problems(); len(problems) > 0 {
				t.Fatal(problems)
			}
			from, to, ok := whole.goText()
			if !ok {
				t.Fatal("no text")
			}
			want, got := map[named]uint64{}, map[named]uint64{}
			for _, fn := range whole.Functions() {
				if fn.Addr >= from && fn.Addr < to {
					want[named{uint64(fn.Addr - from), strings.TrimSuffix(fn.Name, ".abi0")}] = fn.Size
				}
			}
			from, to, _ = bare.goText()
			for _, fn := range bare.Functions() {
				if fn.Addr >= from && fn.Addr < to {
					got[named{uint64(fn.Addr - from), fn.Name}] = fn.Size
				}
			}
			for s, size := range want {
				if found, ok := got[s]; !ok {
					t.Errorf("+%#x %s is missing", s.addr, s.name)
				} else if found != size {
					t.Errorf("+%#x %s has %d bytes, want %d", s.addr, s.name, found, size)
				}
			}
			for s := range got {
				if _, ok := want[s]; !ok {
					t.Errorf("+%#x %s is in no symbol table", s.addr, s.name)
				}
			}
			if len(want) < 1000 {
				t.Errorf("only %d functions", len(want))
			}
		})
	}
}

func TestEveryWayToTheTextStartAgrees(t *testing.T) {
	for name, flags := range goBuilds {
		f := open(t, fixture.Build(t, "go/symbols", flags...))
		t1 := f.pclntab()
		if t1 == nil {
			t.Fatalf("%s: %v", name, f.pclnProblem)
		}
		table := f.image.pclntabSection().Addr
		for way, text := range map[string]uint64{
			"module": f.textOfModule(t1, table), "scan": f.textOfScan(t1, table), "symbol": f.textOfSymbol(t1, table),
		} {
			if text != t1.text {
				t.Errorf("%s: %s gives %#x, want %#x", name, way, text, t1.text)
			}
		}
	}
}

func TestGoLineIsThatOfTheSource(t *testing.T) {
	f := open(t, fixture.Build(t, "go/symbols", "-ldflags=-s -w"))
	found, err := f.Find(Pattern{Text: "main.(*Store).Put"})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	file, line, ok := f.GoLine(found[0].Addr)
	if want := sourceLine(t, "go/symbols/main.go", "func (s *Store) Put"); !ok || !strings.HasSuffix(file, "go/symbols/main.go") || line != want {
		t.Errorf("%s:%d, want line %d", file, line, want)
	}
	info, ok := f.GoFunction(found[0])
	if !ok || info.DeferReturn == 0 || info.DeferReturn >= found[0].Size || info.Assembly || info.StartLine != line {
		t.Errorf("got %+v", info)
	}
	assembly, _ := f.Find(Pattern{Text: "runtime.memmove"})
	if info, ok := f.GoFunction(assembly[0]); !ok || !info.Assembly || info.DeferReturn != 0 {
		t.Errorf("runtime.memmove: %+v", info)
	}
}

func TestGoLinesFindWhatGoLineTells(t *testing.T) {
	f := open(t, fixture.Build(t, "go/symbols", "-ldflags=-s -w"))
	put := sourceLine(t, "go/symbols/main.go", "s.m[k] = v")
	for _, file := range []string{"main.go", "symbols/main.go", inFixtures("go/symbols/main.go")} {
		addrs := f.GoLines(file, put)
		if len(addrs) != 1 {
			t.Errorf("%s:%d is at %v", file, put, addrs)
			continue
		}
		fn, _, ok := f.At(addrs[0])
		if _, line, told := f.GoLine(addrs[0]); !ok || fn.Name != "main.(*Store).Put" || !told || line != put {
			t.Errorf("%s:%d is at %v, in %v, line %d", file, put, addrs[0], fn, line)
		}
	}
	for _, c := range []struct {
		file string
		line int
	}{{"ain.go", put}, {"main.go", 100000}, {"", put}, {"main.go", 0}} {
		if addrs := f.GoLines(c.file, c.line); addrs != nil {
			t.Errorf("%s:%d is at %v", c.file, c.line, addrs)
		}
	}
}

// sourceLine gives the number of the first line of a fixture that has a text.
func sourceLine(t *testing.T, source, text string) int {
	t.Helper()
	data, err := os.ReadFile(inFixtures(source))
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(data), text)
	if !found {
		t.Fatalf("%s has no %q", source, text)
	}
	return 1 + strings.Count(before, "\n")
}

func TestGoVersionAndModulesAreThoseOfTheToolchain(t *testing.T) {
	f := open(t, fixture.Build(t, "go/symbols", "-ldflags=-s -w"))
	if v := f.GoVersion(); !strings.HasPrefix(v, "go1.") {
		t.Errorf("version %q", v)
	}
	if m := f.GoModules(); !strings.Contains(m, "path\texample.com/shop/symbols\n") {
		t.Errorf("modules %q", m)
	}
	if v := open(t, cProgram(t)).GoVersion(); v != "" {
		t.Errorf("a C program has Go version %q", v)
	}
}

func TestGoidIsWhereTheDebugInformationHasIt(t *testing.T) {
	f := open(t, fixture.Build(t, "go/symbols"))
	data, err := f.ELF().DWARF()
	if err != nil {
		t.Fatal(err)
	}
	want := int64(-1)
	for r := data.Reader(); want < 0; {
		entry, err := r.Next()
		if err != nil || entry == nil {
			t.Fatal("no runtime.g", err)
		}
		if name, _ := entry.Val(dwarf.AttrName).(string); entry.Tag != dwarf.TagStructType || name != "runtime.g" {
			continue
		}
		g, err := data.Type(entry.Offset)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range g.(*dwarf.StructType).Field {
			if field.Name == "goid" {
				want = field.ByteOffset
			}
		}
	}
	if got, ok := f.GoidOffset(); !ok || got != want {
		t.Errorf("offset %d, want %d", got, want)
	}
}

func TestGoReleases(t *testing.T) {
	for version, want := range map[string]int{"go1.26.8": 26, "go1.9": 9, "go1.26rc1": 26, "devel go1.27-abc Mon": 27, "": 0, "gccgo": 0, "go2.1": 0} {
		if got := goMinor(version); got != want {
			t.Errorf("%q: %d, want %d", version, got, want)
		}
	}
}
