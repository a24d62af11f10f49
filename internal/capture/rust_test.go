package capture_test

import (
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan/plantest"
)

func rs(kind ctype.Kind, name string, size int64) *ctype.Type {
	return &ctype.Type{Kind: kind, Name: name, Size: size, Lang: event.LangRust}
}

func rstruct(name string, size int64, fields ...any) *ctype.Type {
	t := class(name, size, false, fields...)
	t.Lang = event.LangRust
	return t
}

func rref(t *ctype.Type) *ctype.Type { return of(rs(ctype.Pointer, "&"+t.Name, 8), t) }

func rvec(elem *ctype.Type) *ctype.Type {
	nonNull := rstruct("core::ptr::non_null::NonNull<u8>", 8, "pointer", of(rs(ctype.Pointer, "*const u8", 8), rs(ctype.Uint, "u8", 1)), 0)
	unique := rstruct("core::ptr::unique::Unique<u8>", 8, "pointer", nonNull, 0, "_marker", rstruct("core::marker::PhantomData<u8>", 0), 0)
	inner := rstruct("alloc::raw_vec::RawVecInner<Global>", 16, "ptr", unique, 8, "cap", rs(ctype.Uint, "usize", 8), 0)
	raw := rstruct("alloc::raw_vec::RawVec<T>", 16, "inner", inner, 0)
	return args(rstruct("alloc::vec::Vec<"+elem.Name+", alloc::alloc::Global>", 24, "buf", raw, 0, "len", rs(ctype.Uint, "usize", 8), 16), elem)
}

// option is Option<T>; with niche, None is a first word of 0.
func option(elem *ctype.Type, niche bool) *ctype.Type {
	some := rstruct("Some", elem.Size, "__0", elem, 0)
	t := rs(ctype.Variant, "core::option::Option<"+elem.Name+">", elem.Size)
	word := &ctype.Field{Type: rs(ctype.Uint, "u64", 8)}
	t.Variants = &ctype.Variants{Discr: word, Cases: []ctype.VariantCase{
		{Name: "None", Values: []ctype.DiscrRange{{}}, Type: rstruct("None", elem.Size)}, {Name: "Some", Default: true, Type: some},
	}}
	if !niche {
		some.Fields[0].Offset = 8
		some.Size, t.Size = elem.Size+8, elem.Size+8
		t.Variants.Cases[1].Default, t.Variants.Cases[1].Values = false, []ctype.DiscrRange{{Low: 1, High: 1}}
	}
	return t
}

func rustsig(results ...*ctype.Type) *ctype.Signature {
	sig := c(results...)
	sig.Lang, sig.Convention = event.LangRust, ctype.RustABI
	return sig
}

func TestRustCallsReadAsTheirSourceSays(t *testing.T) {
	u8, i32, u32, u64 := rs(ctype.Uint, "u8", 1), rs(ctype.Int, "i32", 4), rs(ctype.Uint, "u32", 4), rs(ctype.Uint, "u64", 8)
	str := rs(ctype.Str, "&str", 16)
	slice := of(rs(ctype.Slice, "&[i32]", 16), i32)
	vec := rvec(u8)
	text := rstruct("alloc::string::String", 24, "vec", vec, 0)
	point := rstruct("geo::Point", 8, "x", i32, 0, "y", i32, 4)
	tuple := rstruct("(i32, i32)", 8, "__0", i32, 0, "__1", i32, 4)
	meters := rstruct("geo::Meters", 8, "__0", u64, 0)
	box := of(rs(ctype.Pointer, "alloc::boxed::Box<geo::Point, alloc::alloc::Global>", 8), point)
	inner := rstruct("alloc::rc::RcInner<geo::Point>", 24, "strong", u64, 0, "weak", u64, 8, "value", point, 16)
	rc := rstruct("alloc::rc::Rc<geo::Point>", 8, "ptr", rstruct("core::ptr::non_null::NonNull<RcInner>", 8, "pointer", of(rs(ctype.Pointer, "*const RcInner", 8), inner), 0), 0)
	shape := rs(ctype.Variant, "geo::Shape", 32)
	shape.Variants = &ctype.Variants{Discr: &ctype.Field{Type: u64}, Cases: []ctype.VariantCase{
		{Name: "Unit", Values: []ctype.DiscrRange{{Low: 0, High: 0}}, Type: rstruct("Unit", 32)},
		{Name: "Named", Values: []ctype.DiscrRange{{Low: 1, High: 1}}, Type: rstruct("Named", 32, "name", text, 8)},
		{Name: "Pair", Values: []ctype.DiscrRange{{Low: 2, High: 2}}, Type: rstruct("Pair", 32, "__0", i32, 8, "__1", i32, 12)},
	}}
	color := &ctype.Type{Kind: ctype.Enum, Name: "geo::Color", Size: 1, Lang: event.LangRust, Enumerators: []ctype.Enumerator{{Name: "Red"}, {Name: "Blue", Value: 1}}}
	duration := rstruct("core::time::Duration", 16, "secs", u64, 0, "nanos", rstruct("core::num::niche_types::Nanoseconds", 4, "__0", u32, 0), 8)
	table := rstruct("hashbrown::raw::RawTable<T>", 32, "items", u64, 24)
	hash := rstruct("std::collections::hash::map::HashMap<String, i32>", 48, "base", rstruct("hashbrown::map::HashMap<String, i32>", 48, "table", table, 0), 0)
	atomic := rstruct("core::sync::atomic::AtomicU64", 8, "v", rstruct("core::cell::UnsafeCell<u64>", 8, "value", u64, 0), 0)
	for _, test := range []reading{
		{name: "text, numbers, characters, tuples",
			sig: with(rustsig(u32), param("s", str), param("c", rs(ctype.Rune, "char", 4)), param("t", tuple), param("m", meters)),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RDI, m.Alloc([]byte("crab")...)).Set(ctype.RSI, 4).Set(ctype.RDX, 'é').Set(ctype.RCX, 1).Set(ctype.R8, 2).Set(ctype.R9, 7)
			},
			exit: func(m *plantest.Machine) { m.Set(ctype.RAX, 9) },
			want: `s="crab", c='é', t=(1, 2), m=Meters(7) = 9`},
		{name: "slices, vectors, strings, references",
			sig: with(rustsig(text), param("a", slice), param("v", rref(rvec(text))), param("s", rref(text)), param("p", rref(point))),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RSI, m.Words(2<<32|1, 3)).Set(ctype.RDX, 3)
				at := m.Alloc([]byte("xyz")...)
				m.Set(ctype.RCX, m.Words(2, m.Words(3, at, 3, 3, at, 1), 2)).Set(ctype.R8, m.Words(3, at, 2)).Set(ctype.R9, m.Words(2<<32|1))
			},
			exit: func(m *plantest.Machine) { m.Set(ctype.RAX, m.Words(5, m.Alloc([]byte("reply")...), 5)) },
			want: `a=[1, 2, 3], v=vec!["xyz", "x"], s="xy", p=&Point { x: 1, y: 2 } = "reply"`},
		{name: "options with and without a niche",
			sig:   with(rustsig(option(u64, false)), param("a", option(str, true)), param("b", option(str, true))),
			entry: func(m *plantest.Machine) { m.Set(ctype.RDI, m.Alloc([]byte("hi")...)).Set(ctype.RSI, 2) },
			exit:  func(m *plantest.Machine) { m.Set(ctype.RAX, 1).Set(ctype.RDX, 5) },
			want:  `a=Some("hi"), b=None = Some(5)`},
		{name: "enums with data",
			sig: with(rustsig(), param("a", rref(shape)), param("b", rref(shape)), param("c", rref(shape)), param("d", color)),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RDI, m.Words(0, 0x10, 0x10, 9)).Set(ctype.RSI, m.Words(1, 4, m.Alloc([]byte("name")...), 4)).Set(ctype.RDX, m.Words(2, 2<<32|1, 0, 0)).Set(ctype.RCX, 1)
			},
			want: `a=&Unit, b=&Named { name: "name" }, c=&Pair(1, 2), d=Blue`},
		{name: "Box, Rc, Duration, HashMap, atomics",
			sig: with(rustsig(), param("a", box), param("b", rc), param("d", duration), param("h", rref(hash)), param("n", rref(atomic))),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RDI, m.Words(2<<32|1)).Set(ctype.RSI, m.Words(1, 1, 4<<32|3)).Set(ctype.RDX, 1).Set(ctype.RCX, 500000000)
				m.Set(ctype.R8, m.Words(0, 0, 0, 3, 0, 0)).Set(ctype.R9, m.Words(42))
			},
			want: `a=Point { x: 1, y: 2 }, b=Point { x: 3, y: 4 }, d=1.5s, h=&(len 3), n=&42`},
	} {
		t.Run(test.name, func(t *testing.T) { test.check(t, nil) })
	}
}
