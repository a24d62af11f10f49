package symbol

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

// run starts a tool and fails the test when it does.
func run(t testing.TB, argv ...string) {
	t.Helper()
	fixture.Need(t, argv[0])
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

// split gives a stripped copy of a program and its debug file, both in a new folder.
func split(t testing.TB, program string) (stripped, debug string) {
	t.Helper()
	dir := t.TempDir()
	stripped, debug = filepath.Join(dir, "program"), filepath.Join(dir, "program.debug")
	run(t, "objcopy", "--only-keep-debug", program, debug)
	run(t, "objcopy", "--strip-all", program, stripped)
	return stripped, debug
}

// holdsAll fails unless the stripped copy has the functions of the whole program.
func holdsAll(t *testing.T, stripped, program, source string) *File {
	t.Helper()
	f := open(t, stripped)
	want, _ := readelfSymbols(t, program)
	got := ownSymbols(f)
	for s := range want {
		if !got[s] {
			t.Errorf("%#x %s is missing", s.addr, s.name)
		}
	}
	found, err := f.Find(Pattern{Text: "helper"})
	if err != nil || len(found) != 2 || found[0].Source != source {
		t.Errorf("helper: %v, %v", found, err)
	}
	if problems := f.Problems(); len(problems) > 0 {
		t.Error(problems)
	}
	return f
}

func TestADebugLinkIsFollowed(t *testing.T) {
	program := cProgram(t)
	for _, place := range []string{"program.debug", ".debug/program.debug"} {
		stripped, debug := split(t, program)
		run(t, "objcopy", "--remove-section=.note.gnu.build-id", stripped)
		run(t, "objcopy", "--add-gnu-debuglink="+debug, stripped)
		moved := filepath.Join(filepath.Dir(stripped), place)
		if err := os.MkdirAll(filepath.Dir(moved), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(debug, moved); err != nil {
			t.Fatal(err)
		}
		f := holdsAll(t, stripped, program, fromDebugFile)
		if d := f.Debug(); d == nil || !d.Separate() || d.Path() != moved {
			t.Errorf("%s: debug file %+v", place, d)
		}
	}
}

func TestADebugFileOfAnotherBuildIsPassedOver(t *testing.T) {
	stripped, debug := split(t, cProgram(t))
	run(t, "objcopy", "--remove-section=.note.gnu.build-id", stripped)
	run(t, "objcopy", "--add-gnu-debuglink="+debug, stripped)
	other, err := os.OpenFile(debug, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	other.WriteString("x")
	other.Close()
	if d := open(t, stripped).Debug(); d != nil {
		t.Errorf("%s was taken although its checksum is another", d.Path())
	}
}

func TestADebugFileIsFoundByItsBuildID(t *testing.T) {
	program := cProgram(t)
	stripped, debug := split(t, program)
	cache := t.TempDir()
	t.Setenv("DEBUGINFOD_CACHE_PATH", cache)
	kept := filepath.Join(cache, open(t, program).BuildID(), "debuginfo")
	if err := os.Mkdir(filepath.Dir(kept), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(debug, kept); err != nil {
		t.Fatal(err)
	}
	if d := holdsAll(t, stripped, program, fromDebugFile).Debug(); d == nil || d.Path() != kept {
		t.Errorf("debug file %+v", d)
	}
	contents, err := open(t, stripped).Debug().Contents(".debug_info")
	if err != nil || len(contents) == 0 {
		t.Errorf("%d bytes of .debug_info, %v", len(contents), err)
	}
}

func TestAProgramWithDebugInformationIsItsOwnDebugFile(t *testing.T) {
	path := cProgram(t)
	f := open(t, path)
	if d := f.Debug(); d == nil || d.Separate() || d.Path() != path {
		t.Errorf("got %+v", d)
	}
	if d := open(t, cProgram(t, "-s")).Debug(); d != nil {
		t.Errorf("a stripped program has %+v", d)
	}
}

func TestMiniDebugInformationIsRead(t *testing.T) {
	program := cProgram(t)
	for _, option := range []string{"-6", "-9e", "--check=none", "--check=sha256", "--block-size=4096"} {
		stripped, _ := split(t, program)
		packed := packSymbols(t, program, option)
		run(t, "objcopy", "--add-section=.gnu_debugdata="+packed, stripped)
		holdsAll(t, stripped, program, fromMiniDebug)
	}
}

// packSymbols does what Fedora's find-debuginfo does: a copy of the program with nothing but symbols, compressed.
func packSymbols(t testing.TB, program, option string) string {
	t.Helper()
	symbols := filepath.Join(t.TempDir(), "symbols")
	run(t, "objcopy", "--strip-debug", "--remove-section=.comment", program, symbols)
	run(t, "xz", option, symbols)
	return symbols + ".xz"
}

func TestUnpackIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zeros")
	if err := os.WriteFile(path, make([]byte, 8<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "xz", "-k", path)
	packed, err := os.ReadFile(path + ".xz")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := unpackXZ(packed, 8<<20); err != nil || len(data) != 8<<20 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, err := unpackXZ(packed, 8<<20-1); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
	for _, bad := range [][]byte{nil, packed[:5], packed[:20], packed[:len(packed)/2], bytes.Replace(packed, []byte{0x21, 1}, []byte{0x04, 1}, 1)} {
		if _, err := unpackXZ(bad, 8<<20); err == nil {
			t.Errorf("%d bytes were taken for a stream", len(bad))
		}
	}
}

func TestCompressedSectionsAreReadAndBounded(t *testing.T) {
	path := fixture.Build(t, "c/symbols.c", inFixtures("c/symbols_more.c"), "-gz=zlib")
	plain, err := open(t, cProgram(t)).Debug().Contents(".debug_info")
	if err != nil {
		t.Fatal(err)
	}
	got, err := open(t, path).Debug().Contents(".debug_info")
	if err != nil || len(got) != len(plain) {
		t.Errorf("%d bytes, want %d, %v", len(got), len(plain), err)
	}
	bomb := []byte{1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x3f, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x78, 0x9c}
	if _, err := inflate(bomb, maxSection); err == nil {
		t.Error("26 bytes grew to a gigabyte")
	}
}

func TestTheOwnerOfAFileNamesItsDebugPackage(t *testing.T) {
	dir := t.TempDir()
	f := open(t, cProgram(t))
	list := "/.\n/usr\n" + f.Path() + "\n"
	if err := os.WriteFile(filepath.Join(dir, "shop:amd64.list"), []byte(list), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := f.owner(dir); got != "shop" {
		t.Errorf("owner %q", got)
	}
	if got := f.owner(filepath.Join(dir, "none")); got != "" {
		t.Errorf("owner %q", got)
	}
	p := DebugPackage{BuildID: "abc", Debug: "shop-dbgsym"}
	if hints := strings.Join(p.Hints(), "\n"); !strings.Contains(hints, "package shop-dbgsym") || !strings.Contains(hints, "DEBUGINFOD_URLS=") {
		t.Errorf("hints %q", hints)
	}
	if hints := (DebugPackage{BuildID: "abc"}).Hints(); len(hints) != 1 || !strings.HasPrefix(hints[0], "debug information: ") {
		t.Errorf("hints %q", hints)
	}
	p.Servers = []string{"https://example.org"}
	if hints := strings.Join(p.Hints(), "\n"); strings.Contains(hints, "DEBUGINFOD_URLS=") || !strings.Contains(hints, "debuginfod-find debuginfo abc") {
		t.Errorf("hints %q", hints)
	}
}
