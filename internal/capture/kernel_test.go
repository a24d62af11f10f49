package capture_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/capture"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/prototype"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// observed is an object with functions to observe while a program runs.
type observed struct {
	t    *testing.T
	path string // of the program
	file *symbol.File
	plan plan.Plan
}

func observe(t *testing.T, object, path string) *observed {
	t.Helper()
	fixture.NeedRoot(t)
	file, err := symbol.Open(object)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	o := &observed{t: t, path: path, file: file}
	o.plan.Objects = []plan.Object{{Path: object, Open: object}}
	o.plan.Limits = plan.DefaultLimits()
	o.plan.Probes = []plan.Probe{{Kind: plan.Return, Name: "uprobe:test"}}
	return o
}

// call adds a function whose calls are to be recorded.
func (o *observed) call(name string, sig *ctype.Signature) {
	o.t.Helper()
	fn := o.find(name)
	code, err := o.file.Code(fn)
	if err != nil {
		o.t.Fatal(err)
	}
	entry, err := site.ChooseEntry(code, sig.Lang)
	if err != nil {
		o.t.Fatal(err)
	}
	choices := []site.Choice{entry, {Offset: entry.Offset, Role: site.Trampoline}}
	if sig.Lang != event.LangC {
		if choices, err = site.ChooseReturns(code, sig.Lang, site.FnInfo{}); err != nil {
			o.t.Fatal(err)
		}
		choices = append(choices, entry)
	}
	o.add(name, fn, sig, choices)
}

// find gives the one function of a name. What the compiler moved out of it is none.
func (o *observed) find(name string) *symbol.Function {
	o.t.Helper()
	found, err := o.file.Find(symbol.Pattern{Text: name})
	found = slices.DeleteFunc(found, func(fn *symbol.Function) bool { return strings.HasSuffix(fn.Name, ".cold") })
	if err != nil || len(found) != 1 {
		o.t.Fatalf("%s: %d functions, %v", name, len(found), err)
	}
	return found[0]
}

func (o *observed) add(name string, fn *symbol.Function, sig *ctype.Signature, choices []site.Choice) {
	p := &o.plan
	id := len(p.Functions)
	p.Functions = append(p.Functions, plan.Function{Name: name, Addr: fn.Addr, Size: fn.Size, Lang: sig.Lang, Signature: sig})
	frame, emission := o.recorded(sig, fn.Addr+symbol.Addr(entryOffset(choices)))
	p.Probes[0].Bodies = append(p.Probes[0].Bodies, plan.Body{Frame: frame, Stmts: []plan.Stmt{&plan.Emit{Emission: id}}})
	p.Emissions = append(p.Emissions, emission)
	for _, c := range choices {
		addr := fn.Addr + symbol.Addr(c.Offset)
		offset, err := o.file.Offset(addr)
		if err != nil {
			o.t.Fatal(err)
		}
		p.Probes[0].Sites = append(p.Probes[0].Sites, plan.Site{Function: id, Body: id, Addr: addr, Offset: offset, Choice: c, Callee: -1})
	}
}

func entryOffset(choices []site.Choice) uint64 {
	for _, c := range choices {
		if c.Role == site.Entry {
			return c.Offset
		}
	}
	return 0
}

// recorded is a call record with parameters and results.
func (o *observed) recorded(sig *ctype.Signature, entry symbol.Addr) (*plan.Frame, plan.Emission) {
	at, limits := ctype.Place(sig), o.plan.Limits
	frame := &plan.Frame{}
	e := plan.Emission{Kind: plan.EmitCall, Frame: true, Shape: plan.Shape{ErrnoSlot: -1, StackSlot: -1}}
	save := func(s plan.Slot) int {
		frame.Slots = append(frame.Slots, s)
		return len(frame.Slots) - 1
	}
	const late = 1 << 16
	keep := func(s plan.Slot) int {
		e.Slots = append(e.Slots, s)
		return late + len(e.Slots) - 1
	}
	e.Args = capture.Params(sig, at, limits, save)
	capture.Results(sig, at, limits, &e.Shape, keep, save)
	if place, ok := o.file.Errno(); ok && sig.Fails != "" {
		capture.Errno(sig, at, capture.ErrnoAt{Place: place, Entry: entry}, &e.Shape, keep, save)
		e.ErrnoSlot += len(frame.Slots) - late
	}
	e.Entry = len(frame.Slots)
	renumber(e.Args, late, e.Entry)
	if e.Result != nil {
		renumber([]plan.Node{*e.Result}, late, e.Entry)
	}
	return frame, e
}

// run runs the program with everything armed and gives its calls, in order.
func (o *observed) run(sym plan.Symbolizer) []*event.Call {
	o.t.Helper()
	features, err := kernel.Features(kernel.NeedsOf(&o.plan))
	if err != nil {
		o.t.Fatal(err)
	}
	program, err := codegen.Compile(&o.plan, features)
	if err != nil {
		o.t.Fatal(err)
	}
	session, err := kernel.Open(&o.plan, program)
	if err != nil {
		o.t.Fatal(err)
	}
	defer session.Close()
	if refusals, err := session.Arm(); err != nil || len(refusals) > 0 {
		o.t.Fatalf("%+v, %v", refusals, err)
	}
	cmd := exec.Command(o.path)
	if out, err := cmd.CombinedOutput(); err != nil {
		o.t.Fatalf("%v\n%s", err, out)
	}
	session.Disarm()
	d := plan.NewDecoder(&o.plan, plan.Clock{}, sym)
	var calls []*event.Call
	if err := session.Read(time.Time{}, func(b []byte) {
		e, err := d.Record(b)
		if call, ok := e.(*event.Call); err != nil || !ok {
			o.t.Errorf("%+v: %v", e, err)
		} else if call.PID == cmd.Process.Pid {
			calls = append(calls, call)
		}
	}); err != nil {
		o.t.Error(err)
	}
	return calls
}

// lines writes calls one by one; run-time addresses of heap and stack, which differ from run to run, as "0x...".
func lines(calls []*event.Call) string {
	var b strings.Builder
	for _, c := range calls {
		b.WriteString(c.Function + "(" + strings.Replace(line(c), " = ", ") = ", 1) + "\n")
	}
	words := strings.FieldsFunc(b.String(), func(r rune) bool { return strings.ContainsRune(" ,(){}=&>\n", r) })
	text := b.String()
	for _, w := range words {
		if strings.HasPrefix(w, "0x") && len(w) > 10 {
			text = strings.ReplaceAll(text, w, "0x...")
		}
	}
	return text
}

const cHeader = `
struct point { int x, y; };
struct big { long a, b, c; };
struct mixed { int n; double d; };
struct bits { unsigned low : 3; int high : 5; };
struct person { char *name; int age; struct person *next; int (*greet)(int); };
union number { int i; double d; };
enum color { RED, GREEN = 5 };
int numbers(signed char c, short s, int i, long l, unsigned char uc, unsigned u, size_t seventh, _Bool b);
const char *text(const char *s, char *t, const char *none);
double floats(double x, float y, double *p, int after);
struct point by_value(struct point p, struct mixed m, struct big b, int after);
struct big through_memory(int a);
int behind(struct person *p, struct bits *b, union number *u, enum color c, enum color odd);
int arrays(int numbers[3], char (*name)[16], char **argv);
long fill(char buf[return] @out, size_t n) @fails(negative);
int moment(struct timespec *ts @out);
long buffer(const void buf[n], size_t n);
long unreadable(const char *s, struct point *p);
int calls(int (*fn)(int), void *p);
long double wide(long double x);
`

// symbolOf names functions of a program that is not moved at run time.
type symbolOf struct{ *symbol.File }

func (s symbolOf) Function(_ int, addr uint64) string {
	// The program is position-independent: it lies at a page's distance from where the file says.
	for _, f := range s.Functions() {
		if uint64(f.Addr)&0xfff == addr&0xfff && f.Name == "greet" {
			return f.Name
		}
	}
	return ""
}
func (symbolOf) Frame(_ int, pc uint64) []event.Frame                 { return []event.Frame{{PC: pc}} }
func (symbolOf) DynamicType(int, uint64) (name string, _ *ctype.Type) { return "", nil }

func TestTheKernelCapturesWhatCPasses(t *testing.T) {
	program := fixture.Build(t, "values/values.c")
	o := observe(t, program, program)
	table, err := prototype.Parse(cHeader)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields("numbers text floats by_value through_memory behind arrays fill moment buffer unreadable calls wide") {
		sig, ok := table.Lookup(name)
		if !ok {
			t.Fatalf("no prototype of %s", name)
		}
		o.call(name, sig)
	}
	want := `numbers(c=97, s=-2, i=-3, l=1099511627776, uc=200, u=4000000000, seventh=7, b=true) = -294966996
text(s="héllo\n", t=NULL, none=NULL) = "éllo\n"
floats(x=<unavailable>, y=<unavailable>, p=&2.5, after=3) = <unavailable>
by_value(p={x=1, y=2}, m={n=9, d=<unavailable>}, b={a=3, b=4, c=5}, after=6) = {x=21, y=2}
through_memory(a=7) = {a=7, b=8, c=9}
behind(p=&{name="Ada", age=36, next=0x..., greet=&greet}, b=&{low=5, high=-3}, u=&{i=0, d=1.5}, c=GREEN, odd=3) = 49
arrays(numbers={1, 2, 3}, name=&"sixteen", argv=&"zero") = 238
fill(buf="filled", n=8) = 6
fill(buf=0x..., n=2) = -1
moment(ts=&{tv_sec=1, tv_nsec=2}) = 0
buffer(buf="ab\000cd", n=5) = 102
unreadable(s=<unreadable 0x10>, p=<unreadable 0x20>) = 48
calls(fn=&greet, p=0x...) = 3
wide(x=1.0) = <unavailable>
`
	if got := lines(o.run(symbolOf{o.file})); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// ofObject names what an object that lies where its file says holds: types and functions of a Go program.
type ofObject struct{ *symbol.File }

func (o ofObject) Frame(_ int, pc uint64) []event.Frame { return []event.Frame{{PC: pc}} }
func (o ofObject) Function(_ int, addr uint64) string {
	if fn, off, ok := o.At(symbol.Addr(addr)); ok && off == 0 {
		return o.Display(fn)
	}
	return ""
}
func (o ofObject) DynamicType(_ int, addr uint64) (string, *ctype.Type) {
	return o.File.DynamicType(symbol.Addr(addr))
}

// described adds functions with the types that the debug information gives them.
func (o *observed) described(names ...string) {
	o.t.Helper()
	for _, name := range names {
		sig, err := o.file.Signature(o.find(name))
		if err != nil || sig == nil {
			o.t.Fatalf("%s: %v, %v", name, sig, err)
		}
		o.call(name, sig)
	}
}

func TestTheKernelCapturesWhatCPPPasses(t *testing.T) {
	program := fixture.Build(t, "values/values.cc", "-std=c++20", "-fno-reorder-blocks-and-partition")
	o := observe(t, program, program)
	o.described("app::text", "app::numbers", "app::many", "app::owners", "app::classes", "app::Box::area", "app::misc")
	want := `app::text(a="a", b="` + strings.Repeat("b", 200) + `"..., v="view", c="c") = "a` + strings.Repeat("b", 199) + `"...
app::numbers(v={1, 2, 3}, w={"x", "yz"}, a={4, 5, 6}) = {1, 2, 3, 6}
app::many(m={{"k1", 1}, {"k2", 2}}, u={{1, "one"}}, s={3, 4}, l={5, 6}, d={7, 8, 9}) = 10
app::owners(p=&{x=1, y=2}, s=&{x=3, y=4}, o=5, n="n") = {x=9, y=1}
app::owners(p=nullptr, s=nullptr, o=nullopt, n=nullopt) = nullopt
app::Box::area(this=&{id=4, name="shape", at={x=1, y=2}, sizes={7, 8}}, k=2) = 14
app::classes(s={id=4, name="shape"}, b=&{id=4, name="shape", at={x=1, y=2}, sizes={7, 8}}, p={x=5, y=6}, c=Green) = 24
app::misc(a=42, v="var", d=5ms, p={first=1, second="p"}, t={1, 't'}) = 50
`
	if got := lines(o.run(nil)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheKernelCapturesWhatRustPasses(t *testing.T) {
	program := fixture.Build(t, "values/values.rs")
	o := observe(t, program, program)
	o.described("values::app::Store::get", "values::app::Store::put", "values::app::shapes", "values::app::slices", "values::app::boxes")
	store := `&Store { name: "store", next: None, table: (len 1), tree: {1: 2, 3: 4}, point: Point { x: 1, y: 2 } }`
	want := `values::app::Store::get(self=` + store + `, key="key", n=0) = None
values::app::Store::get(self=` + store + `, key="key", n=1) = Some("storekey")
values::app::Store::put(self=` + store + `, key="k", v=b"\x01a") = Ok(1)
values::app::Store::put(self=` + store + `, key="bad", v=b"") = Err("bad")
values::app::shapes(a=&Circle { r: 1.5, name: "c" }, b=&Pair(1, 2), c=Green, o=Some(3), p=None) = 9
values::app::shapes(a=&Unit, b=&Unit, c=Red, o=None, p=Some(&Point { x: 1, y: 2 })) = 3
values::app::slices(v=[1, 2, 3], s=["x"], w=vec![Point { x: 1, y: 2 }], c='é', t=(1, 2), d=1.5s) = (1741, true)
values::app::boxes(b=Point { x: 1, y: 2 }, r=Point { x: 3, y: 4 }, f=<unavailable>, i=-5) = 1
`
	if got := lines(o.run(nil)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheKernelCapturesWhatGoPasses(t *testing.T) {
	program := fixture.Build(t, "values/go")
	o := observe(t, program, program)
	o.described("main.(*Store).Put", "main.values", "main.dynamic", "main.times", "main.open", "main.text")
	item := `&main.Item{Name:"Ada", Age:36, Tags:[]string{...}, Next:nil}`
	want := `main.(*Store).Put(s=&main.Store{items:map[string]*main.Item{}}, key="k", it=` + item + `) = (1, nil)
main.(*Store).Put(s=&main.Store{items:map[string]*main.Item(len 1)}, key="", it=nil) = (0, &errors.errorString{s:"empty key"})
main.values(s="héllo", n=-3, f=<unavailable>, b=[]byte("bytes"), v=[]int{1, 2, 3}, m=map[string]int{"a":1}, c=chan int{len:1, cap:3}, fn=main.main.func1) = ("héllobytes", false)
main.dynamic(e=&errors.errorString{s:"EOF"}, a=int(5), b="str", s=main.Square{n:4}, t=` + item + `) = &fmt.wrapError{msg:"wrapped: EOF", err:&errors.errorString{s:...}}
main.dynamic(e=nil, a=nil, b=float64(1.5), s=nil, t=nil) = nil
main.times(d=1.5s, t=2023-11-14T22:13:20Z, p=&7, arr=[3]int{1, 2, 3}) = 1.500000001s
main.open(name="/nonexistent") = (nil, &fs.PathError{Op:"open", Path:"/nonexistent", Err:syscall.Errno(ENOENT)})
main.text(list=[]string{"a", "b"}, r=233, ok=true, u8=200) = []string{"a", "b"}
`
	if got := lines(o.run(ofObject{o.file})); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAFailedCallOfTheCLibrarySaysWhy(t *testing.T) {
	program := fixture.Build(t, "values/values.c")
	o := observe(t, libc(t), program)
	for _, name := range []string{"open", "close"} {
		sig, ok := prototype.Lookup("libc", name)
		if !ok {
			t.Fatalf("no prototype of %s", name)
		}
		o.call(name, sig)
	}
	want := `open(path="/nonexistent/file", flags=O_RDONLY|O_CLOEXEC) = -1 ENOENT
close(fd=-1) = -1 EBADF
`
	if got := lines(o.run(nil)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// libc is the C library that programs of this machine use.
func libc(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib"} {
		if path, err := filepath.EvalSymlinks(filepath.Join(dir, "libc.so.6")); err == nil {
			return path
		}
	}
	t.Fatal("no libc.so.6")
	return ""
}
