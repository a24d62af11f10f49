package symbol

import (
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

// named is one name at one address.
type named struct {
	addr uint64
	name string
}

// versionNumber is what readelf puts behind name@VERSION.
var versionNumber = regexp.MustCompile(` \(\d+\)$`)

// readelfSymbols gives the functions that readelf -Ws lists, and the global labels in code.
func readelfSymbols(t *testing.T, path string) (functions, labels map[named]bool) {
	t.Helper()
	fixture.Need(t, "readelf")
	out, err := exec.Command("readelf", "-Ws", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	functions, labels = map[named]bool{}, map[named]bool{}
	for _, line := range strings.Split(string(out), "\n") {
		// Num: Value Size Type Bind Vis Ndx Name
		line = strings.Replace(line, "<OS specific>: 10", "IFUNC", 1) // in a file that strip marked as plain System V
		columns := strings.Fields(line)
		if len(columns) < 8 || columns[6] == "UND" || columns[6] == "ABS" {
			continue
		}
		addr, err := strconv.ParseUint(columns[1], 16, 64)
		if err != nil {
			continue
		}
		name := strings.Join(columns[7:], " ") // Go's names have spaces
		name, _, _ = splitVersion(versionNumber.ReplaceAllString(name, ""))
		switch columns[3] {
		case "FUNC", "IFUNC":
			functions[named{addr, name}] = true
		case "NOTYPE":
			labels[named{addr, name}] = true
		}
	}
	return functions, labels
}

// ownSymbols gives the same of Functions.
func ownSymbols(f *File) map[named]bool {
	all := map[named]bool{}
	for _, fn := range f.Functions() {
		for _, name := range append([]string{fn.Name}, fn.Aliases...) {
			name, _, _ = splitVersion(name)
			all[named{uint64(fn.Addr), name}] = true
		}
	}
	return all
}

func open(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func inFixtures(name string) string { return filepath.Join(fixture.Dir(), name) }

// programs are the own programs that the tables are held against.
func programs(t *testing.T) map[string]string {
	return map[string]string{
		"c":             fixture.Build(t, "c/symbols.c", inFixtures("c/symbols_more.c")),
		"c, no PIE":     fixture.Build(t, "c/symbols.c", inFixtures("c/symbols_more.c"), "-no-pie"),
		"c, static":     fixture.Build(t, "c/symbols.c", inFixtures("c/symbols_more.c"), "-static"),
		"c, static PIE": fixture.Build(t, "c/symbols.c", inFixtures("c/symbols_more.c"), "-static-pie"),
		"c, stripped":   fixture.Build(t, "c/symbols.c", inFixtures("c/symbols_more.c"), "-s", "-rdynamic"),
		"c, library":    fixture.Build(t, "c/versions.c", "-shared", "-fPIC", "-Wl,--version-script="+inFixtures("c/versions.map")),
		"c++":           fixture.Build(t, "cc/symbols.cc"),
		"c++, stripped": fixture.Build(t, "cc/symbols.cc", "-s", "-rdynamic"),
		"rust":          fixture.Build(t, "rust/symbols.rs"),
		"rust v0":       fixture.Build(t, "rust/symbols.rs", "-Csymbol-mangling-version=v0"),
		"go":            fixture.Build(t, "go/symbols"),
		"go, PIE":       fixture.Build(t, "go/symbols", "-buildmode=pie"),
		"go, external":  fixture.Build(t, "go/symbols", "-buildmode=pie", "-ldflags=-linkmode=external"),
	}
}

// system are large files of the machine, used where they are installed.
func system() []string {
	var found []string
	for _, pattern := range []string{
		"/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/lib/postgresql/15/bin/postgres",
		"/usr/local/go/bin/go", "/usr/lib64/ld-linux-x86-64.so.2",
	} {
		if paths, err := filepath.Glob(pattern); err == nil {
			found = append(found, paths...)
		}
	}
	return found
}

func TestFunctionsAreThoseOfReadelf(t *testing.T) {
	paths := programs(t)
	for _, path := range system() {
		paths[path] = path
	}
	for name, path := range paths {
		t.Run(name, func(t *testing.T) {
			want, labels := readelfSymbols(t, path)
			f := open(t, path)
			if problems := f.Problems(); len(problems) > 0 {
				t.Error(problems)
			}
			got := ownSymbols(f)
			if d := f.separate(); f.Stripped() && d != nil {
				more, _ := readelfSymbols(t, d.Path())
				maps.Copy(want, more)
			}
			for s := range want {
				if !got[s] && !f.marker(entry{name: s.name}) {
					t.Errorf("%#x %s is missing", s.addr, s.name)
				}
			}
			for s := range got {
				if !want[s] && !labels[s] {
					t.Errorf("%#x %s is not in readelf's list", s.addr, s.name)
				}
			}
			if len(want) == 0 {
				t.Error("readelf lists nothing")
			}
		})
	}
}
