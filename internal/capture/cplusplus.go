package capture

import (
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// Types of the C++ standard library. A type is known by its name; where its parts lie is taken from the offsets of its
// members in the debug information, by the names that libstdc++ (_M_...) and libc++ (__..._) give them. Only what the
// members cannot tell is written down here, with its source.

// stdName is the name of a type of namespace std without namespaces and template arguments: "basic_string". Inline
// namespaces (__cxx11, __1) are left out.
func stdName(t *ctype.Type) string {
	name := strings.TrimPrefix(strings.TrimPrefix(t.Name, "class "), "struct ")
	if !strings.HasPrefix(name, "std::") {
		return ""
	}
	if at := strings.IndexByte(name, '<'); at >= 0 {
		name = name[:at]
	}
	return name[strings.LastIndexByte(name, ':')+1:]
}

// textByName reports a library's string type.
func textByName(u *ctype.Type) bool {
	switch stdName(u) {
	case "basic_string", "basic_string_view", "string", "string_view":
		return true
	case "path":
		_, _, ok := pathname(u)
		return ok
	}
	return isRustText(u)
}

// pathname is the string that a std::filesystem::path is.
func pathname(u *ctype.Type) (int64, *ctype.Type, bool) {
	if at, text, ok := find(u, "_M_pathname"); ok {
		return at, text, true
	}
	return find(u, "__pn_")
}

// cplusplus captures a value of the standard library; false when it is none that is known.
func (b *builder) cplusplus(n *tree, u *ctype.Type, from origin, depth int) bool {
	switch stdName(u) {
	case "basic_string", "string":
		return b.stdString(n, u, from, depth)
	case "basic_string_view", "string_view":
		return b.stringView(n, u, from, depth)
	case "path":
		at, text, ok := pathname(u)
		return ok && b.stdString(n, text, from.from(at), depth)
	case "vector":
		return b.vector(n, u, from, depth)
	case "span", "initializer_list":
		return b.span(n, u, from, depth)
	case "deque":
		return b.deque(n, u, from, depth)
	case "unique_ptr", "shared_ptr", "__shared_ptr":
		return b.smartPointer(n, u, from, depth)
	case "optional":
		return b.optional(n, u, from, depth)
	case "variant":
		return b.alternatives(n, u, from, depth)
	case "function":
		return b.function(n, u, from)
	case "map", "set", "multimap", "multiset":
		return b.orderedMap(n, u, from, depth)
	case "unordered_map", "unordered_set", "unordered_multimap", "unordered_multiset":
		return b.hashMap(n, u, from, depth)
	case "list":
		return b.list(n, u, from, depth)
	}
	return false
}

// member is the word of a member; nil when the type has none of that name or it cannot be read.
func member(u *ctype.Type, from origin, name string) plan.Expr {
	off, t, ok := find(u, name)
	if !ok {
		return nil
	}
	size := t.Sizeof()
	if size != 1 && size != 2 && size != 4 && size != 8 {
		return nil
	}
	return from.word(off, size, false)
}

// inner is the word of a member of a member: libc++ keeps sizes and roots in the second half of pairs, all called __value_.
func inner(u *ctype.Type, from origin, outer, name string) plan.Expr {
	off, t, ok := find(u, outer)
	if !ok {
		return nil
	}
	return member(t, from.from(off), name)
}

// pointerMember is the first member of one of the names that is a pointer: an allocator or a deleter may have the name too.
func pointerMember(u *ctype.Type, from origin, names ...string) (plan.Expr, *ctype.Type) {
	for _, name := range names {
		off, t, ok := u.Find(name, isPointer)
		if !ok {
			continue
		}
		if word := from.word(off, 8, false); word != nil {
			return word, t.Underlying().Elem
		}
	}
	return nil, nil
}

// stdString is std::string in the layouts of libstdc++'s two ABIs and of libc++.
func (b *builder) stdString(n *tree, u *ctype.Type, from origin, depth int) bool {
	address, elem := pointerMember(u, from, "_M_p")
	switch {
	case address != nil && elem.Sizeof() != 1:
		return false
	case !b.reachesText(depth):
		return cut(n)
	case address != nil:
		size := member(u, from, "_M_string_length")
		if size == nil { // copy-on-write ABI: the length lies 24 bytes before the text (basic_string.h, _Rep_base)
			size = load(add(address, -24), 8, false)
		}
		return b.sized(n, from, address, size, plan.AsText)
	}
	return from.address(0) != nil && u.Sizeof() == 24 && b.libcppString(n, u, from)
}

// cut is a value that is known and out of reach.
func cut(n *tree) bool {
	n.Pieces = []plan.NodePiece{{Size: 8, Problem: event.Cut}}
	return true
}

// libcppString is libc++'s string: with the lowest bit of the first byte set {capacity, size, data}, else the size in the
// upper bits of the first byte and the text after it. Source: libcxx/include/string, layout of ABI version 1.
func (b *builder) libcppString(n *tree, u *ctype.Type, from origin) bool {
	_, _, old := find(u, "__r_")
	_, _, recent := find(u, "__rep_")
	if !old && !recent || len(u.Args) > 0 && u.Args[0].Sizeof() != 1 {
		return false
	}
	first := from.word(0, 1, false)
	long := binary("&", first, constant(1))
	address := &plan.Choose{C: long, X: from.word(16, 8, false), Y: from.address(1), T: unsigned}
	size := &plan.Choose{C: long, X: from.word(8, 8, false), Y: binary(">>", first, constant(1)), T: unsigned}
	return b.sized(n, from, address, size, plan.AsText)
}

// sized captures text or bytes with their length; of a value that is not part of another the whole length is kept as well.
func (b *builder) sized(n *tree, from origin, address, size plan.Expr, view plan.View) bool {
	to := origin{addr: address, when: from.when}
	n.View = view
	slot := plan.Slot{Kind: plan.SlotBuf, X: to.addr, Len: size, Size: b.limits.String, If: to.when}
	n.Pieces = []plan.NodePiece{b.piece(slot, 0, int64(b.limits.String))}
	if !n.Over {
		b.count(n, only(from.when, size))
	}
	return true
}

func (b *builder) stringView(n *tree, u *ctype.Type, from origin, depth int) bool {
	address, elem := pointerMember(u, from, "_M_str", "__data_", "__data")
	size := firstMember(u, from, "_M_len", "__size_", "__size")
	switch {
	case address == nil || size == nil || elem.Sizeof() != 1:
		return false
	case !b.reachesText(depth):
		return cut(n)
	}
	return b.sized(n, from, address, size, plan.AsText)
}

func firstMember(u *ctype.Type, from origin, names ...string) plan.Expr {
	for _, name := range names {
		if x := member(u, from, name); x != nil {
			return x
		}
	}
	return nil
}

// vector is std::vector.
func (b *builder) vector(n *tree, u *ctype.Type, from origin, depth int) bool {
	if len(u.Args) > 0 && u.Args[0].Underlying() != nil && u.Args[0].Underlying().Kind == ctype.Bool {
		return b.bits(n, u, from, depth)
	}
	start, elem := pointerMember(u, from, "_M_start", "__begin_")
	finish, _ := pointerMember(u, from, "_M_finish", "__end_")
	if start == nil || finish == nil || elem.Sizeof() <= 0 {
		return false
	}
	bytes := binary("-", finish, start)
	return b.sequence(n, elem, from, start, run{bytes, divide(bytes, elem.Sizeof())}, depth)
}

// bits is std::vector<bool>. libstdc++ has a word's address and a bit's number at both ends, the first of which is 0 at the beginning
// (stl_bvector.h); libc++ an address and how many (vector).
func (b *builder) bits(n *tree, u *ctype.Type, from origin, depth int) bool {
	start, _ := pointerMember(u, from, "_M_p", "__begin_")
	length := member(u, from, "__size_")
	if at, iterator, ok := find(u, "_M_finish"); ok {
		finish := from.from(at)
		end, _ := pointerMember(iterator, finish, "_M_p")
		offset := member(iterator, finish, "_M_offset")
		if start == nil || end == nil || offset == nil {
			return false
		}
		length = binary("+", binary("*", binary("-", end, start), constant(8)), offset)
	}
	if start == nil || length == nil {
		return false
	}
	n.View, n.Elem = plan.AsBits, u.Args[0]
	b.count(n, only(from.when, length))
	if b.reachesText(depth) {
		b.later(depth, func() {
			size := (b.limits.Elems + 7) / 8
			bytes := binary("/", binary("+", length, constant(7)), constant(8))
			when := and(from.when, length)
			n.Pieces = append(n.Pieces, b.piece(plan.Slot{Kind: plan.SlotBuf, X: start, Len: bytes, Size: size, If: when}, 0, int64(size)))
		})
	}
	return true
}

func divide(x plan.Expr, n int64) plan.Expr {
	if n == 1 {
		return x
	}
	return binary("/", x, constant(n))
}

// sequence captures consecutive elements with their number. What is out of reach keeps its number.
func (b *builder) sequence(n *tree, elem *ctype.Type, from origin, start plan.Expr, extent run, depth int) bool {
	n.View, n.Elem = plan.AsElems, elem
	b.count(n, only(from.when, extent.length))
	if b.reachesText(depth) && (isNumber(elem) || b.reachesBlock(depth) || holdsText(elem) && b.reachesText(depth+1)) {
		b.later(depth, func() {
			b.elements(n, elem, origin{addr: start, when: and(from.when, extent.length)}, extent, depth+1)
		})
	}
	return true
}

// span is std::span and std::initializer_list. A span of fixed extent has no member for it.
func (b *builder) span(n *tree, u *ctype.Type, from origin, depth int) bool {
	start, elem := pointerMember(u, from, "_M_ptr", "__data_", "_M_array", "__begin_")
	length := firstMember(u, from, "_M_extent_value", "__size_", "_M_len")
	if start == nil || length == nil || elem.Sizeof() <= 0 {
		return false
	}
	return b.sequence(n, elem, from, start, run{binary("*", length, constant(elem.Sizeof())), length}, depth)
}

// deque is libstdc++'s std::deque: blocks of 512 bytes, or of one element when that is larger (stl_deque.h,
// __deque_buf_size). The elements of the first block are shown.
//
//	length = (finish.node - start.node - 1) * per block + (finish.cur - finish.first) + (start.last - start.cur)
func (b *builder) deque(n *tree, u *ctype.Type, from origin, depth int) bool {
	startAt, iterator, ok := find(u, "_M_start")
	finishAt, _, ok2 := find(u, "_M_finish")
	if !ok || !ok2 {
		return b.libcppDeque(n, u, from, depth)
	}
	start, finish := from.from(startAt), from.from(finishAt)
	cur, elem := pointerMember(iterator, start, "_M_cur")
	size := elem.Sizeof()
	last, node := member(iterator, start, "_M_last"), member(iterator, start, "_M_node")
	endCur, endFirst, endNode := member(iterator, finish, "_M_cur"), member(iterator, finish, "_M_first"), member(iterator, finish, "_M_node")
	if size <= 0 || last == nil || node == nil || endCur == nil || endFirst == nil || endNode == nil {
		return false
	}
	const block = 512
	blocks := binary("-", binary("/", binary("-", endNode, node), constant(8)), constant(1))
	here, there := binary("-", last, cur), binary("-", endCur, endFirst)
	bytes := binary("+", binary("*", blocks, constant(max(block/size, 1)*size)), binary("+", here, there))
	first := &plan.Choose{C: binary("<", bytes, here), X: bytes, Y: here, T: unsigned}
	return b.sequence(n, elem, from, cur, run{first, divide(bytes, size)}, depth)
}

// libcppDeque is libc++'s std::deque: a table of blocks of 4096 bytes, or of 16 elements when these are larger (deque,
// __deque_block_size), and at which element of them it begins. The elements of the first block are shown.
func (b *builder) libcppDeque(n *tree, u *ctype.Type, from origin, depth int) bool {
	length, start := inner(u, from, "__size_", "__value_"), member(u, from, "__start_")
	if length == nil {
		length = member(u, from, "__size_")
	}
	at, table, ok := find(u, "__map_")
	if length == nil || start == nil || !ok || len(u.Args) == 0 || u.Args[0].Sizeof() <= 0 {
		return false
	}
	blocks, _ := pointerMember(table, from.from(at), "__begin_")
	if blocks == nil {
		return false
	}
	elem := u.Args[0]
	size, per := elem.Sizeof(), int64(16)
	if size < 256 {
		per = 4096 / size
	}
	skipped := binary("%", start, constant(per))
	block := load(binary("+", blocks, binary("*", binary("/", start, constant(per)), constant(8))), 8, false)
	left := binary("-", constant(per), skipped)
	shown := &plan.Choose{C: binary("<", length, left), X: length, Y: left, T: unsigned}
	first := binary("+", block, binary("*", skipped, constant(size)))
	return b.sequence(n, elem, from, only(length, first), run{binary("*", shown, constant(size)), length}, depth)
}

// smartPointer is shown as a plain pointer is.
func (b *builder) smartPointer(n *tree, u *ctype.Type, from origin, depth int) bool {
	address, elem := pointerMember(u, from, "_M_head_impl", "_M_ptr", "__ptr_", "__value_")
	if address == nil {
		return false
	}
	b.boxed(n, elem, from, address, depth)
	return true
}

// boxed is an owning pointer to an element.
func (b *builder) boxed(n *tree, elem *ctype.Type, from origin, address plan.Expr, depth int) {
	n.View = plan.AsBox
	n.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotInt, X: only(from.when, address)}, 0, 8)}
	u := &ctype.Type{Kind: ctype.Pointer, Size: 8, Elem: elem, Lang: b.lang}
	if inner := elem.Underlying(); inner != nil {
		b.later(depth, func() {
			m := &tree{Node: plan.Node{Type: elem, Lang: b.lang}}
			if b.target(m, u, inner, origin{addr: address, when: and(from.when, address)}, depth) {
				n.follow = append(n.follow, m)
			}
		})
	}
}

// optional is its value, or nothing.
func (b *builder) optional(n *tree, u *ctype.Type, from origin, depth int) bool {
	engaged := firstMember(u, from, "_M_engaged", "__engaged_")
	at, elem, ok := find(u, "_M_value")
	if !ok {
		at, elem, ok = find(u, "__val_")
	}
	if engaged == nil || !ok {
		return false
	}
	n.View = plan.AsVariant
	n.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotInt, X: only(from.when, engaged)}, 0, 8)}
	inner := from.from(at)
	inner.when = and(from.when, engaged)
	m := b.whole(elem, inner, depth)
	m.At = 1
	n.follow = append(n.follow, m)
	return true
}

// maxAlternatives bounds the types of a std::variant whose values are captured: each costs slots although one is there.
const maxAlternatives = 8

// alternatives is std::variant: the index of one of its types, and storage for the largest.
func (b *builder) alternatives(n *tree, u *ctype.Type, from origin, depth int) bool {
	index := firstMember(u, from, "_M_index", "__index")
	at, _, ok := find(u, "_M_u")
	if !ok {
		at, _, ok = find(u, "__data")
	}
	if index == nil || !ok || len(u.Args) == 0 {
		return false
	}
	n.View = plan.AsVariant
	n.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotInt, X: only(from.when, index)}, 0, 8)}
	b.later(depth, func() {
		for i, elem := range u.Args {
			m := &tree{Node: plan.Node{Lang: b.lang}}
			if i < maxAlternatives && b.room(1) {
				inner := from.from(at)
				inner.when = and(from.when, compare("==", index, int64(i)))
				m = b.whole(elem, inner, depth)
			} else {
				cut(m)
			}
			m.At = int64(i)
			n.follow = append(n.follow, m)
		}
	})
	return true
}

// whole captures a value that is part of another one, in a block of its own.
func (b *builder) whole(t *ctype.Type, from origin, depth int) *tree {
	m := &tree{Node: plan.Node{Type: t, Lang: b.lang}}
	if !b.recognise(m, t, from, depth) {
		b.block(m, t, from)
		b.follow(m, t, from, 0, depth)
	}
	return m
}

// function is std::function: the code that a call of it runs.
func (b *builder) function(n *tree, u *ctype.Type, from origin) bool {
	if callable, _ := pointerMember(u, from, "__f_"); callable != nil { // libc++: an object whose vtable leads to the code
		// The call is the seventh virtual function (__functional/function.h, __base): the Itanium ABI has two destructors.
		const call = 6 * 8
		n.T = plan.Type{Kind: plan.UsymType, Size: 16}
		code := load(add(load(callable, 8, false), call), 8, false)
		n.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotSym, X: only(and(from.when, callable), code)}, 0, 8)}
		return true
	}
	invoker := member(u, from, "_M_invoker")
	manager := member(u, from, "_M_manager")
	if invoker == nil || manager == nil {
		return false
	}
	n.T = plan.Type{Kind: plan.UsymType, Size: 16}
	n.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotSym, X: only(and(from.when, manager), invoker)}, 0, 8)}
	return true
}
