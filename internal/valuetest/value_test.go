package valuetest_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/render"
	"github.com/sonde-project/sonde/internal/valuetest"
)

var update = flag.Bool("update", false, "write testdata and docs/values.md anew")

// build is a way to compile a fixture.
type build struct {
	name  string
	flags []string
}

// seen is a call as it came out of a trace.
type seen struct{ text, json string }

// table holds the calls of a fixture, built in several ways, against what its source says.
func table(t *testing.T, source string, builds []build, options ...sonde.RunOption) {
	fixture.Libraries(t, false)
	fixture.NeedRoot(t)
	text, err := os.ReadFile(filepath.Join(fixture.Dir(), "valuetable", source))
	if err != nil {
		t.Fatal(err)
	}
	rows := valuetest.Rows(string(text))
	objects := &golden{path: filepath.Join("testdata", strings.TrimSuffix(strings.TrimSuffix(source, "/main.go"), filepath.Ext(source))+".json")}
	objects.load(t)
	for _, b := range builds {
		t.Run(b.name, func(t *testing.T) {
			program := fixture.Build(t, compiled(source), b.flags...)
			calls := trace(t, program, rows, options...)
			for i := range rows {
				row := &rows[i]
				got, ok := next(calls, valuetest.FunctionOf(row.In(b.name)))
				if !ok {
					t.Errorf("%s: no call\nwant %s", row.Title, row.In(b.name))
					continue
				}
				if want := row.In(b.name); got.text != want {
					t.Errorf("%s:\n got %s\nwant %s", row.Title, got.text, want)
				}
				if got.text == row.Text {
					objects.check(t, i, row, got.json)
				}
			}
			for name, left := range calls {
				for _, c := range left {
					t.Errorf("%s: a call too many: %s", name, c.text)
				}
			}
		})
	}
	objects.save(t, rows)
}

// compiled is what the compiler takes: a file, or the folder of a Go program.
func compiled(source string) string {
	if filepath.Ext(source) == ".go" {
		source = filepath.Dir(source)
	}
	return filepath.Join("valuetable", source)
}

// next takes the next call of a function.
func next(calls map[string][]seen, function string) (seen, bool) {
	list := calls[function]
	if len(list) == 0 {
		return seen{}, false
	}
	calls[function] = list[1:]
	return list[0], true
}

// trace runs the program and gives its calls by function, in order.
func trace(t *testing.T, program string, rows []valuetest.Row, options ...sonde.RunOption) map[string][]seen {
	t.Helper()
	target, err := sonde.Open(sonde.File(program), sonde.Command(program))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	var probes []string
	for _, row := range rows {
		if probe := row.Probe; !strings.Contains(strings.Join(probes, "\n")+"\n", probe+"\n") {
			probes = append(probes, probe)
		}
	}
	session, err := target.Trace(t.Context(), probes[0], append(options, sonde.Also(probes[1:]...))...)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string][]seen{}
	for call := range session.Calls() {
		s := seen{line(t, call), object(t, call)}
		name := call.Function
		if call.Language == event.LangC {
			name, _, _ = strings.Cut(name, ".") // of a copy
			s.text = name + s.text[len(call.Function):]
		}
		if call.Language == event.LangCPP {
			name = valuetest.FunctionOf(s.text)
		}
		calls[name] = append(calls[name], s)
	}
	if err := session.Err(); err != nil {
		t.Fatal(err)
	}
	if status, ok := session.ExitStatus(); !ok || status != 0 {
		t.Errorf("the program ended with %d", status)
	}
	return calls
}

var (
	duration = regexp.MustCompile(` <[0-9.]+(ns|us|µs|ms|s)>\n$`)
	address  = regexp.MustCompile(`0x[0-9a-f]{8,16}\b`)
	repeated = regexp.MustCompile(`a{20,}`)
)

// line is the call as trace prints it, without what differs from run to run.
func line(t *testing.T, call *event.Call) string {
	t.Helper()
	var b bytes.Buffer
	stream, err := render.New(render.Text, &b, render.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := *call
	c.Depth = 0
	if err := stream.Event(&c); err != nil {
		t.Fatal(err)
	}
	if err := stream.Flush(); err != nil {
		t.Fatal(err)
	}
	return steady(duration.ReplaceAllString(b.String(), ""))
}

// steady takes out addresses, and writes a long run of letters short.
func steady(text string) string {
	return repeated.ReplaceAllString(address.ReplaceAllString(text, "0x..."), "aaaaaaaaaa*")
}

// object is what the call's JSON says of its values.
func object(t *testing.T, call *event.Call) string {
	t.Helper()
	text, err := json.Marshal(call)
	if err != nil {
		t.Fatal(err)
	}
	var members struct {
		Args      json.RawMessage `json:"args"`
		Return    json.RawMessage `json:"return,omitempty"`
		Errno     string          `json:"errno,omitempty"`
		Goroutine int             `json:"goroutine,omitempty"`
	}
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(members); err != nil {
		t.Fatal(err)
	}
	return steady(strings.TrimSpace(b.String()))
}

// golden is the JSON of the rows, a line each.
type golden struct {
	path  string
	lines []string
}

func (g *golden) load(t *testing.T) {
	t.Helper()
	if *update {
		return
	}
	text, err := os.ReadFile(g.path)
	if err != nil {
		t.Fatal(err)
	}
	g.lines = strings.Split(strings.TrimSpace(string(text)), "\n")
}

// check holds a row's JSON against the file, or against the first build when the file is written anew.
func (g *golden) check(t *testing.T, i int, row *valuetest.Row, object string) {
	t.Helper()
	got := fmt.Sprintf("%s %s", row.Function, object)
	for len(g.lines) <= i {
		g.lines = append(g.lines, "")
	}
	if *update && g.lines[i] == "" {
		g.lines[i] = got
	}
	if g.lines[i] != got {
		t.Errorf("%s:\n got %s\nwant %s", row.Title, got, g.lines[i])
	}
}

func (g *golden) save(t *testing.T, rows []valuetest.Row) {
	t.Helper()
	if !*update {
		return
	}
	if err := os.WriteFile(g.path, []byte(strings.Join(g.lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEveryValueOfCPrintsAsItsSourceSays(t *testing.T) {
	table(t, "c.c", []build{
		{"gcc-O0", []string{"-O0"}},
		{"gcc-O2", []string{"-O2"}},
		{"clang-O0", []string{"CC=clang", "-O0"}},
		{"clang-O2", []string{"CC=clang", "-O2"}},
		{"gcc-O0-split", []string{"-O0", "-gsplit-dwarf"}},
		{"gcc-O2-split4", []string{"-O2", "-gsplit-dwarf", "-gdwarf-4"}},
		{"clang-O2-split", []string{"CC=clang", "-O2", "-gsplit-dwarf"}},
	})
}

func TestEveryValueOfGoPrintsAsItsSourceSays(t *testing.T) {
	table(t, "go/main.go", []build{
		{"go", nil},
		{"go-N", []string{"-gcflags=all=-N -l"}},
		{"go1.21", []string{"GO=go1.21.13"}},
		{"go1.21-N", []string{"GO=go1.21.13", "-gcflags=all=-N -l"}},
	})
}

func TestRegistersAndGuessesAreAllThatIsShownOfStrippedGo(t *testing.T) {
	table(t, "stripped/main.go", []build{
		{"go", []string{"-ldflags=-s -w"}},
		{"go-N", []string{"-ldflags=-s -w", "-gcflags=all=-N -l"}},
		{"go-pie", []string{"-ldflags=-s -w", "-buildmode=pie"}},
	})
}

func TestEveryValueOfRustPrintsAsItsSourceSays(t *testing.T) {
	table(t, "rust.rs", []build{
		{"rustc-O", nil},
		{"rustc-debug", []string{"-Copt-level=0"}},
		{"rustc-v0", []string{"-Csymbol-mangling-version=v0"}},
		{"rustc-O-split", []string{"-Csplit-debuginfo=unpacked"}},
	})
}

func TestEveryValueOfCPPPrintsAsItsSourceSays(t *testing.T) {
	const std = "-std=c++17"
	table(t, "cpp.cc", []build{
		{"gcc-O0", []string{std, "-O0"}},
		{"gcc-O2", []string{std}},
		{"gcc-oldstring", []string{std, "-D_GLIBCXX_USE_CXX11_ABI=0"}},
		{"clang-O0", []string{"CC=clang++", std, "-O0", "-fstandalone-debug"}},
		{"clang-O2", []string{"CC=clang++", std}},
		{"libcxx-O0", []string{"CC=clang++", std, "-stdlib=libc++", "-O0"}},
		{"libcxx-O2", []string{"CC=clang++", std, "-stdlib=libc++"}},
		{"gcc-O0-split", []string{std, "-O0", "-gsplit-dwarf"}},
		{"clang-O0-split", []string{"CC=clang++", std, "-O0", "-fstandalone-debug", "-gsplit-dwarf", "-gdwarf-4"}},
		{"libcxx-O2-split", []string{"CC=clang++", std, "-stdlib=libc++", "-gsplit-dwarf"}},
	})
}

func TestTheNamesOfCPPTellTheTypesWhereThereIsNoDebugInformation(t *testing.T) {
	const std = "-std=c++17"
	table(t, "bare.cc", []build{
		{"gcc-O0", []string{std, "-g0", "-O0"}},
		{"gcc-O2", []string{std, "-g0"}},
		{"gcc-oldstring", []string{std, "-g0", "-D_GLIBCXX_USE_CXX11_ABI=0"}},
		{"clang-O0", []string{"CC=clang++", std, "-g0", "-O0"}},
		{"clang-O2", []string{"CC=clang++", std, "-g0"}},
		{"libcxx-O0", []string{"CC=clang++", std, "-g0", "-stdlib=libc++", "-O0"}},
		{"libcxx-O2", []string{"CC=clang++", std, "-g0", "-stdlib=libc++"}},
	})
}
