package capture_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/capture"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/plantest"
)

// slots plans a call's parameters and gives the slots.
func slots(sig *ctype.Signature, limits plan.Limits) ([]plan.Slot, []plan.Node) {
	var list []plan.Slot
	nodes := capture.Params(sig, ctype.Place(sig), limits, func(s plan.Slot) int {
		list = append(list, s)
		return len(list) - 1
	})
	return list, nodes
}

func TestACallIsPlannedWithinItsBounds(t *testing.T) {
	wide := &ctype.Type{Kind: ctype.Struct, Name: "struct wide", Size: 8 * 300, Lang: event.LangC}
	for i := range 300 {
		wide.Fields = append(wide.Fields, ctype.Field{Name: fmt.Sprint("f", i), Type: pointer(cChar), Offset: int64(8 * i)})
	}
	itself := &ctype.Type{Kind: ctype.Struct, Name: "struct itself", Size: 16, Lang: event.LangC}
	itself.Fields = []ctype.Field{{Name: "a", Type: itself}, {Name: "b", Type: itself, Offset: 8}, {Name: "next", Type: pointer(itself)}}
	var many []ctype.Param
	for i := range 100 {
		many = append(many, param(fmt.Sprint("p", i), cText))
	}
	for name, sig := range map[string]*ctype.Signature{
		"a struct of 300 texts": with(c(), param("w", pointer(wide)), param("v", pointer(wide))),
		"a type within itself":  with(c(), param("i", itself), param("p", pointer(itself))),
		"100 parameters":        with(c(), many...),
		"a vector of vectors":   with(cpp(), param("v", reference(vectorOf("std::vector<std::vector<int>>", vectorOf("std::vector<int>", xInt))))),
	} {
		limits := plan.DefaultLimits()
		limits.Depth, limits.Elems = 8, 64
		list, nodes := slots(sig, limits)
		if len(list) > 64 || len(nodes) != len(sig.Params) {
			t.Errorf("%s: %d slots, %d nodes", name, len(list), len(nodes))
		}
		for _, s := range list {
			if s.Size > limits.Capture {
				t.Errorf("%s: a slot of %d bytes", name, s.Size)
			}
		}
		m := plantest.NewMachine()
		call := call(t, sig, limits, m, m, nil)
		if len(call.Args) != len(sig.Params) || len(line(call)) > 1<<16 {
			t.Errorf("%s: %d arguments in %d bytes", name, len(call.Args), len(line(call)))
		}
	}
}

func TestDepthSaysHowManyPointersAreFollowed(t *testing.T) {
	sig := with(c(), param("p", pointer(person)), param("s", cText))
	for depth, want := range []string{
		`p=0x555500003000, s=0x555500001000`,
		`p=&{name=0x555500001000, age=0, old=0, rank=0, next=0x555500003000, cb=NULL}, s="x"`,
		`p=&{name="x", age=0, old=0, rank=0, next=0x555500003000, cb=NULL}, s="x"`,
		`p=&{name="x", age=0, old=0, rank=0, next=&{name="x", age=0, old=0, rank=0, next=0x555500003000, cb=NULL}, cb=NULL}, s="x"`,
	} {
		m := plantest.NewMachine()
		text := m.Text("x")
		at := m.Words(text, 0, 0x555500003000, 0)
		m.Set(ctype.RDI, at).Set(ctype.RSI, text)
		limits := plan.DefaultLimits()
		limits.Depth = depth
		if got := line(call(t, sig, limits, m, m, nil)); got != want {
			t.Errorf("depth %d\ngot  %s\nwant %s", depth, got, want)
		}
	}
}

func TestRegistersOfUntypedFunctionsAreGuesses(t *testing.T) {
	m := plantest.NewMachine()
	m.Set(ctype.RDI, m.Text("text")).Set(ctype.RSI, 5).Set(ctype.RDX, 0xfffffffe).Set(ctype.RCX, m.Alloc(1, 2, 0)).Set(ctype.R8, 0x7fffffffffff).Set(ctype.R9, ^uint64(0))
	m.Set(ctype.RAX, 7)
	var list []plan.Slot
	keep := func(s plan.Slot) int {
		list = append(list, s)
		return len(list) - 1
	}
	shape := plan.Shape{ErrnoSlot: -1, StackSlot: -1, Args: capture.Guess(plan.DefaultLimits(), keep)}
	shape.Result = capture.GuessResult(event.LangC, plan.DefaultLimits(), keep)
	p := &plan.Plan{
		Functions: []plan.Function{{Lang: event.LangC}}, Limits: plan.DefaultLimits(),
		Emissions: []plan.Emission{{Kind: plan.EmitCall, Slots: list, Shape: shape}},
		Probes:    []plan.Probe{{Bodies: []plan.Body{{Stmts: []plan.Stmt{&plan.Emit{}}}}}},
	}
	e, err := plan.NewDecoder(p, plan.Clock{Wall: time.Unix(0, 0)}, nil).Record(plantest.Record(plan.EmitCall, plantest.Header{}, m.Capture(list)))
	if err != nil {
		t.Fatal(err)
	}
	got := e.(*event.Call)
	want := `arg0="text"?, arg1=5, arg2=-2, arg3=0x555500003000, arg4=0x7fffffffffff, arg5=-1 = 7`
	if line(got) != want || !got.Args[0].Value.Guess || got.Return.Guess {
		t.Errorf("got  %s\nwant %s", line(got), want)
	}
}

func TestAnExpressionIsCapturedByItsType(t *testing.T) {
	for _, test := range []struct {
		t    *ctype.Type
		want string
	}{
		{cInt, "5"}, {pointer(timespec), "&{tv_sec=1, tv_nsec=2}"}, {timespec, "{tv_sec=1, tv_nsec=2}"}, {cText, `"\001"`}, {array(cLong, 2), "{1, 2}"},
	} {
		m := plantest.NewMachine()
		m.Set(ctype.RDI, m.Words(1, 2))
		if test.t == cInt {
			m.Set(ctype.RDI, 5)
		}
		var list []plan.Slot
		node := capture.Expr(&plan.Reg{R: ctype.RDI}, test.t, event.LangC, plan.DefaultLimits(), func(s plan.Slot) int {
			list = append(list, s)
			return len(list) - 1
		})
		p := &plan.Plan{
			Limits: plan.DefaultLimits(), Functions: []plan.Function{{Lang: event.LangC}},
			Emissions: []plan.Emission{{Kind: plan.EmitPrintf, Format: "%r", Slots: list, Shape: plan.Shape{Args: []plan.Node{node}}}},
			Probes:    []plan.Probe{{Bodies: []plan.Body{{Stmts: []plan.Stmt{&plan.Emit{}}}}}},
		}
		e, err := plan.NewDecoder(p, plan.Clock{}, nil).Record(plantest.Record(plan.EmitPrintf, plantest.Header{}, m.Capture(list)))
		if err != nil || e.(*event.Print).Text() != test.want {
			t.Errorf("%v: %+v, %v, want %s", test.t, e, err, test.want)
		}
	}
}

// FuzzTypes: no type that a hostile file can describe, and no memory that it meets, makes planning or decoding panic or
// leave its bounds.
func FuzzTypes(f *testing.F) {
	f.Add([]byte{1, 2, 3, 10, 0, 20, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 17, 18, 19, 20, 21, 22, 23, 24}, []byte("memory"))
	f.Add([]byte("#\x01"), []byte("0")) // a complex number of one byte
	f.Fuzz(func(t *testing.T, shape, memory []byte) {
		g := generator{rest: shape}
		root := g.make(0)
		for _, lang := range []event.Language{event.LangC, event.LangCPP, event.LangGo, event.LangRust} {
			sig := &ctype.Signature{Lang: lang, Params: []ctype.Param{{Name: "a", Type: root}, {Name: "b", Type: pointer(root)}}, Results: []ctype.Param{{Type: root}}}
			m := plantest.NewMachine()
			m.Set(ctype.RDI, m.Alloc(memory...)).Set(ctype.RSI, m.Alloc(memory...)).Set(ctype.RAX, m.Alloc(memory...)).Set(ctype.RBX, m.Alloc(memory...))
			c := call(t, sig, plan.DefaultLimits(), m, m, nil)
			line(c)
		}
	})
}

// generator makes types from bytes; earlier types are used again, so that they may be cyclic.
type generator struct {
	rest []byte
	made []*ctype.Type
}

func (g *generator) byte() int {
	if len(g.rest) == 0 {
		return 0
	}
	b := g.rest[0]
	g.rest = g.rest[1:]
	return int(b)
}

func (g *generator) make(depth int) *ctype.Type {
	n := g.byte()
	if depth > 5 || n > 200 && len(g.made) > 0 {
		if len(g.made) == 0 {
			return nil
		}
		return g.made[n%len(g.made)]
	}
	names := []string{"", "std::vector<int>", "std::map<int, int>", "std::__cxx11::basic_string<char>", "alloc::vec::Vec<u8>", "alloc::string::String", "time.Time", "error", "core::time::Duration", "std::deque<int>", "struct iovec"}
	t := &ctype.Type{Kind: ctype.Kind(n % 28), Size: int64(int8(g.byte())), Len: int64(int8(g.byte())), Name: names[g.byte()%len(names)], Lang: event.Language(n % 5), Signed: n&1 != 0}
	g.made = append(g.made, t)
	t.Elem, t.Key = g.make(depth+1), g.make(depth+1)
	t.Args = []*ctype.Type{g.make(depth + 1), t.Elem}
	members := []string{"_M_p", "_M_start", "_M_finish", "len", "pointer", "_M_header", "_M_node_count", "_M_nxt", "", "__0", "secs"}
	for range g.byte() % 4 {
		t.Fields = append(t.Fields, ctype.Field{
			Name: members[g.byte()%len(members)], Type: g.make(depth + 1), Offset: int64(int8(g.byte())), BitOffset: int64(int8(g.byte())), BitSize: int64(g.byte() % 70), Base: n&2 != 0,
		})
	}
	t.Variants = &ctype.Variants{Cases: []ctype.VariantCase{{Name: "A", Values: []ctype.DiscrRange{{Low: 1, High: 2}}, Type: g.make(depth + 1)}, {Default: true, Type: t.Elem}}}
	if len(t.Fields) > 0 {
		t.Variants.Discr = &t.Fields[0]
	}
	return t
}
