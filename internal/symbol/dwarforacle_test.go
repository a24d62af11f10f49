package symbol

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
)

// describer is a script for gdb: it writes down the size and the members of types.
const describer = `
import gdb, json
out = {}
for name in json.load(open(%q)):
    try:
        t = gdb.lookup_type(name).strip_typedefs()
    except gdb.error as e:
        out[name] = None
        continue
    fields = []
    for f in t.fields():
        if f.artificial or not hasattr(f, "bitpos") or f.name and f.name.startswith("_vptr"): continue
        fields.append("%%s@%%d:%%d/%%d" %% ("" if f.is_base_class else f.name or "", f.bitpos, f.bitsize, f.type.sizeof if not f.bitsize else 0))
    out[name] = {"size": t.sizeof, "fields": fields}
json.dump(out, open(%q, "w"))
`

type described struct {
	Size   int64
	Fields []string
}

func describe(t *testing.T, program string, names []string) map[string]*described {
	t.Helper()
	fixture.Need(t, "gdb")
	dir := t.TempDir()
	in, out, script := filepath.Join(dir, "names"), filepath.Join(dir, "types"), filepath.Join(dir, "describe.py")
	text, _ := json.Marshal(names)
	for name, content := range map[string]string{in: string(text), script: fmt.Sprintf(describer, in, out)} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	output, err := exec.Command("gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-x", script, program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	result, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	var types map[string]*described
	if err := json.Unmarshal(result, &types); err != nil {
		t.Fatal(err)
	}
	return types
}

// TestTypesAreThoseOfGDB compares every structure that the fixtures' functions mention, and those within.
func TestTypesAreThoseOfGDB(t *testing.T) {
	for _, c := range []struct {
		source string
		flags  []string
		least  int
	}{
		{"abi/abi.c", []string{"-no-pie", "-w"}, 28},
		{"abi/abi.c", []string{"-no-pie", "-w", "-gdwarf-2", "-gstrict-dwarf"}, 28},
		{"abi/abi.c", []string{"CC=clang", "-no-pie", "-w", "-g", "-gdwarf-4"}, 28},
		{"abi/abi.cc", []string{"-no-pie", "-w"}, 20},
		{"abi/abi.cc", []string{"CC=clang++", "-no-pie", "-w", "-g", "-fstandalone-debug"}, 20},
	} {
		program := fixture.Build(t, c.source, c.flags...)
		f := open(t, program)
		types := structures(f)
		var names []string
		for name := range types {
			names = append(names, name)
		}
		compared := 0
		for name, want := range describe(t, program, names) {
			if want == nil {
				continue
			}
			compared++
			var fields []string
			for _, field := range types[name].Fields {
				bit, size := field.Offset*8, max(field.Type.Sizeof(), 0)
				if field.BitSize > 0 {
					bit, size = field.BitOffset, 0
				}
				fields = append(fields, fmt.Sprintf("%s@%d:%d/%d", field.Name, bit, field.BitSize, size))
			}
			if types[name].Size != want.Size || !slices.Equal(fields, want.Fields) {
				t.Errorf("%s %v: %s is %d bytes of %v, want %d of %v", c.source, c.flags, name, types[name].Size, fields, want.Size, want.Fields)
			}
		}
		if compared < c.least {
			t.Errorf("%s %v: %d types compared of %d, want %d", c.source, c.flags, compared, len(types), c.least)
		}
	}
}

// structures collects the structs and unions that signatures lead to, by name.
func structures(f *File) map[string]*ctype.Type {
	found := map[string]*ctype.Type{}
	seen := map[*ctype.Type]bool{}
	var visit func(*ctype.Type)
	visit = func(t *ctype.Type) {
		if t == nil || seen[t] {
			return
		}
		seen[t] = true
		if (t.Kind == ctype.Struct || t.Kind == ctype.Union) && t.Name != "" && !strings.Contains(t.Name, "{unnamed}") && !strings.HasSuffix(t.Name, "::*()") {
			found[t.Name] = t
		}
		if t.Kind == ctype.Typedef && t.Elem != nil && t.Elem.Name == "" && (t.Elem.Kind == ctype.Struct || t.Elem.Kind == ctype.Union) {
			found[t.Name] = t.Elem
		}
		visit(t.Elem)
		for i := range t.Fields {
			visit(t.Fields[i].Type)
		}
	}
	fns := f.Functions()
	for i := range fns {
		if sig, _ := f.Signature(&fns[i]); sig != nil {
			for _, p := range append(sig.Params, sig.Results...) {
				visit(p.Type)
			}
		}
	}
	return found
}

// addr2line gives, for each address, lines of "function" and "file:line", innermost first.
func addr2line(t *testing.T, program string, addrs []Addr) [][]string {
	t.Helper()
	fixture.Need(t, "addr2line")
	args := []string{"-a", "-i", "-f", "-C", "-e", program}
	for _, a := range addrs {
		args = append(args, a.String())
	}
	out, err := exec.Command("addr2line", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "0x") {
			all = append(all, nil)
			continue
		}
		line, _, _ = strings.Cut(line, " (discriminator")
		if unknown, ok := strings.CutSuffix(line, ":?"); ok {
			line = unknown + ":0"
		}
		all[len(all)-1] = append(all[len(all)-1], line)
	}
	return all
}

// TestLinesAndInlinedFramesAreThoseOfAddr2line asks about addresses all over programs and the C library.
func TestLinesAndInlinedFramesAreThoseOfAddr2line(t *testing.T) {
	for _, c := range []struct {
		program string
		least   int // addresses with inlined frames
	}{
		{fixture.Build(t, "abi/inlined.c", "-no-pie"), 5},
		{fixture.Build(t, "abi/inlined.c", "CC=clang", "-O2", "-g", "-no-pie", "-gdwarf-4"), 5},
		{fixture.Build(t, "abi/abi.cc", "-no-pie", "-w"), 50},
		{fixture.Build(t, "abi/abi.cc", "-no-pie", "-w", "-gdwarf-4"), 50},
		{fixture.Build(t, "abi/abi.rs", "-C", "relocation-model=static", "-C", "link-arg=-no-pie"), 50},
	} {
		f := open(t, c.program)
		addrs := someAddresses(f, 600)
		inlined := 0
		for i, want := range addr2line(t, c.program, addrs) {
			got := frames(f, addrs[i])
			if len(got) > 2 {
				inlined++
			}
			if !sameFrames(got, want) {
				t.Errorf("%s: %s is %v, want %v", filepath.Base(c.program), addrs[i], got, want)
			}
		}
		if inlined < c.least {
			t.Errorf("%s: %d addresses with inlined frames, want %d", filepath.Base(c.program), inlined, c.least)
		}
	}
}

// someAddresses picks addresses inside functions that have debug information.
func someAddresses(f *File, n int) []Addr {
	random := rand.New(rand.NewSource(1))
	var all []Addr
	fns := f.Functions()
	for i := range fns {
		if _, _, ok := f.Line(fns[i].Addr); !ok || fns[i].Size == 0 {
			continue
		}
		for range 8 {
			all = append(all, fns[i].Addr+Addr(random.Int63n(int64(fns[i].Size))))
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = all[:min(n, len(all))]
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return all
}

// frames says what addr2line says.
func frames(f *File, addr Addr) []string {
	var lines []string
	for _, frame := range f.Inlines(addr) {
		lines = append(lines, frame.Function, fmt.Sprintf("%s:%d", frame.File, frame.Line))
	}
	if lines == nil {
		file, line, _ := f.Line(addr)
		lines = []string{"", fmt.Sprintf("%s:%d", file, line)}
	}
	return lines
}

// sameFrames compares the depth and the places; names are written differently where templates are.
func sameFrames(got, want []string) bool {
	if strings.HasSuffix(want[1], ":0") {
		return strings.HasSuffix(got[1], ":0")
	}
	if len(got) != len(want) {
		return false
	}
	for i := 1; i < len(got); i += 2 {
		if filepath.Clean(got[i]) != filepath.Clean(want[i]) {
			return false
		}
	}
	return true
}

func TestInlinedInstancesAreFoundByName(t *testing.T) {
	call := sourceLine(t, "abi/inlined.c", "int r = nested(a)")
	for _, flags := range [][]string{{"-no-pie"}, {"CC=clang", "-O2", "-g", "-no-pie"}} {
		f := open(t, fixture.Build(t, "abi/inlined.c", flags...))
		var callers []string
		for _, s := range f.Inlined("nested") {
			callers = append(callers, s.Caller)
			fn, _, ok := f.At(s.Addr)
			if !ok || fn.Name != s.Caller && s.Caller != "main" || s.Name != "nested" {
				t.Errorf("%v: %+v lies in %v", flags, s, fn)
			}
			if s.Caller == "work" && (s.Line != call || !strings.HasSuffix(s.File, "inlined.c")) {
				t.Errorf("%v: the call in work is at %s:%d, want line %d", flags, s.File, s.Line, call)
			}
		}
		sort.Strings(callers)
		if callers = slices.Compact(callers); !slices.Contains(callers, "more") || flags[0] == "-no-pie" && !slices.Contains(callers, "work") {
			t.Errorf("%v: nested is inlined in %v", flags, callers)
		}
		if found := f.Inlined("work"); found != nil {
			t.Errorf("%v: work is inlined at %v", flags, found)
		}
	}
	f := open(t, fixture.Build(t, "abi/goabi"))
	if found := f.Inlined("main.small"); len(found) != 1 || found[0].Caller != "main.Several" {
		t.Errorf("main.small is inlined at %+v", found)
	}
	f = open(t, fixture.Build(t, "abi/abi.cc", "-no-pie", "-w"))
	for _, name := range []string{"std::vector<int, std::allocator<int> >::~vector", "std::vector<int, std::allocator<int> >::~vector()", "use"} {
		if found := f.Inlined(name); len(found) == 0 {
			t.Errorf("%s is inlined nowhere", name)
		}
	}
}

func TestALineIsProbedOnceInEveryCopyOfItsCode(t *testing.T) {
	f := open(t, fixture.Build(t, "abi/inlined.c", "-no-pie"))
	// The body of nested is inlined into work and more; the line of a statement outside it is there once.
	body := f.Lines("inlined.c", sourceLine(t, "abi/inlined.c", "int s = square(v + 1)"))
	var owners []string
	for _, a := range body {
		if fn, _, ok := f.At(a); ok {
			owners = append(owners, fn.Name)
		}
	}
	sort.Strings(owners)
	if owners = slices.Compact(owners); !slices.Equal(owners, []string{"more", "work"}) && !slices.Equal(owners, []string{"main", "more", "work"}) {
		t.Errorf("the body is at %v, in %v", body, owners)
	}
	large := sourceLine(t, "abi/inlined.c", `puts("large")`)
	if at := f.Lines("abi/inlined.c", large); len(at) == 0 {
		t.Error("the cold part has no address")
	}
	if at := f.Lines("lined.c", large); at != nil {
		t.Errorf("half a file name matches at %v", at)
	}
	for _, l := range f.LinesOf(find(t, f, "work")) {
		if file, line, ok := f.Line(l.Addr); !ok || file != l.File || line < 1 {
			t.Errorf("%+v is at %s:%d", l, file, line)
		}
	}
}

func find(t *testing.T, f *File, name string) *Function {
	t.Helper()
	found, err := f.Find(Pattern{Text: name})
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", name, found, err)
	}
	return found[0]
}
