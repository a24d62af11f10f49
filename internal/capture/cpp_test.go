package capture_test

import (
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/plantest"
)

// class makes a C++ class; fields are given as name, type, offset.
func class(name string, size int64, nonTrivial bool, fields ...any) *ctype.Type {
	t := &ctype.Type{Kind: ctype.Struct, Name: name, Size: size, Lang: event.LangCPP, NonTrivial: nonTrivial}
	for i := 0; i < len(fields); i += 3 {
		t.Fields = append(t.Fields, ctype.Field{Name: fields[i].(string), Type: fields[i+1].(*ctype.Type), Offset: int64(fields[i+2].(int))})
	}
	return t
}

func args(t *ctype.Type, types ...*ctype.Type) *ctype.Type {
	t.Args = types
	return t
}

func reference(t *ctype.Type) *ctype.Type {
	return &ctype.Type{Kind: ctype.Reference, Size: 8, Elem: t, Lang: event.LangCPP}
}

var (
	xChar   = &ctype.Type{Kind: ctype.Char, Name: "char", Size: 1, Signed: true, Lang: event.LangCPP}
	xInt    = &ctype.Type{Kind: ctype.Int, Name: "int", Size: 4, Lang: event.LangCPP}
	xBool   = &ctype.Type{Kind: ctype.Bool, Name: "bool", Size: 1, Lang: event.LangCPP}
	xUlong  = &ctype.Type{Kind: ctype.Uint, Name: "unsigned long", Size: 8, Lang: event.LangCPP}
	xFunc   = pointer(&ctype.Type{Kind: ctype.Func, Lang: event.LangCPP})
	xString = class("std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >", 32, true,
		"_M_dataplus", class("_Alloc_hider", 8, true, "_M_p", pointer(xChar), 0), 0, "_M_string_length", xUlong, 8, "", array(xChar, 16), 16)
	oldString  = class("std::basic_string<char, std::char_traits<char>, std::allocator<char> >", 8, true, "_M_dataplus", class("_Alloc_hider", 8, true, "_M_p", pointer(xChar), 0), 0)
	libcString = args(class("std::__1::basic_string<char, std::__1::char_traits<char>, std::__1::allocator<char> >", 24, true, "__r_", class("std::__1::__compressed_pair<rep>", 24, true), 0), xChar)
	stringView = class("std::basic_string_view<char, std::char_traits<char> >", 16, false, "_M_len", xUlong, 0, "_M_str", pointer(xChar), 8)
)

func vectorOf(name string, elem *ctype.Type) *ctype.Type {
	impl := class("_Vector_impl", 24, true, "_M_start", pointer(elem), 0, "_M_finish", pointer(elem), 8, "_M_end_of_storage", pointer(elem), 16)
	base := class("_Vector_base", 24, true, "_M_impl", impl, 0)
	t := class(name, 24, true, "", base, 0)
	t.Fields[0].Base = true
	return t
}

func uniquePtr(name string, elem *ctype.Type) *ctype.Type {
	empty := class("_Head_base<1>", 1, true, "_M_head_impl", class("std::default_delete<T>", 1, false), 0)
	tuple := class("_Tuple_impl<0>", 8, true, "", empty, 0, "", class("_Head_base<0>", 8, true, "_M_head_impl", pointer(elem), 0), 0)
	return class(name, 8, true, "_M_t", class("__uniq_ptr_data", 8, true, "_M_t", tuple, 0), 0)
}

func optionalOf(name string, elem *ctype.Type) *ctype.Type {
	size := elem.Size + elem.Alignof()
	storage := &ctype.Type{Kind: ctype.Union, Size: elem.Size, Lang: event.LangCPP, Fields: []ctype.Field{{Name: "_M_value", Type: elem}}}
	payload := class("_Optional_payload", size, false, "_M_payload", storage, 0, "_M_engaged", xBool, int(elem.Size))
	return class(name, size, false, "_M_payload", payload, 0)
}

func cpp(results ...*ctype.Type) *ctype.Signature {
	sig := c(results...)
	sig.Lang = event.LangCPP
	return sig
}

// str gives the four words of a std::string at an address of its own.
func str(m *plantest.Machine, s string) uint64 {
	at, n := text(m, s)
	return m.Words(at, n, 0, 0)
}

func TestCPPCallsReadAsTheirSourceSays(t *testing.T) {
	point := class("geo::Point", 8, false, "x", xInt, 0, "y", xInt, 4)
	named := class("geo::Named", 48, true, "_vptr.Named", pointer(cVoid), 0, "", point, 8, "name", xString, 16)
	named.Fields[1].Base = true
	tree := class("_Rb_tree", 48, true, "_M_header", class("_Rb_tree_node_base", 32, false), 8, "_M_node_count", xUlong, 40)
	ordered := args(class("std::map<int, std::string>", 48, true, "_M_t", tree, 0), xInt, xString)
	hash := class("_Hashtable", 56, true, "_M_before_begin", class("_Hash_node_base", 8, false, "_M_nxt", pointer(cVoid), 0), 16, "_M_element_count", xUlong, 24)
	unordered := args(class("std::unordered_map<int, int>", 56, true, "_M_h", hash, 0), xInt, xInt)
	function := class("std::function<int (int)>", 32, true, "_M_functor", class("_Any_data", 16, false), 0, "_M_manager", xFunc, 16, "_M_invoker", xFunc, 24)
	iterator := class("_Deque_iterator", 32, true, "_M_cur", pointer(xInt), 0, "_M_first", pointer(xInt), 8, "_M_last", pointer(xInt), 16, "_M_node", pointer(pointer(xInt)), 24)
	deque := class("std::deque<int>", 80, true, "_M_map", pointer(pointer(xInt)), 0, "_M_map_size", xUlong, 8, "_M_start", iterator, 16, "_M_finish", iterator, 48)
	for _, test := range []reading{
		{name: "strings of libstdc++ and libc++, by reference, by value, as a view, as a result",
			sig: with(cpp(xString), param("a", reference(xString)), param("b", oldString), param("c", reference(libcString)), param("v", stringView)),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RSI, str(m, "héllo"))
				m.Set(ctype.RDX, m.Words(m.Alloc(append(plantest.Words(3, 8, 0), "old"...)...)+24))
				m.Set(ctype.RCX, m.Alloc(append([]byte{5 << 1, 's', 'h', 'o', 'r', 't'}, make([]byte, 18)...)...))
				at, n := text(m, "view")
				m.Set(ctype.R8, n).Set(ctype.R9, at)
			},
			exit: func(m *plantest.Machine) { m.Set(ctype.RAX, str(m, "")) },
			want: `a="héllo", b="old", c="short", v="view" = ""`},
		{name: "a long string of libc++",
			sig: with(cpp(), param("c", reference(libcString))),
			entry: func(m *plantest.Machine) {
				at, n := text(m, "a text too long for its object")
				m.Set(ctype.RDI, m.Words(49, n, at))
			},
			want: `c="a text too long for its object"`},
		{name: "a reference that leads nowhere",
			sig:   with(cpp(), param("a", reference(xString)), param("v", reference(vectorOf("std::vector<int>", xInt)))),
			entry: func(m *plantest.Machine) { m.Set(ctype.RDI, 0x10).Set(ctype.RSI, 0x20) },
			want:  `a=<unreadable 0x10>, v=<unreadable 0x20>`, lost: 8},
		{name: "this, a base class, a member that is a string",
			sig: with(cpp(reference(xInt)), ctype.Param{Name: "this", Type: pointer(named), Receiver: true}, param("p", point), param("n", reference(xInt))),
			entry: func(m *plantest.Machine) {
				at, n := text(m, "Ada")
				m.Set(ctype.RDI, m.Words(0x700000, 2<<32|1, at, n, 0, 0)).Set(ctype.RSI, 4<<32|3).Set(ctype.RDX, m.Words(7))
			},
			exit: func(m *plantest.Machine) { m.Set(ctype.RAX, m.Words(8)) },
			want: `this=&{x=1, y=2, name="Ada"}, p={x=3, y=4}, n=7 = 8`},
		{name: "vectors of numbers, of strings, empty",
			sig: with(cpp(), param("a", reference(vectorOf("std::vector<int>", xInt))), param("b", reference(vectorOf("std::vector<std::string>", xString))), param("c", reference(vectorOf("std::vector<int>", xInt)))),
			entry: func(m *plantest.Machine) {
				data := m.Words(2<<32|1, 3)
				m.Set(ctype.RDI, m.Words(data, data+12, data+16))
				at, n := text(m, "x")
				data = m.Words(at, n, 0, 0, at, n, 0, 0)
				m.Set(ctype.RSI, m.Words(data, data+64, data+64))
				m.Set(ctype.RDX, m.Words(0, 0, 0))
			},
			want: `a={1, 2, 3}, b={"x", "x"}, c={}`},
		{name: "owning pointers and optionals",
			sig: with(cpp(), param("a", reference(uniquePtr("std::unique_ptr<geo::Point>", point))), param("b", uniquePtr("std::unique_ptr<geo::Point>", point)),
				param("c", optionalOf("std::optional<int>", xInt)), param("d", optionalOf("std::optional<int>", xInt)), param("e", reference(optionalOf("std::optional<geo::Point>", point)))),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RDI, m.Words(m.Words(2<<32|1))).Set(ctype.RSI, m.Words(0))
				m.Set(ctype.RDX, 1<<32|5).Set(ctype.RCX, 0xff00000005).Set(ctype.RCX, 5)
				m.Set(ctype.R8, m.Words(6<<32|5, 1))
			},
			want: `a=&{x=1, y=2}, b=nullptr, c=5, d=nullopt, e={x=5, y=6}`},
		{name: "maps",
			sig: with(cpp(), param("a", reference(ordered)), param("b", reference(unordered)), param("c", reference(ordered))),
			entry: func(m *plantest.Machine) {
				at, n := text(m, "one")
				left := m.Words(0, 0, 0, 0, 1, at, n, 0, 0)
				root := m.Words(0, 0, left, 0, 2, at, n, 0, 0)
				m.Set(ctype.RDI, m.Words(0, 0, root, left, root, 2))
				last := m.Words(0, 6<<32|5)
				m.Set(ctype.RSI, m.Words(0, 0, m.Words(last, 4<<32|3), 9, 0, 0, 0))
				m.Set(ctype.RDX, m.Words(0, 0, 0, 0, 0, 0))
			},
			want: `a={{1, "one"}, {2, "one"}}, b={{3, 4}, {5, 6}, ...}, c={}`},
		{name: "functions and deques",
			sig: with(cpp(), param("f", reference(function)), param("g", reference(function)), param("d", reference(deque))),
			entry: func(m *plantest.Machine) {
				m.Set(ctype.RDI, m.Words(0, 0, 1, 0x401000)).Set(ctype.RSI, m.Words(0, 0, 0, 0x401000))
				block, more := m.Words(2<<32|1), m.Words(4<<32|3)
				m.Set(ctype.RDX, m.Words(0, 0, block, block, block+8, 0x8000, more+4, more, more+512, 0x8008))
			},
			want: `f=&invoke, g=nullptr, d={1, 2, ...}`},
	} {
		t.Run(test.name, func(t *testing.T) { test.check(t, names{0x401000: "invoke"}) })
	}
}

func TestCPPTypesThatTheirBytesTell(t *testing.T) {
	milli := args(class("std::chrono::duration<long, std::ratio<1, 1000> >", 8, false, "__r", cLong, 0), cLong, class("std::ratio<1, 1000>", 1, false))
	nano := args(class("std::chrono::duration<long, std::ratio<1, 1000000000> >", 8, false, "__r", cLong, 0), cLong, class("std::ratio<1, 1000000000>", 1, false))
	point := args(class("std::chrono::time_point<std::chrono::_V2::system_clock, nano>", 8, false, "__d", nano, 0), class("std::chrono::_V2::system_clock", 1, false), nano)
	inner := class("std::_Tuple_impl<1, char>", 1, false, "_M_head_impl", xChar, 0)
	outer := class("std::_Tuple_impl<0, int, char>", 8, false, "", inner, 0, "_M_head_impl", xInt, 4)
	tuple := class("std::tuple<int, char>", 8, false, "", outer, 0)
	inner.Fields[0].Base, outer.Fields[0].Base, tuple.Fields[0].Base = false, true, true
	union := &ctype.Type{Kind: ctype.Union, Size: 32, Lang: event.LangCPP}
	variant := args(class("std::variant<int, std::string>", 40, true, "_M_u", union, 0, "_M_index", &ctype.Type{Kind: ctype.Uint, Size: 1}, 32), xInt, xString)
	atomic := class("std::atomic<int>", 4, false, "_M_i", xInt, 0)
	m := plantest.NewMachine()
	at, n := text(m, "var")
	m.Set(ctype.RDI, 1500).Set(ctype.RSI, 1700000000123456789).Set(ctype.RDX, 7<<32|'t').Set(ctype.RCX, m.Words(at, n, 0, 0, 1)).Set(ctype.R8, m.Words(3, 0, 0, 0, 0)).Set(ctype.R9, m.Words(42))
	sig := with(cpp(), param("d", milli), param("t", point), param("u", tuple), param("v", reference(variant)), param("w", reference(variant)), param("a", reference(atomic)))
	want := `d=1.5s, t=2023-11-14T22:13:20.123456789Z, u={7, 't'}, v="var", w=3, a=42`
	if got := line(call(t, sig, plan.DefaultLimits(), m, m, nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
