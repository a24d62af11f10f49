package capture_test

import (
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan/plantest"
)

func gotype(kind ctype.Kind, name string, size int64) *ctype.Type {
	return &ctype.Type{Kind: kind, Name: name, Size: size, Lang: event.LangGo}
}

func of(t *ctype.Type, elem *ctype.Type) *ctype.Type {
	t.Elem = elem
	return t
}

var (
	goInt    = gotype(ctype.Int, "int", 8)
	goByte   = gotype(ctype.Uint, "uint8", 1)
	goString = gotype(ctype.GoString, "string", 16)
	goError  = gotype(ctype.Interface, "error", 16)
	goAny    = &ctype.Type{Kind: ctype.Interface, Name: "interface {}", Size: 16, Lang: event.LangGo, Empty: true}
	goItem   = &ctype.Type{Kind: ctype.Struct, Name: "main.Item", Size: 48, Lang: event.LangGo, Fields: []ctype.Field{
		{Name: "Name", Type: goString}, {Name: "Age", Type: goInt, Offset: 16}, {Name: "Tags", Type: of(gotype(ctype.Slice, "[]string", 24), goString), Offset: 24},
	}}
	goItemPtr = of(gotype(ctype.Pointer, "*main.Item", 8), goItem)
	goPathErr = of(gotype(ctype.Pointer, "*fs.PathError", 8), &ctype.Type{Kind: ctype.Struct, Name: "fs.PathError", Size: 48, Lang: event.LangGo, Fields: []ctype.Field{
		{Name: "Op", Type: goString}, {Name: "Path", Type: goString, Offset: 16}, {Name: "Err", Type: goError, Offset: 32},
	}})
)

// runtime names the types and functions of a Go program.
type runtime struct{ names }

const (
	typeInt = 0x500000 + 0x100*iota
	typeString
	typeErrorString
	typePathError
	typeItemPtr
	typeErrno
	typeUnknown
)

func (runtime) DynamicType(_ int, addr uint64) (string, *ctype.Type) {
	switch addr {
	case typeInt:
		return "int", goInt
	case typeString:
		return "string", nil
	case typeErrorString:
		return "*errors.errorString", nil
	case typePathError:
		return "*fs.PathError", goPathErr
	case typeItemPtr:
		return "*main.Item", goItemPtr
	case typeErrno:
		return "syscall.Errno", nil
	case typeUnknown:
		return "main.Secret", nil
	}
	return "", nil
}

func gosig(results ...*ctype.Type) *ctype.Signature {
	sig := c(results...)
	sig.Lang, sig.Convention = event.LangGo, ctype.GoRegs
	return sig
}

// text places a string without NUL and gives its two words.
func text(m *plantest.Machine, s string) (uint64, uint64) {
	return m.Alloc([]byte(s)...), uint64(len(s))
}

// words sets the argument registers of Go's ABI in order.
func words(m *plantest.Machine, values ...uint64) {
	for i, v := range values {
		m.Set([]ctype.Register{ctype.RAX, ctype.RBX, ctype.RCX, ctype.RDI, ctype.RSI, ctype.R8, ctype.R9, ctype.R10, ctype.R11}[i], v)
	}
}

// itab places an interface table for a type.
func itab(m *plantest.Machine, kind uint64) uint64 { return m.Words(0x600000, kind, 0) }

func TestGoCallsReadAsTheirSourceSays(t *testing.T) {
	slice := func(name string, elem *ctype.Type) *ctype.Type { return of(gotype(ctype.Slice, name, 24), elem) }
	for _, test := range []reading{
		{name: "strings, ints and several results",
			sig: with(gosig(goInt, goError), param("s", goString), param("n", goInt), param("e", goString)),
			entry: func(m *plantest.Machine) {
				at, n := text(m, "héllo")
				words(m, at, n, ^uint64(2))
			},
			exit: func(m *plantest.Machine) { words(m, 5, 0, 0) },
			want: `s="héllo", n=-3, e="" = (5, nil)`},
		{name: "a string that is not there, and one that is longer than the limit",
			sig: with(gosig(), param("s", goString), param("l", goString)),
			entry: func(m *plantest.Machine) {
				words(m, 0x10, 3, m.Alloc(make([]byte, 300)...), 300)
				m.Put(m.Regs[ctype.RCX], []byte("abc"))
			},
			want: `s=<unreadable 0x10>, l="abc` + zeros(197) + `"...`, lost: 1},
		{name: "slices: nil, empty, of numbers, of bytes, of strings",
			sig: with(gosig(), param("a", slice("[]int", goInt)), param("b", slice("[]int", goInt)), param("c", slice("[]uint8", goByte))),
			entry: func(m *plantest.Machine) {
				at, n := text(m, "hi\x00")
				words(m, 0, 0, 0, m.Words(1, 2, 3), 3, 8, at, n, n)
			},
			want: `a=nil, b=[]int{1, 2, 3}, c=[]byte("hi\x00")`},
		{name: "a slice of strings",
			sig: with(gosig(), param("a", slice("[]string", goString)), param("b", slice("[]int", goInt))),
			entry: func(m *plantest.Machine) {
				a1, n1 := text(m, "x")
				a2, n2 := text(m, "yz")
				words(m, m.Words(a1, n1, a2, n2), 2, 2, m.Words(1, 2, 3, 4, 5, 6, 7, 8, 9), 9, 9)
			},
			want: `a=[]string{"x", "yz"}, b=[]int{1, 2, 3, 4, 5, 6, 7, 8, ...}`},
		{name: "a struct behind a pointer; its slice is two pointers away",
			sig: with(gosig(goItemPtr), param("p", goItemPtr), param("q", goItemPtr)),
			entry: func(m *plantest.Machine) {
				at, n := text(m, "Ada")
				words(m, m.Words(at, n, 36, m.Words(at, n), 1, 1), 0)
			},
			exit: func(m *plantest.Machine) { words(m, 0) },
			want: `p=&main.Item{Name:"Ada", Age:36, Tags:[]string{...}}, q=nil = nil`},
		{name: "a struct by value, in registers",
			sig: with(gosig(), param("v", goItem)),
			entry: func(m *plantest.Machine) {
				at, n := text(m, "Ada")
				words(m, at, n, 36, 0, 0, 0)
			},
			want: `v=main.Item{Name:"Ada", Age:36, Tags:nil}`},
		{name: "errors of the standard library, without debug information",
			sig: with(gosig(goError), param("a", goError), param("b", goError), param("c", goError), param("d", goError)),
			entry: func(m *plantest.Machine) {
				at, n := text(m, "EOF")
				op, on := text(m, "open")
				path, pn := text(m, "/etc/x")
				words(m, itab(m, typeErrorString), m.Page(at, n), itab(m, typePathError), m.Page(op, on, path, pn, itab(m, typeErrno), m.Page(13), 0, 0), itab(m, typeErrno), m.Page(2), 0, 0)
			},
			exit: func(m *plantest.Machine) { words(m, 0, 0) },
			want: `a=&errors.errorString{s:"EOF"}, b=&fs.PathError{Op:"open", Path:"/etc/x", Err:syscall.Errno(EACCES)}, c=syscall.Errno(ENOENT), d=nil = nil`, lost: 1},
		{name: "interfaces: a number, a string, a pointer, a type that nobody knows",
			sig: with(gosig(), param("a", goAny), param("b", goAny), param("c", goAny), param("d", goAny)),
			entry: func(m *plantest.Machine) {
				at, n := text(m, "str")
				words(m, typeInt, m.Page(7), typeString, m.Page(at, n), typeItemPtr, m.Page(at, n, 3), typeUnknown, m.Page(1))
			},
			want: `a=int(7), b="str", c=&main.Item{Name:"str", Age:3, Tags:nil}, d=main.Secret(0x55550000c000)`},
		{name: "maps, channels and functions",
			sig: with(gosig(), param("m", gotype(ctype.Map, "map[string]int", 8)), param("n", gotype(ctype.Map, "map[string]int", 8)),
				param("c", gotype(ctype.Chan, "chan int", 8)), param("f", gotype(ctype.Func, "func()", 8))),
			entry: func(m *plantest.Machine) { words(m, m.Words(3, 0), 0, m.Words(1, 4, 0), m.Words(0x401000)) },
			want:  `m=map[string]int(len 3), n=nil, c=chan int{len:1, cap:4}, f=main.work`},
		{name: "durations and times",
			sig: with(gosig(), param("d", &ctype.Type{Kind: ctype.Typedef, Name: "time.Duration", Elem: gotype(ctype.Int, "int64", 8), Lang: event.LangGo}),
				param("t", &ctype.Type{Kind: ctype.Struct, Name: "time.Time", Size: 24, Lang: event.LangGo, Fields: []ctype.Field{
					{Name: "wall", Type: gotype(ctype.Uint, "uint64", 8)}, {Name: "ext", Type: gotype(ctype.Int, "int64", 8), Offset: 8}, {Name: "loc", Type: gotype(ctype.Pointer, "*time.Location", 8), Offset: 16},
				}})),
			entry: func(m *plantest.Machine) { words(m, 1500000000, 5, 62135596800+1, 0) },
			want:  `d=1.5s, t=1970-01-01T00:00:01.000000005Z`},
		{name: "more than the registers hold lies on the stack",
			sig: with(gosig(), param("v", goItem), param("w", goItem)),
			entry: func(m *plantest.Machine) {
				at, n := text(m, "Ada")
				words(m, at, n, 1, 0, 0, 0)
				m.Put(m.EntrySP+8, plantest.Words(at, n, 2, 0, 0, 0))
			},
			want: `v=main.Item{Name:"Ada", Age:1, Tags:nil}, w=main.Item{Name:"Ada", Age:2, Tags:nil}`},
	} {
		t.Run(test.name, func(t *testing.T) { test.check(t, runtime{names{0x401000: "main.work"}}) })
	}
}

func zeros(n int) string {
	s := ""
	for range n {
		s += `\x00`
	}
	return s
}
