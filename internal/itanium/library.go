package itanium

import (
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
)

// The layouts of the C++ standard library that its debug information would tell. They cannot change, because programs are linked with the
// library: libstdc++ since GCC 5 (with its older strings and lists), libc++'s ABI version 1. Members have the names and places that
// package capture looks for; what it does not look at is left out. Sources: the headers of both.

// library is the layout of a class by its name without template arguments; nil when it is not known.
func library(family string, args []*ctype.Type) *ctype.Type {
	name, llvm := strings.CutPrefix(family, "std::__1::")
	if !llvm {
		if name, llvm = strings.CutPrefix(family, "std::__ndk1::"); !llvm {
			name = strings.TrimPrefix(strings.TrimPrefix(family, "std::"), "__gnu_cxx::")
		}
	}
	if t := either(name, args); t != nil {
		return t
	}
	if llvm {
		return libcpp(name, args)
	}
	if t := plain(name); t != nil {
		return t
	}
	return libstdcpp(name, args)
}

// record makes a class; fields are given as offset, name, type.
func record(size int64, nonTrivial bool, fields ...any) *ctype.Type {
	t := of(ctype.Type{Kind: ctype.Struct, Size: size, Align: 8, NonTrivial: nonTrivial})
	for i := 0; i < len(fields); i += 3 {
		t.Fields = append(t.Fields, ctype.Field{Offset: int64(fields[i].(int)), Name: fields[i+1].(string), Type: fields[i+2].(*ctype.Type)})
	}
	return t
}

func pointerTo(t *ctype.Type) *ctype.Type {
	return of(ctype.Type{Kind: ctype.Pointer, Size: 8, Elem: t})
}

func word() *ctype.Type    { return scalar("unsigned long") }
func address() *ctype.Type { return pointerTo(scalar("void")) }

// sized reports whether the first n arguments are there and have a known size.
func sized(args []*ctype.Type, n int) bool {
	if len(args) < n {
		return false
	}
	for _, a := range args[:n] {
		if a.Sizeof() <= 0 {
			return false
		}
	}
	return true
}

// either has what both libraries lay out alike.
func either(name string, args []*ctype.Type) *ctype.Type {
	switch {
	case name == "initializer_list" && len(args) > 0:
		return record(16, false, 0, "_M_array", pointerTo(args[0]), 8, "_M_len", word())
	case name == "pair" && sized(args, 2):
		return pair(args[0], args[1])
	case name == "array" && len(args) == 2 && sized(args, 1):
		return array(args[0], args[1].Name)
	case name == "chrono::duration" && sized(args, 1):
		return record(args[0].Size, false, 0, "__r", args[0])
	}
	switch name {
	case "less", "greater", "equal_to", "hash", "integral_constant", "nothrow_t", "piecewise_construct_t", "allocator_arg_t", "in_place_t", "nullopt_t",
		"input_iterator_tag", "output_iterator_tag", "forward_iterator_tag", "bidirectional_iterator_tag", "random_access_iterator_tag":
		t := record(1, false)
		t.Align = 1
		return t
	case "memory_order":
		return of(ctype.Type{Kind: ctype.Int, Size: 4})
	case "align_val_t":
		return of(ctype.Type{Kind: ctype.Uint, Size: 8})
	case "byte":
		return of(ctype.Type{Kind: ctype.Uint, Size: 1})
	}
	return nil
}

func pair(first, second *ctype.Type) *ctype.Type {
	at := roundUp(first.Sizeof(), second.Alignof())
	align := max(first.Alignof(), second.Alignof())
	t := record(roundUp(at+second.Sizeof(), align), first.NonTrivial || second.NonTrivial, 0, "first", first, int(at), "second", second)
	t.Align = align
	return t
}

func array(elem *ctype.Type, count string) *ctype.Type {
	n, err := strconv.ParseInt(strings.TrimRight(count, "ulUL"), 10, 32)
	if err != nil || n <= 0 {
		return nil
	}
	size := n * elem.Sizeof()
	t := record(size, elem.NonTrivial, 0, "_M_elems", of(ctype.Type{Kind: ctype.Array, Elem: elem, Len: n, Size: size}))
	t.Align = elem.Alignof()
	return t
}

// optional is a value and whether it is there.
func optional(elem *ctype.Type, value, engaged string) *ctype.Type {
	align := elem.Alignof()
	t := record(roundUp(elem.Sizeof()+1, align), elem.NonTrivial, 0, value, elem, int(elem.Sizeof()), engaged, scalar("bool"))
	t.Align = align
	return t
}

// closed is a class whose objects travel by their address, and of which no more is shown.
func closed(size int64) *ctype.Type {
	return of(ctype.Type{Kind: ctype.Opaque, Size: size, NonTrivial: true})
}

// ends is a run of elements given by where it begins and ends, and how far it may grow.
func ends(elem *ctype.Type, begin, end string) *ctype.Type {
	if elem.Sizeof() <= 0 {
		return closed(24)
	}
	return record(24, true, 0, begin, pointerTo(elem), 8, end, pointerTo(elem), 16, "", address())
}

func isBool(args []*ctype.Type) bool { return len(args) > 0 && args[0].Kind == ctype.Bool }

// plain are the classes of libstdc++ that are no templates.
func plain(name string) *ctype.Type {
	switch name {
	case "string":
		return record(8, true, 0, "_M_p", pointerTo(scalar("char")))
	case "_Ios_Openmode", "_Ios_Fmtflags", "_Ios_Iostate", "_Ios_Seekdir":
		return of(ctype.Type{Kind: ctype.Int, Size: 4})
	case "error_code", "error_condition":
		return record(16, false, 0, "_M_value", scalar("int"), 8, "_M_cat", address())
	case "locale":
		return record(8, true, 0, "_M_impl", address())
	case "thread::id":
		return record(8, false, 0, "_M_thread", word())
	case "__exception_ptr::exception_ptr":
		return record(8, true, 0, "_M_exception_object", address())
	}
	return nil
}

func libstdcpp(name string, args []*ctype.Type) *ctype.Type {
	if len(args) == 0 {
		return nil
	}
	elem := args[0]
	switch name {
	case "__cxx11::basic_string":
		return record(32, true, 0, "_M_p", pointerTo(elem), 8, "_M_string_length", word())
	case "basic_string":
		return record(8, true, 0, "_M_p", pointerTo(elem))
	case "basic_string_view":
		return record(16, false, 0, "_M_len", word(), 8, "_M_str", pointerTo(elem))
	case "allocator":
		if elem.Kind == ctype.Void {
			return nil // one of its own, from GCC 12 on trivial
		}
		t := record(1, true)
		t.Align = 1
		return t
	case "vector":
		if isBool(args) {
			place := func() *ctype.Type {
				return record(16, false, 0, "_M_p", pointerTo(word()), 8, "_M_offset", scalar("unsigned int"))
			}
			return with(args, record(40, true, 0, "_M_start", place(), 16, "_M_finish", place(), 32, "", address()))
		}
		return with(args, ends(elem, "_M_start", "_M_finish"))
	case "span":
		if len(args) == 2 && strings.HasPrefix(args[1].Name, "18446744073709551615") {
			return record(16, false, 0, "_M_ptr", pointerTo(elem), 8, "_M_extent_value", word())
		}
	case "optional":
		if sized(args, 1) {
			return optional(elem, "_M_value", "_M_engaged")
		}
	case "unique_ptr":
		if len(args) == 2 && strings.HasPrefix(args[1].Name, "std::default_delete<") && elem.Kind != ctype.Array {
			return record(8, true, 0, "_M_head_impl", pointerTo(elem))
		}
	case "shared_ptr", "weak_ptr":
		return record(16, true, 0, "_M_ptr", pointerTo(elem), 8, "_M_refcount", address())
	case "function":
		return record(32, true, 0, "_M_functor", record(16, false), 16, "_M_manager", address(), 24, "_M_invoker", address())
	case "__normal_iterator":
		return record(8, false, 0, "_M_current", elem)
	case "_Rb_tree_iterator", "_Rb_tree_const_iterator", "_List_iterator", "_List_const_iterator":
		return record(8, false, 0, "_M_node", address())
	case "fpos":
		return record(16, false, 0, "_M_off", scalar("long"), 8, "_M_state", word())
	}
	return containers(name, args)
}

// containers of libstdc++ that keep nodes or blocks.
func containers(name string, args []*ctype.Type) *ctype.Type {
	switch name {
	case "map", "set", "multimap", "multiset":
		return with(args, record(48, true, 8, "_M_header", record(32, false), 40, "_M_node_count", word()))
	case "unordered_map", "unordered_set", "unordered_multimap", "unordered_multiset":
		return with(args, record(56, true, 16, "_M_nxt", address(), 24, "_M_element_count", word()))
	case "__cxx11::list":
		return with(args, record(24, true, 0, "_M_next", address(), 8, "_M_prev", address(), 16, "_M_size", word()))
	case "list":
		return with(args, record(16, true, 0, "_M_next", address(), 8, "_M_prev", address()))
	case "deque":
		if !sized(args, 1) {
			return closed(80)
		}
		place := func() *ctype.Type {
			return record(32, true, 0, "_M_cur", pointerTo(args[0]), 8, "_M_first", pointerTo(args[0]), 16, "_M_last", pointerTo(args[0]), 24, "_M_node", address())
		}
		return with(args, record(80, true, 16, "_M_start", place(), 48, "_M_finish", place()))
	}
	return nil
}

func with(args []*ctype.Type, t *ctype.Type) *ctype.Type {
	t.Args = args
	return t
}

func libcpp(name string, args []*ctype.Type) *ctype.Type {
	if len(args) == 0 {
		return nil
	}
	elem := args[0]
	switch name {
	case "basic_string":
		return with(args, record(24, true, 0, "__rep_", record(24, false)))
	case "basic_string_view":
		return record(16, false, 0, "__data_", pointerTo(elem), 8, "__size_", word())
	case "allocator":
		t := record(1, false)
		t.Align = 1
		return t
	case "vector":
		if isBool(args) {
			return with(args, record(24, true, 0, "__begin_", pointerTo(word()), 8, "__size_", word(), 16, "", word()))
		}
		return with(args, ends(elem, "__begin_", "__end_"))
	case "span":
		if len(args) == 2 && strings.HasPrefix(args[1].Name, "18446744073709551615") {
			return record(16, false, 0, "__data_", pointerTo(elem), 8, "__size_", word())
		}
	case "optional":
		if sized(args, 1) {
			return optional(elem, "__val_", "__engaged_")
		}
	case "unique_ptr":
		if len(args) == 2 && strings.HasPrefix(args[1].Name, "std::__1::default_delete<") && elem.Kind != ctype.Array {
			return record(8, true, 0, "__ptr_", pointerTo(elem))
		}
	case "shared_ptr", "weak_ptr":
		return record(16, true, 0, "__ptr_", pointerTo(elem), 8, "__cntrl_", address())
	}
	return nil
}

func roundUp(n, align int64) int64 {
	if align <= 1 {
		return n
	}
	return (n + align - 1) / align * align
}
