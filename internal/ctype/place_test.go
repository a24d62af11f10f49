package ctype

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/event"
)

var (
	tInt    = &Type{Kind: Int, Name: "int", Size: 4}
	tLong   = &Type{Kind: Int, Name: "long", Size: 8}
	tShort  = &Type{Kind: Int, Name: "short", Size: 2}
	tChar   = &Type{Kind: Char, Name: "char", Size: 1, Signed: true}
	tFloat  = &Type{Kind: Float, Name: "float", Size: 4}
	tDouble = &Type{Kind: Float, Name: "double", Size: 8}
	tLongD  = &Type{Kind: Float, Name: "long double", Size: 16}
	tQuad   = &Type{Kind: Float, Name: "_Float128", Size: 16}
	tInt128 = &Type{Kind: Int, Name: "__int128", Size: 16}
	tPtr    = &Type{Kind: Pointer, Elem: tInt}
	tVec16  = &Type{Kind: Array, Elem: tFloat, Len: 4, Size: 16, Vector: true}
	tVec32  = &Type{Kind: Array, Elem: tFloat, Len: 8, Size: 32, Vector: true}
)

// layout makes a struct whose fields follow each other as C lays them out.
func layout(types ...*Type) *Type {
	s := &Type{Kind: Struct, Name: "struct s"}
	for i, t := range types {
		at := roundUp(s.Size, t.Alignof())
		s.Fields = append(s.Fields, Field{Name: fmt.Sprint("f", i), Type: t, Offset: at})
		s.Size = at + t.Sizeof()
	}
	s.Size = roundUp(s.Size, s.Alignof())
	return s
}

func union(types ...*Type) *Type {
	s := layout(types...)
	s.Kind, s.Size = Union, 0
	for i := range s.Fields {
		s.Fields[i].Offset = 0
		s.Size = max(s.Size, s.Fields[i].Type.Sizeof())
	}
	s.Size = roundUp(s.Size, s.Alignof())
	return s
}

func array(t *Type, n int64) *Type { return &Type{Kind: Array, Elem: t, Len: n, Size: n * t.Sizeof()} }

func nontrivial(t *Type) *Type { t.NonTrivial = true; return t }

func signature(c Convention, result *Type, params ...*Type) *Signature {
	sig := &Signature{Convention: c}
	if result != nil {
		sig.Results = []Param{{Type: result}}
	}
	for _, t := range params {
		sig.Params = append(sig.Params, Param{Type: t})
	}
	return sig
}

var registerNames = strings.Fields("rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15")

// short writes a placement for comparison: "rdi:4" is 4 bytes in rdi, "8@12" 12 bytes at rsp+8, "[rdi]24" 24 bytes
// where rdi points; parts of one value are joined by "+", "_" is a value without bytes.
func short(places [][]Piece) string {
	var words []string
	for _, pieces := range places {
		var parts []string
		for _, p := range pieces {
			name := fmt.Sprint("x", int(p.Reg)-int(XMM0))
			if !p.Reg.Vector() {
				name = registerNames[p.Reg]
			}
			switch p.Kind {
			case InRegister:
				parts = append(parts, fmt.Sprintf("%s:%d", name, p.Size))
			case OnStack:
				parts = append(parts, fmt.Sprintf("%d@%d", p.Offset, p.Size))
			case InMemory:
				parts = append(parts, fmt.Sprintf("[%s]%d", name, p.Size))
			case ByStackedAddress:
				parts = append(parts, fmt.Sprintf("[%d@]%d", p.Offset, p.Size))
			case InX87:
				parts = append(parts, "st")
			case Nowhere:
				parts = append(parts, "?")
			}
		}
		if parts == nil {
			parts = []string{"_"}
		}
		words = append(words, strings.Join(parts, "+"))
	}
	return strings.Join(words, " ")
}

func TestPlaceFollowsTheSystemVABI(t *testing.T) {
	bits := &Type{Kind: Struct, Size: 16, Fields: []Field{
		{Type: tInt, BitOffset: 0, BitSize: 30}, {Type: tInt, BitOffset: 32, BitSize: 10}, {Type: tDouble, Offset: 8}}}
	packed := &Type{Kind: Struct, Size: 9, Align: 1, Fields: []Field{{Type: tChar}, {Type: tDouble, Offset: 1}}}
	for _, c := range []struct {
		name   string
		result *Type
		params []*Type
		in     string
		out    string
	}{
		{name: "six integers, the rest on the stack", params: []*Type{tInt, tLong, tPtr, tChar, tLong, tInt, tInt, tLong},
			in: "rdi:4 rsi:8 rdx:8 rcx:1 r8:8 r9:4 8@4 16@8"},
		{name: "a double does not shift its neighbours", params: []*Type{tInt, tDouble, tPtr, tFloat}, in: "rdi:4 x0:8 rsi:8 x1:4"},
		{name: "nine doubles", params: []*Type{tDouble, tDouble, tDouble, tDouble, tDouble, tDouble, tDouble, tDouble, tDouble, tInt},
			in: "x0:8 x1:8 x2:8 x3:8 x4:8 x5:8 x6:8 x7:8 8@8 rdi:4"},
		{name: "a struct of two longs", params: []*Type{layout(tLong, tLong)}, in: "rdi:8+rsi:8"},
		{name: "int and double in one struct", result: layout(tInt, tDouble), params: []*Type{layout(tInt, tDouble)}, in: "rdi:8+x0:8", out: "rax:8+x0:8"},
		{name: "two floats share a register", params: []*Type{layout(tFloat, tFloat)}, in: "x0:8"},
		{name: "an int beside a float makes the eightbyte integer", params: []*Type{layout(tInt, tFloat)}, in: "rdi:8"},
		{name: "three floats", result: layout(tFloat, tFloat, tFloat), params: []*Type{layout(tFloat, tFloat, tFloat)}, in: "x0:8+x1:4", out: "x0:8+x1:4"},
		{name: "a struct over 16 bytes is on the stack and shifts nobody", params: []*Type{layout(tLong, tLong, tLong), tInt, tInt}, in: "8@24 rdi:4 rsi:4"},
		{name: "a struct that no longer fits the registers leaves them to others",
			params: []*Type{tInt, tInt, tInt, tInt, tInt, layout(tLong, tLong), tInt}, in: "rdi:4 rsi:4 rdx:4 rcx:4 r8:4 8@16 r9:4"},
		{name: "a large result shifts the parameters", result: layout(tLong, tLong, tLong), params: []*Type{tInt, tInt}, in: "rsi:4 rdx:4", out: "[rax]24"},
		{name: "a nested array", params: []*Type{layout(array(layout(tShort, tShort), 3))}, in: "rdi:8+rsi:4"},
		{name: "bit-fields are integers", params: []*Type{bits}, in: "rdi:8+x0:8"},
		{name: "a packed struct goes to memory", params: []*Type{packed}, in: "8@9"},
		{name: "a union of int and double is an integer", params: []*Type{union(tInt, tDouble)}, in: "rdi:8"},
		{name: "a union of doubles", params: []*Type{union(tFloat, tDouble)}, in: "x0:8"},
		{name: "long double goes by the stack, aligned", result: tLongD, params: []*Type{tInt, tLongD, layout(tChar, tLongD)}, in: "rdi:4 8@16 24@32", out: "st"},
		{name: "long double after an odd slot", params: []*Type{layout(tLong, tLong, tLong), tLongD}, in: "8@24 40@16"},
		{name: "complex", result: &Type{Kind: Complex, Size: 16}, params: []*Type{{Kind: Complex, Size: 16}, {Kind: Complex, Size: 8}, {Kind: Complex, Size: 32}},
			in: "x0:8+x1:8 x2:8 8@32", out: "x0:8+x1:8"},
		{name: "complex long double comes back on the x87 stack", result: &Type{Kind: Complex, Size: 32}, out: "st+st"},
		{name: "__int128", result: tInt128, params: []*Type{tInt128, tInt, tInt, tInt, tInt128, tInt}, in: "rdi:8+rsi:8 rdx:4 rcx:4 r8:4 8@16 r9:4", out: "rax:8+rdx:8"},
		{name: "_Float128 and vectors are whole in one register", result: tVec32, params: []*Type{tQuad, tVec16, tVec32, layout(tVec16)},
			in: "x0:16 x1:16 x2:32 x3:16", out: "x0:32"},
		{name: "a C++ class with a destructor goes by address", result: nontrivial(layout(tInt)), params: []*Type{tPtr, nontrivial(layout(tLong, tLong, tLong)), tInt},
			in: "rsi:8 [rdx]24 rcx:4", out: "[rax]4"},
		{name: "by address, with all registers taken", params: []*Type{tInt, tInt, tInt, tInt, tInt, tInt, nontrivial(layout(tInt))},
			in: "rdi:4 rsi:4 rdx:4 rcx:4 r8:4 r9:4 [8@]4"},
		{name: "an empty C++ class takes no place", params: []*Type{{Kind: Struct, Size: 1}, tInt}, in: "_ rdi:4"},
		{name: "an incomplete type hides what follows", params: []*Type{tInt, {Kind: Opaque, Size: -1}, tInt}, in: "rdi:4 ? ?"},
	} {
		p := Place(signature(SysV, c.result, c.params...))
		if got := short(p.Params); got != c.in {
			t.Errorf("%s: parameters at %s, want %s", c.name, got, c.in)
		}
		if got := short(p.Results); got != c.out {
			t.Errorf("%s: result at %s, want %s", c.name, got, c.out)
		}
	}
}

func TestPlaceFollowsGosInternalABI(t *testing.T) {
	str := &Type{Kind: GoString, Size: 16}
	slice := &Type{Kind: Slice, Lang: event.LangGo, Size: 24}
	iface := &Type{Kind: Interface, Size: 16}
	for _, c := range []struct {
		name    string
		c       Convention
		params  []*Type
		results []*Type
		in, out string
	}{
		{name: "nine integers", c: GoRegs, params: []*Type{tInt, tLong, str, slice, tPtr, tPtr, tChar}, results: []*Type{tInt, iface},
			in: "rax:4 rbx:8 rcx:8+rdi:8 rsi:8+r8:8+r9:8 r10:8 r11:8 8@1", out: "rax:4 rbx:8+rcx:8"},
		{name: "all or nothing, and later ones still fit", c: GoRegs, params: []*Type{slice, slice, str, slice, tInt},
			in: "rax:8+rbx:8+rcx:8 rdi:8+rsi:8+r8:8 r9:8+r10:8 8@24 r11:4"},
		{name: "floats have their own registers", c: GoRegs, params: []*Type{tDouble, tInt, {Kind: Complex, Size: 16}, tFloat}, in: "x0:8 rax:4 x1:8+x2:8 x3:4"},
		{name: "structs are taken apart", c: GoRegs, params: []*Type{layout(tChar, layout(tDouble, tShort), array(tLong, 1))}, in: "rax:1+x0:8+rbx:2+rcx:8"},
		{name: "an array of two goes to the stack, results after it", c: GoRegs, params: []*Type{array(tInt, 2), tChar, array(tChar, 3)}, results: []*Type{array(tLong, 2)},
			in: "8@8 rax:1 16@3", out: "24@16"},
		{name: "a value without bytes takes no register", c: GoRegs, params: []*Type{{Kind: Struct}, tInt}, in: "_ rax:4"},
		{name: "ABI0 packs the stack", c: GoStack, params: []*Type{tInt, tInt, tLong, tChar}, results: []*Type{tLong, tChar}, in: "8@4 12@4 16@8 24@1", out: "32@8 40@1"},
	} {
		sig := signature(c.c, nil, c.params...)
		for _, r := range c.results {
			sig.Results = append(sig.Results, Param{Type: r})
		}
		p := Place(sig)
		if in, out := short(p.Params), short(p.Results); in != c.in || out != c.out {
			t.Errorf("%s: %s -> %s, want %s -> %s", c.name, in, out, c.in, c.out)
		}
	}
}

// option makes an enum of one variant without and one with data, tagged as rustc does.
func option(tag *Type, data *Type) *Type {
	some := layout(tag, data)
	return &Type{Kind: Variant, Size: some.Size, Variants: &Variants{Discr: &Field{Type: tag}, Cases: []VariantCase{
		{Name: "None", Values: []DiscrRange{{0, 0}}, Type: &Type{Kind: Struct, Size: some.Size}},
		{Name: "Some", Values: []DiscrRange{{1, 1}}, Type: &Type{Kind: Struct, Size: some.Size, Fields: some.Fields[1:]}}}}}
}

func TestPlaceFollowsRustc(t *testing.T) {
	str := &Type{Kind: Str, Size: 16}
	niche := &Type{Kind: Variant, Size: 16, Variants: &Variants{Discr: &Field{Type: tLong}, Cases: []VariantCase{
		{Name: "None", Values: []DiscrRange{{0, 0}}, Type: &Type{Kind: Struct, Size: 16}},
		{Name: "Some", Default: true, Type: layout(str)}}}}
	for _, c := range []struct {
		name    string
		result  *Type
		params  []*Type
		in, out string
	}{
		{name: "text is two arguments", result: str, params: []*Type{tInt, str}, in: "rdi:4 rsi:8+rdx:8", out: "rax:8+rdx:8"},
		{name: "a pair of small integers is two arguments", result: layout(tInt, tInt), params: []*Type{layout(tInt, tInt)}, in: "rdi:4+rsi:4", out: "rax:4+rdx:4"},
		{name: "a pair of mixed class", result: layout(tChar, tFloat), params: []*Type{layout(tChar, tFloat)}, in: "rdi:1+x0:4", out: "rax:1+x0:4"},
		{name: "three scalars go by address", result: layout(tInt, tInt, tInt), params: []*Type{layout(tInt, tInt, tInt)}, in: "[rsi]12", out: "[rax]12"},
		{name: "a small aggregate is one integer", result: array(tFloat, 2), params: []*Type{array(tFloat, 2), array(tDouble, 1)}, in: "rdi:8 rsi:8", out: "rax:8"},
		{name: "a pair may lie half on the stack", params: []*Type{tLong, tLong, tLong, tLong, tLong, layout(tLong, tLong)}, in: "rdi:8 rsi:8 rdx:8 rcx:8 r8:8 r9:8+8@8"},
		{name: "u128 does not", params: []*Type{tLong, tLong, tLong, tLong, tLong, tInt128, tLong}, in: "rdi:8 rsi:8 rdx:8 rcx:8 r8:8 8@16 r9:8"},
		{name: "Option<u32> is a pair", result: option(tInt, tInt), params: []*Type{option(tInt, tInt)}, in: "rdi:4+rsi:4", out: "rax:4+rdx:4"},
		{name: "Option<&str> has the shape of &str", result: niche, params: []*Type{niche}, in: "rdi:8+rsi:8", out: "rax:8+rdx:8"},
		{name: "a newtype is what it holds", params: []*Type{layout(layout(tDouble))}, in: "x0:8"},
		{name: "nothing takes no place", params: []*Type{{Kind: Struct}, tInt}, in: "_ rdi:4"},
	} {
		p := Place(signature(RustABI, c.result, c.params...))
		if in, out := short(p.Params), short(p.Results); in != c.in || out != c.out {
			t.Errorf("%s: %s -> %s, want %s -> %s", c.name, in, out, c.in, c.out)
		}
	}
}

func TestPlaceEndsOnCyclicTypes(t *testing.T) {
	loop := &Type{Kind: Typedef, Name: "loop"}
	loop.Elem = loop
	nested := &Type{Kind: Struct, Size: 16}
	for range 3 {
		nested.Fields = append(nested.Fields, Field{Type: nested})
	}
	rows := &Type{Kind: Array, Len: 1 << 40}
	rows.Elem = &Type{Kind: Array, Len: 1 << 40, Elem: tInt}
	for _, hostile := range []*Type{loop, nested, rows, nil, {Kind: Union, Size: 8, Fields: nested.Fields}} {
		for _, c := range []Convention{SysV, GoRegs, GoStack, RustABI} {
			Place(signature(c, hostile, hostile, tInt))
		}
	}
}

func TestWhatDebugInformationKnowsWins(t *testing.T) {
	sig := signature(SysV, tInt, tInt, tInt)
	sig.Params[0].Where = []Piece{{Kind: Nowhere, Size: 4}}
	sig.Params[1].Where = []Piece{{Kind: InRegister, Reg: RDI, Size: 4}}
	if got := short(Place(sig).Params); got != "? rdi:4" {
		t.Errorf("parameters at %s, want ? rdi:4", got)
	}
}
