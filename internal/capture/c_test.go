package capture_test

import (
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/capture"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/plantest"
)

// call captures a call of a function with the signature on two machines, at its entry and at its return, and decodes the
// record.
func call(t *testing.T, sig *ctype.Signature, limits plan.Limits, entry, exit *plantest.Machine, sym plan.Symbolizer) *event.Call {
	t.Helper()
	at := ctype.Place(sig)
	if at.Hidden { // where the caller wants the result; not every function repeats it in rax
		entry.Set(ctype.RDI, exit.Regs[ctype.RAX])
		exit.Set(ctype.RAX, 0)
	}
	var before, after []plan.Slot
	shape := plan.Shape{ErrnoSlot: -1, StackSlot: -1}
	save := func(s plan.Slot) int {
		before = append(before, s)
		return len(before) - 1
	}
	const late = 1 << 16
	keep := func(s plan.Slot) int {
		after = append(after, s)
		return late + len(after) - 1
	}
	shape.Args = capture.Params(sig, at, limits, save)
	capture.Results(sig, at, limits, &shape, keep, save)
	renumber(shape.Args, late, len(before))
	if shape.Result != nil {
		renumber([]plan.Node{*shape.Result}, late, len(before))
	}
	p := &plan.Plan{
		Objects:   []plan.Object{{Path: "/bin/x"}},
		Functions: []plan.Function{{Name: "f", Lang: sig.Lang}},
		Limits:    limits,
		Emissions: []plan.Emission{{Kind: plan.EmitCall, Frame: true, Entry: len(before), Slots: after, Shape: shape}},
		Probes:    []plan.Probe{{Bodies: []plan.Body{{Frame: &plan.Frame{Slots: before}, Stmts: []plan.Stmt{&plan.Emit{}}}}}},
	}
	slots := entry.Capture(before)
	exit.Saved = slots
	slots = append(slots, exit.Capture(after)...)
	d := plan.NewDecoder(p, plan.Clock{Wall: time.Unix(100, 0)}, sym)
	e, err := d.Record(plantest.Record(plan.EmitCall, plantest.Header{PID: 7, TID: 8, Outcome: event.Returned, Duration: 5, Comm: "x"}, slots))
	if err != nil {
		t.Fatal(err)
	}
	return e.(*event.Call)
}

func renumber(nodes []plan.Node, late, entry int) {
	for i := range nodes {
		for j := range nodes[i].Pieces {
			if p := &nodes[i].Pieces[j]; p.Slot >= late {
				p.Slot += entry - late
			}
		}
		renumber(nodes[i].Follow, late, entry)
	}
}

// line writes a call as name=value, ... = result.
func line(c *event.Call) string {
	text := ""
	for i := range c.Args {
		if i > 0 {
			text += ", "
		}
		text += c.Args[i].Name + "=" + c.Args[i].Value.Text(c.Language)
	}
	if c.Return != nil {
		text += " = " + c.Return.Text(c.Language)
	}
	if c.Errno != "" {
		text += " " + c.Errno
	}
	return text
}

var (
	cChar    = &ctype.Type{Kind: ctype.Char, Name: "char", Size: 1, Signed: true, Lang: event.LangC}
	cInt     = &ctype.Type{Kind: ctype.Int, Name: "int", Size: 4, Lang: event.LangC}
	cLong    = &ctype.Type{Kind: ctype.Int, Name: "long", Size: 8, Lang: event.LangC}
	cUlong   = &ctype.Type{Kind: ctype.Uint, Name: "unsigned long", Size: 8, Lang: event.LangC}
	cDouble  = &ctype.Type{Kind: ctype.Float, Name: "double", Size: 8, Lang: event.LangC}
	cSize    = &ctype.Type{Kind: ctype.Typedef, Name: "size_t", Elem: cUlong, Lang: event.LangC}
	cVoid    = &ctype.Type{Kind: ctype.Void, Name: "void", Lang: event.LangC}
	cText    = &ctype.Type{Kind: ctype.CString, Name: "", Size: 8, Elem: cChar, Const: true, Lang: event.LangC}
	timespec = &ctype.Type{Kind: ctype.Struct, Name: "struct timespec", Size: 16, Lang: event.LangC, Fields: []ctype.Field{
		{Name: "tv_sec", Type: cLong}, {Name: "tv_nsec", Type: cLong, Offset: 8},
	}}
	person = &ctype.Type{Kind: ctype.Struct, Name: "struct person", Size: 32, Lang: event.LangC}
)

func init() {
	person.Fields = []ctype.Field{
		{Name: "name", Type: pointer(cChar)}, {Name: "age", Type: cInt, Offset: 8},
		{Name: "old", Type: cInt, Offset: 12, BitOffset: 96, BitSize: 1}, {Name: "rank", Type: cInt, Offset: 12, BitOffset: 97, BitSize: 3},
		{Name: "next", Type: pointer(person), Offset: 16}, {Name: "cb", Type: pointer(&ctype.Type{Kind: ctype.Func}), Offset: 24},
	}
}

func pointer(t *ctype.Type) *ctype.Type {
	return &ctype.Type{Kind: ctype.Pointer, Size: 8, Elem: t, Lang: t.Lang}
}

func array(t *ctype.Type, n int64) *ctype.Type {
	return &ctype.Type{Kind: ctype.Array, Size: n * t.Sizeof(), Len: n, Elem: t, Lang: t.Lang}
}

func c(results ...*ctype.Type) *ctype.Signature {
	sig := &ctype.Signature{Lang: event.LangC, Source: "dwarf"}
	for _, r := range results {
		sig.Results = append(sig.Results, ctype.Param{Type: r})
	}
	return sig
}

func with(sig *ctype.Signature, params ...ctype.Param) *ctype.Signature {
	sig.Params = params
	return sig
}

func param(name string, t *ctype.Type) ctype.Param { return ctype.Param{Name: name, Type: t} }

// names knows the functions of the tests.
type names map[uint64]string

func (n names) Function(_ int, addr uint64) string { return n[addr] }
func (n names) Frame(_ int, pc uint64) []event.Frame {
	return []event.Frame{{PC: pc, Function: n[pc]}}
}
func (n names) DynamicType(_ int, addr uint64) (string, *ctype.Type) { return n[addr], nil }

func TestCCallsReadAsTheirSourceSays(t *testing.T) {
	flags := &ctype.Type{Kind: ctype.Enum, Name: "int", Size: 4, Signed: true, Flags: true, Lang: event.LangC, Enumerators: []ctype.Enumerator{
		{Name: "O_RDONLY", Value: 0, Mask: 3}, {Name: "O_WRONLY", Value: 1, Mask: 3}, {Name: "O_CREAT", Value: 64}, {Name: "O_CLOEXEC", Value: 0o2000000},
		{Name: "O_DSYNC", Value: 0o10000}, {Name: "O_SYNC", Value: 0o4010000},
	}}
	color := &ctype.Type{Kind: ctype.Enum, Name: "enum color", Size: 4, Lang: event.LangC, Enumerators: []ctype.Enumerator{{Name: "RED", Value: 0}, {Name: "GREEN", Value: 1}}}
	mode := &ctype.Type{Kind: ctype.Typedef, Name: "mode_t", Format: "mode", Elem: &ctype.Type{Kind: ctype.Uint, Size: 4, Name: "unsigned int"}}
	number := &ctype.Type{Kind: ctype.Union, Name: "union number", Size: 8, Lang: event.LangC, Fields: []ctype.Field{{Name: "i", Type: cInt}, {Name: "d", Type: cDouble}}}
	file := &ctype.Type{Kind: ctype.Typedef, Name: "FILE", Lang: event.LangC, Elem: &ctype.Type{Kind: ctype.Opaque, Name: "struct _IO_FILE", Size: -1}}
	big := &ctype.Type{Kind: ctype.Struct, Name: "struct big", Size: 24, Lang: event.LangC, Fields: []ctype.Field{
		{Name: "a", Type: cLong}, {Name: "b", Type: cLong, Offset: 8}, {Name: "c", Type: cLong, Offset: 16},
	}}
	mixed := &ctype.Type{Kind: ctype.Struct, Name: "struct mixed", Size: 16, Lang: event.LangC, Fields: []ctype.Field{{Name: "n", Type: cInt}, {Name: "d", Type: cDouble, Offset: 8}}}
	for _, test := range []reading{
		{name: "numbers have their sign and size",
			sig:   with(c(cInt), param("a", cInt), param("n", cSize), param("c", cChar)),
			entry: func(m *plantest.Machine) { m.Set(ctype.RDI, 0xfffffffe).Set(ctype.RSI, 1<<40).Set(ctype.RDX, 0xff61) },
			exit:  func(m *plantest.Machine) { m.Set(ctype.RAX, 0xdeadbeefffffffff) },
			want:  "a=-2, n=1099511627776, c='a' = -1"},
		{name: "text, and NULL",
			sig:   with(c(cText), param("s", cText), param("t", cText), param("u", pointer(cChar))),
			entry: func(m *plantest.Machine) { m.Set(ctype.RDI, m.Text("hé\n")).Set(ctype.RDX, m.Text("x")) },
			exit:  func(m *plantest.Machine) { m.Set(ctype.RAX, m.Text("")) },
			want:  `s="hé\n", t=NULL, u="x" = ""`},
		{name: "text that is not there",
			sig:   with(c(), param("s", cText), param("t", pointer(cChar))),
			entry: func(m *plantest.Machine) { m.Set(ctype.RDI, 16).Set(ctype.RSI, m.Alloc(1, 2, 3, 0)) },
			want:  `s=<unreadable 0x10>, t=0x555500001000`, lost: 1},
		{name: "flags, enums, modes",
			sig: with(c(), param("f", flags), param("g", flags), param("c", color), param("d", color), param("m", mode)),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RDI, 0o2000000|1|8).Set(ctype.RSI, 0o4010000).Set(ctype.RDX, 1).Set(ctype.RCX, 7).Set(ctype.R8, 0o644)
			},
			want: "f=O_WRONLY|O_CLOEXEC|0x8, g=O_RDONLY|O_SYNC, c=GREEN, d=7, m=0644"},
		{name: "a float in a register cannot be seen, behind a pointer it can",
			sig:   with(c(cDouble), param("x", cDouble), param("p", pointer(cDouble)), param("i", cInt)),
			entry: func(m *plantest.Machine) { m.Set(ctype.RDI, m.Words(0x3ff8000000000000)).Set(ctype.RSI, 5) },
			want:  "x=<unavailable>, p=&1.5, i=5 = <unavailable>"},
		{name: "a struct behind a pointer, its text, its bits, its function",
			sig: with(c(), param("p", pointer(person)), param("q", pointer(person))),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RDI, m.Words(m.Text("Ada"), 36|0b1011<<32, 0x1000, 0x401000))
				m.Put(0x1000, plantest.Words(0, 0, 0, 0))
			},
			want: `p=&{name="Ada", age=36, old=-1, rank=-3, next=0x1000, cb=&compare}, q=NULL`},
		{name: "a struct in two registers, one of them a vector register",
			sig:   with(c(timespec), param("m", mixed), param("t", timespec)),
			entry: func(m *plantest.Machine) { m.Set(ctype.RDI, 9).Set(ctype.RSI, 1).Set(ctype.RDX, 2) },
			exit:  func(m *plantest.Machine) { m.Set(ctype.RAX, 3).Set(ctype.RDX, 4) },
			want:  "m={n=9, d=<unavailable>}, t={tv_sec=1, tv_nsec=2} = {tv_sec=3, tv_nsec=4}"},
		{name: "a struct on the stack, and one given back through memory",
			sig: with(c(big), param("x", big), param("n", cInt)),
			entry: func(m *plantest.Machine) {
				m.Put(m.EntrySP+8, plantest.Words(1, 2, 3))
				m.Set(ctype.RSI, 4)
			},
			exit: func(m *plantest.Machine) { m.Set(ctype.RAX, m.Words(5, 6, 7)) },
			want: "x={a=1, b=2, c=3}, n=4 = {a=5, b=6, c=7}"},
		{name: "the seventh argument lies on the stack",
			sig:   with(c(), param("a", cInt), param("b", cInt), param("c", cInt), param("d", cInt), param("e", cInt), param("f", cInt), param("g", cInt)),
			entry: func(m *plantest.Machine) { m.Put(m.EntrySP+8, plantest.Words(0xffffffff)) },
			want:  "a=0, b=0, c=0, d=0, e=0, f=0, g=-1"},
		{name: "a buffer with its length",
			sig: with(c(cLong), param("fd", cInt), ctype.Param{Name: "buf", Type: pointer(cVoid), Len: "n"}, param("n", cSize)),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RSI, m.Alloc([]byte("ab\x00cd")...)).Set(ctype.RDX, 5)
			},
			want: `fd=0, buf="ab\000cd", n=5 = 0`},
		{name: "what the callee fills is read at return, as much as it says",
			sig:   with(c(cLong), param("fd", cInt), ctype.Param{Name: "buf", Type: pointer(cVoid), Len: "return", Out: true}, param("n", cSize)),
			entry: func(m *plantest.Machine) { m.Set(ctype.RSI, 0x2000).Set(ctype.RDX, 100) },
			exit: func(m *plantest.Machine) {
				m.Put(0x2000, []byte("hello, world"))
				m.Set(ctype.RAX, 5)
			},
			want: `fd=0, buf="hello", n=100 = 5`},
		{name: "a failed call fills nothing",
			sig:   fails("negative", with(c(cLong), param("fd", cInt), ctype.Param{Name: "buf", Type: pointer(cVoid), Len: "return", Out: true})),
			entry: func(m *plantest.Machine) { m.Set(ctype.RSI, 0x2000) },
			exit:  func(m *plantest.Machine) { m.Set(ctype.RAX, ^uint64(0)) },
			want:  `fd=0, buf=0x2000 = -1`},
		{name: "a struct that the callee fills",
			sig:   with(c(cInt), param("clock", cInt), ctype.Param{Name: "ts", Type: pointer(timespec), Out: true}),
			entry: func(m *plantest.Machine) { m.Set(ctype.RSI, 0x2000) },
			exit:  func(m *plantest.Machine) { m.Put(0x2000, plantest.Words(1, 2)) },
			want:  `clock=0, ts=&{tv_sec=1, tv_nsec=2} = 0`},
		{name: "a result that is the error number",
			sig:  fails("nonzero", with(c(cInt))),
			exit: func(m *plantest.Machine) { m.Set(ctype.RAX, 16) },
			want: ` = 16 EBUSY`},
		{name: "a union shows all its members",
			sig:   with(c(), param("u", pointer(number))),
			entry: func(m *plantest.Machine) { m.Set(ctype.RDI, m.Words(0x3ff0000000000000)) },
			want:  "u=&{i=0, d=1.0}"},
		{name: "arrays: numbers to the limit, text to its NUL, text by element",
			sig: with(c(), param("n", pointer(array(cInt, 10))), param("t", pointer(array(cChar, 16))), param("v", pointer(pointer(cChar)))),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RDI, m.Words(1, 2, 3, 4, 5)).Set(ctype.RSI, m.Alloc([]byte("ab\x00garbage......")...))
				m.Set(ctype.RDX, m.Words(m.Text("argv0"), 0))
			},
			want: `n=&{1, 0, 2, 0, 3, 0, 4, 0, ...}, t=&"ab", v=&"argv0"`},
		{name: "addresses of sockets",
			sig: with(c(), ctype.Param{Name: "a", Type: pointer(&ctype.Type{Kind: ctype.Struct, Name: "struct sockaddr", Size: 16}), Len: "n"}, param("n", cInt),
				param("b", pointer(&ctype.Type{Kind: ctype.Opaque, Name: "struct sockaddr", Size: -1}))),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RDI, m.Alloc(2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)).Set(ctype.RSI, 16)
				m.Set(ctype.RDX, m.Alloc(append([]byte{1, 0, '/', 'r', 'u', 'n', '/', 's', 0}, make([]byte, 110)...)...))
			},
			want: "a=127.0.0.1:80, n=16, b=/run/s"},
		{name: "FILE shows its descriptor",
			sig: prototyped(with(c(), param("f", pointer(file)))),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RDI, m.Alloc(append(make([]byte, 112), 3, 0, 0, 0)...))
			},
			want: "f=&{fd=3}"},
		{name: "void pointers and functions",
			sig:   with(c(pointer(cVoid)), param("p", pointer(cVoid)), param("f", pointer(&ctype.Type{Kind: ctype.Func}))),
			entry: func(m *plantest.Machine) { m.Set(ctype.RDI, 0x1234).Set(ctype.RSI, 0x401000) },
			want:  "p=0x1234, f=&compare = NULL"},
	} {
		t.Run(test.name, func(t *testing.T) { test.check(t, names{0x401000: "compare"}) })
	}
}

// reading is a call as two machines have it, at its entry and at its return, and the line that it is shown as.
type reading struct {
	name        string
	sig         *ctype.Signature
	entry, exit func(m *plantest.Machine)
	want        string
	lost        int // pieces of memory that cannot be read
}

func (r *reading) check(t *testing.T, sym plan.Symbolizer) {
	t.Helper()
	entry, exit := plantest.NewMachine(), plantest.NewMachine()
	if r.entry != nil {
		r.entry(entry)
	}
	if r.exit != nil {
		r.exit(exit)
	}
	if got := line(call(t, r.sig, plan.DefaultLimits(), entry, exit, sym)); got != r.want {
		t.Errorf("got  %s\nwant %s", got, r.want)
	}
	if n := entry.Unreadable + exit.Unreadable; n != r.lost {
		t.Errorf("%d reads failed, want %d", n, r.lost)
	}
}

func fails(how string, sig *ctype.Signature) *ctype.Signature {
	sig.Fails = how
	return sig
}

func prototyped(sig *ctype.Signature) *ctype.Signature {
	sig.Source = "prototype"
	return sig
}
