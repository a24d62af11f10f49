package symbol

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/fixture"
)

// signatureOf gives the signature of the only function that the name means.
func signatureOf(t *testing.T, f *File, name string) *ctype.Signature {
	t.Helper()
	found, err := f.Find(Pattern{Text: name})
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %v, %v", name, found, err)
	}
	sig, err := f.Signature(found[0])
	if err != nil || sig == nil {
		t.Fatalf("%s: no signature: %v", name, err)
	}
	return sig
}

func TestSignaturesAreThoseOfTheSource(t *testing.T) {
	str := "std::string"
	for _, c := range []struct {
		source string
		flags  []string
		want   map[string]string
	}{
		{"abi/abi.c", []string{"-no-pie", "-w"}, map[string]string{
			"walk":     "int walk(struct node *n, const struct other *o, ssize_t (*f)(int, const void *, size_t), const char *text, int *argv)",
			"ints":     "long ints(int a, long b, void *c, char d, short e, unsigned int f, color g, uint64_t h)",
			"variadic": "int variadic(const char *format, ...)",
			"main":     "int main(void)",
		}},
		{"abi/abi.cc", []string{"-no-pie", "-w"}, map[string]string{
			"Store::put":           "Plain Store::put(const " + str + " &key, double weight, Plain p)",
			"Store::count":         "int Store::count(Store *s, int by)",
			"Store::twice<double>": "double Store::twice<double>(double x)",
			"inner":                "ns::Inner inner(ns::Inner a, ns::Level b)",
			"hidden":               "(anonymous namespace)::Hidden hidden((anonymous namespace)::Hidden a, char16_t b)",
			"Store::~Store":        "Store::~Store()",
		}},
		{"abi/abi.rs", []string{"-C", "relocation-model=static", "-C", "link-arg=-no-pie"}, map[string]string{
			"abi::inner::text":    "fn abi::inner::text(a: &str, b: &[u16]) -> &str",
			"abi::inner::scalars": "fn abi::inner::scalars(a: u8, b: i64, c: f32, d: bool, e: char) -> i32",
			"abi::inner::results": "fn abi::inner::results(a: core::result::Result<u64, u32>, b: core::result::Result<u32, u32>, c: core::result::Result<(), u8>) -> core::result::Result<u64, u32>",
			"abi::inner::arrays":  "fn abi::inner::arrays(a: [u8; 4], b: [f64; 1], c: [u64; 2]) -> [f32; 2]",
			"exported":            "fn exported(p: abi::Pair, x: f64) -> u64",
		}},
		{"abi/goabi", nil, map[string]string{
			"main.(*Pair).Pointer":            "func (p *main.Pair) Pointer(n int) string",
			"main.Pair.Value":                 "func (p main.Pair) Value(s string) error",
			"main.Pointers":                   "func main.Pointers(a *int64, b map[string]int, c chan int, d func(int) int) map[string]int",
			"main.Several":                    "func main.Several(s string, fail bool) (n int, err error)",
			"main.Text":                       "func main.Text(a string, b []string, c interface {}, d main.Shape) []uint8",
			"main.Generic[go.shape.int]":      "func main.Generic[go.shape.int](x go.shape.int, y []go.shape.int) go.shape.int",
			"main.(*List[go.shape.int]).Push": "func (l *main.List[go.shape.int]) Push(x go.shape.int) int",
		}},
	} {
		f := open(t, fixture.Build(t, c.source, c.flags...))
		for name, want := range c.want {
			got := signatureOf(t, f, name).String(name)
			got = strings.ReplaceAll(got, "long int", "long")
			if got = strings.ReplaceAll(got, "short int", "short"); got != want {
				t.Errorf("%s: %q, want %q", c.source, got, want)
			}
		}
	}
}

func TestAnAssemblyFunctionOfGoHasNoSignature(t *testing.T) {
	f := open(t, fixture.Build(t, "abi/goabi"))
	found, err := f.Find(Pattern{Text: "runtime.memmove"})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if sig, err := f.Signature(found[0]); sig != nil || err != nil {
		t.Errorf("got %v, %v", sig, err)
	}
}

// TestDebugInformationIsReadWhereverItIs puts the same debug information in all its packagings.
func TestDebugInformationIsReadWhereverItIs(t *testing.T) {
	fixture.Need(t, "objcopy", "strip")
	const want = "int walk(struct node *n, const struct other *o, ssize_t (*f)(int, const void *, size_t), const char *text, int *argv)"
	plain := fixture.Build(t, "abi/abi.c", "-no-pie", "-w", "-gz=none")
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	run("objcopy", "--compress-debug-sections=zlib", plain, at("zlib"))
	run("objcopy", "--compress-debug-sections=zstd", plain, at("zstd"))
	run("objcopy", "--only-keep-debug", plain, at("separate.debug"))
	run("objcopy", "--strip-debug", "--add-gnu-debuglink="+at("separate.debug"), plain, at("separate"))
	programs := map[string]string{
		"zlib": at("zlib"), "zstd": at("zstd"), "separate": at("separate"),
		"DWARF 2":           fixture.Build(t, "abi/abi.c", "-no-pie", "-w", "-gdwarf-2", "-gstrict-dwarf"),
		"DWARF 3":           fixture.Build(t, "abi/abi.c", "-no-pie", "-w", "-gdwarf-3"),
		"DWARF 4":           fixture.Build(t, "abi/abi.c", "-no-pie", "-w", "-gdwarf-4"),
		"64-bit DWARF":      fixture.Build(t, "abi/abi.c", "-no-pie", "-w", "-gdwarf64"),
		"type units":        fixture.Build(t, "abi/abi.c", "-no-pie", "-w", "-fdebug-types-section"),
		"link-time":         fixture.Build(t, "abi/abi.c", "-no-pie", "-w", "-flto"),
		"clang":             fixture.Build(t, "abi/abi.c", "CC=clang", "-no-pie", "-w", "-g", "-gdwarf-5"),
		"clang, type units": fixture.Build(t, "abi/abi.c", "CC=clang", "-no-pie", "-w", "-g", "-gdwarf-5", "-fdebug-types-section"),
	}
	walk := sourceLine(t, "abi/abi.c", "KEEP int walk")
	for name, program := range programs {
		f := open(t, program)
		if got := signatureOf(t, f, "walk").String("walk"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		node, err := f.TypeNamed("struct node")
		if err != nil || node == nil || node.Size != 40 || len(node.Fields) != 4 || node.Fields[3].Offset != 24 {
			t.Errorf("%s: struct node is %v, %v", name, node, err)
		}
		fn, _ := f.Find(Pattern{Text: "walk"})
		if file, line, ok := f.Line(fn[0].Addr); !ok || !strings.HasSuffix(file, "abi/abi.c") || line < walk || line > walk+1 {
			t.Errorf("%s: walk is at %s:%d, want line %d", name, file, line, walk)
		}
	}
}

// TestParametersThatTheCompilerMovedAreFound: the constants passed are known, so the registers say who is right.
func TestParametersThatTheCompilerMovedAreFound(t *testing.T) {
	for compiler, want := range map[string]map[string]string{
		"gcc":   {"scaled": "v=rdi factor=gone name=rsi", "sum": "p=rdi unused=gone n=rsi"},
		"clang": {"scaled": "v=rdi factor=gone name=rsi", "sum": "p=rdi unused=gone n=rsi"},
	} {
		f := open(t, fixture.Build(t, "abi/inlined.c", "CC="+compiler, "-O2", "-g", "-no-pie"))
		for name, places := range want {
			found, err := f.Find(Pattern{Text: name + "*"})
			if err != nil || len(found) != 1 {
				t.Fatal(name, found, err)
			}
			sig, err := f.Signature(found[0])
			if err != nil || sig == nil {
				t.Fatalf("%s: %v, %v", name, sig, err)
			}
			var words []string
			for i, pieces := range ctype.Place(sig).Params {
				word := "gone"
				if pieces[0].Kind == ctype.InRegister {
					word = generalNames[pieces[0].Reg]
				}
				words = append(words, sig.Params[i].Name+"="+word)
			}
			if got := strings.Join(words, " "); got != places {
				t.Errorf("%s: %s has %s, want %s", compiler, found[0].Name, got, places)
			}
		}
	}
}

func TestRustEnumsTellTheirVariants(t *testing.T) {
	f := open(t, fixture.Build(t, "abi/abi.rs", "-C", "relocation-model=static", "-C", "link-arg=-no-pie"))
	for name, want := range map[string]string{
		"abi::Shape":                 "Circle=0{__0@8} Square=1{side@8} Empty=2{}",
		"core::option::Option<&u32>": "None=0{} Some=else{__0@0}",
		"core::option::Option<u32>":  "None=0{} Some=1{__0@4}",
	} {
		typ, err := f.TypeNamed(name)
		if err != nil || typ == nil || typ.Kind != ctype.Variant || typ.Variants.Discr == nil {
			t.Errorf("%s is %v, %v", name, typ, err)
			continue
		}
		var words []string
		for _, c := range typ.Variants.Cases {
			value := "else"
			if !c.Default {
				value = fmt.Sprint(c.Values[0].Low)
			}
			var fields []string
			for _, f := range c.Type.Fields {
				fields = append(fields, fmt.Sprint(f.Name, "@", f.Offset))
			}
			words = append(words, c.Name+"="+value+"{"+strings.Join(fields, " ")+"}")
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	color, err := f.TypeNamed("abi::Color")
	if err != nil || color == nil || color.Kind != ctype.Enum || len(color.Enumerators) != 2 || color.Enumerators[1].Value != 5 {
		t.Errorf("abi::Color is %v, %v", color, err)
	}
}

func TestGoTypesHaveTheirKinds(t *testing.T) {
	f := open(t, fixture.Build(t, "abi/goabi"))
	for function, want := range map[string][]ctype.Kind{
		"main.Text":     {ctype.GoString, ctype.Slice, ctype.Interface, ctype.Interface},
		"main.Pointers": {ctype.Pointer, ctype.Map, ctype.Chan, ctype.Func},
		"main.Floats":   {ctype.Float, ctype.Float, ctype.Complex, ctype.Complex},
		"main.Ints":     {ctype.Int, ctype.Uint, ctype.Int, ctype.Uint, ctype.Bool, ctype.Int},
	} {
		sig := signatureOf(t, f, function)
		for i, kind := range want {
			if p := sig.Params[i]; p.Type.Kind != kind || p.Type.Lang != event.LangGo {
				t.Errorf("%s: %s is of kind %d, want %d", function, p.Name, p.Type.Kind, kind)
			}
		}
	}
	text := signatureOf(t, f, "main.Text")
	if !text.Params[2].Type.Empty || text.Params[3].Type.Empty || text.Params[1].Type.Elem.Kind != ctype.GoString {
		t.Errorf("main.Text is %+v", text.Params)
	}
	maps := signatureOf(t, f, "main.Pointers").Params[1].Type
	if maps.Key.Kind != ctype.GoString || maps.Elem.Kind != ctype.Int {
		t.Errorf("map[string]int has %v and %v", maps.Key, maps.Elem)
	}
}

func TestATypeDescriptorOfGoLeadsToItsType(t *testing.T) {
	program := fixture.Build(t, "abi/goabi")
	f := open(t, program)
	// The type word of the variable Text_3 (a Pair in an interface) names an itab, whose second word is the descriptor.
	at, ok := f.objectAddr("main.Text_3")
	itab := make([]byte, 8)
	if !ok || f.ReadAt(at, itab) != nil {
		t.Fatal("main.Text_3 cannot be read")
	}
	c := dwarfCursor{data: itab}
	word := make([]byte, 8)
	if err := f.ReadAt(Addr(c.u64()+8), word); err != nil {
		t.Fatal(err)
	}
	c = dwarfCursor{data: word}
	if name, typ := f.GoType(Addr(c.u64())); name != "main.Pair" || typ == nil || len(typ.Fields) != 2 {
		t.Errorf("got %q, %v", name, typ)
	}
	if name, typ := f.GoType(0x1234567); name != "" || typ != nil {
		t.Errorf("nonsense leads to %q, %v", name, typ)
	}
}

// TestABrokenUnitIsAnErrorAboutThatUnit: the rest of the file stays usable.
func TestABrokenUnitIsAnErrorAboutThatUnit(t *testing.T) {
	program, err := os.ReadFile(fixture.Build(t, "abi/abi.c", "-no-pie", "-w", "-gz=none"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "broken")
	file, err := elf.NewFile(strings.NewReader(string(program)))
	if err != nil {
		t.Fatal(err)
	}
	s := file.Section(".debug_info")
	for i := s.Offset + 2000; i < s.Offset+4000; i++ {
		program[i] = 0xff
	}
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	fn, _ := f.Find(Pattern{Text: "walk"})
	sig, err := f.Signature(fn[0])
	if sig != nil || err == nil || !strings.Contains(err.Error(), "unit at 0x0 is damaged") {
		t.Errorf("got %v, %v", sig, err)
	}
	if file, _, ok := f.Line(fn[0].Addr); !ok {
		t.Errorf("lines are lost with it: %q", file)
	}
}
