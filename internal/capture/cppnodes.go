package capture

import (
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// Containers of the C++ standard library that keep each element in a node of its own. Their number is always captured; the
// elements of small ones are too, when the debug information tells what they are.

// pairs reports whether the container keeps keys with values.
func pairs(u *ctype.Type) bool { return strings.HasSuffix(stdName(u), "map") }

// container prepares the node of a map or set; false when not even the number of its elements is known.
func (b *builder) container(n *tree, u *ctype.Type, from origin) (length plan.Expr, ok bool) {
	length = firstMember(u, from, "_M_node_count", "_M_element_count", "_M_size", "__size_")
	for _, outer := range []string{"__pair3_", "__p2_", "__size_alloc_"} {
		if length == nil {
			length = inner(u, from, outer, "__value_")
		}
	}
	if length == nil {
		return nil, false // the list of the old ABI
	}
	n.View = plan.AsList
	if pairs(u) {
		n.View = plan.AsPairs
	}
	b.count(n, only(from.when, length))
	return length, true
}

// nodes are the offsets within the nodes of a tree.
type nodes struct{ left, right, value int64 }

// treeNodes gives how nodes lie in libstdc++: colour, parent, left, right and the value (bits/stl_tree.h); in libc++: left,
// right, parent, a byte of colour and the value (__tree).
func treeNodes(u *ctype.Type, llvm bool) nodes {
	if llvm {
		return nodes{left: 0, right: 8, value: roundUp(25, alignOf(u))}
	}
	return nodes{left: 16, right: 24, value: 32}
}

// orderedMap shows the top levels of the tree, in order: all of a small map.
func (b *builder) orderedMap(n *tree, u *ctype.Type, from origin, depth int) bool {
	if _, ok := b.container(n, u, from); !ok {
		return false
	}
	const parent = 8 // in libstdc++'s header node: the root
	header, _, gnu := find(u, "_M_header")
	root := from.word(header+parent, 8, false)
	if !gnu {
		root = inner(u, from, "__pair1_", "__left_")
	}
	if root != nil && b.elementKnown(u, depth) {
		b.later(depth, func() {
			b.subtree(n, u, origin{addr: root, when: and(from.when, root)}, depth+1, level{treeNodes(u, !gnu), levels(u, depth)})
		})
	}
	return true
}

// levels is how many levels of a tree are shown: fewer of one within another value, and of one whose elements take slots.
func levels(u *ctype.Type, depth int) int {
	most := 3 - max(depth, 0)
	value := u.Args[0]
	if pairs(u) {
		value = u.Args[1]
	}
	if !isNumber(value) && !holdsText(value) {
		most--
	}
	return max(most, 1)
}

// level is how much of a tree is still to be shown, and how its nodes lie.
type level struct {
	nodes
	left int
}

func (b *builder) subtree(n *tree, u *ctype.Type, at origin, depth int, l level) {
	if l.left == 0 || !b.room(2) {
		return
	}
	l.left--
	child := func(off int64) origin {
		next := at.word(off, 8, false)
		return origin{addr: next, when: and(at.when, next)}
	}
	b.subtree(n, u, child(l.nodes.left), depth, l)
	b.element(n, u, at.from(l.value), depth)
	b.subtree(n, u, child(l.right), depth, l)
}

// hashMap shows the first elements of the list that a hash table keeps all its nodes in: next, value, and for some keys
// the hash in libstdc++ (bits/hashtable_policy.h); next, hash, value in libc++ (__hash_table).
func (b *builder) hashMap(n *tree, u *ctype.Type, from origin, depth int) bool {
	if _, ok := b.container(n, u, from); !ok {
		return false
	}
	next, value := member(u, from, "_M_nxt"), int64(8)
	if next == nil {
		next, value = inner(u, from, "__p1_", "__next_"), 16
	}
	if next == nil || !b.elementKnown(u, depth) {
		return true
	}
	b.later(depth, func() {
		when := from.when
		for range min(b.limits.Elems, 4) {
			if !b.room(2) {
				break
			}
			when = and(when, next)
			node := origin{addr: next, when: when}
			b.element(n, u, node.from(roundUp(value, alignOf(u))), depth+1)
			next = node.word(0, 8, false)
		}
	})
	return true
}

// list is std::list: next, previous and the value in a node of libstdc++, previous, next and the value in libc++.
func (b *builder) list(n *tree, u *ctype.Type, from origin, depth int) bool {
	length, ok := b.container(n, u, from)
	next, link := member(u, from, "_M_next"), int64(0)
	if next == nil {
		next, link = inner(u, from, "__end_", "__next_"), 8
	}
	switch {
	case !ok:
		return b.ring(n, u, from, depth)
	case next == nil || !b.elementKnown(u, depth):
		return true
	}
	b.later(depth, func() {
		for i := range int64(min(b.limits.Elems, 4)) {
			node := origin{addr: next, when: and(from.when, compare(">", length, i))}
			b.element(n, u, node.from(16), depth+1)
			next = node.word(link, 8, false)
		}
	})
	return true
}

// ring is the list of libstdc++'s old ABI, which does not know its length: its nodes lead back to the list itself. One node more is looked at than is
// shown, so that it is known whether there are more.
func (b *builder) ring(n *tree, u *ctype.Type, from origin, depth int) bool {
	at, _, ok := find(u, "_M_next")
	head := from.address(at)
	if !ok || head == nil || !b.elementKnown(u, depth) {
		return false
	}
	n.View = plan.AsList
	shown := min(b.limits.Elems, 4)
	next, when := from.word(at, 8, false), from.when
	var length plan.Expr = constant(0)
	var nodes []origin
	for i := range shown + 1 {
		when = and(when, and(next, binary("!=", next, head)))
		length = binary("+", length, &plan.Choose{C: when, X: constant(1), Y: constant(0), T: unsigned})
		if i < shown {
			nodes = append(nodes, origin{addr: next, when: when})
			next = only(when, load(next, 8, false))
		}
	}
	b.count(n, length)
	b.later(depth, func() {
		for _, node := range nodes {
			b.element(n, u, node.from(16), depth+1)
		}
	})
	return true
}

// elementKnown reports whether the types of the elements are known and within reach.
func (b *builder) elementKnown(u *ctype.Type, depth int) bool {
	need := 1
	if pairs(u) {
		need = 2
	}
	if len(u.Args) < need || !b.reachesText(depth) {
		return false
	}
	for _, t := range u.Args[:need] {
		if t.Sizeof() <= 0 {
			return false
		}
	}
	return true
}

// element captures one element of a set, or the key and the value of a map's, which lie side by side as in std::pair.
func (b *builder) element(n *tree, u *ctype.Type, at origin, depth int) {
	n.follow = append(n.follow, b.whole(u.Args[0], at, depth))
	if pairs(u) {
		off := roundUp(u.Args[0].Sizeof(), u.Args[1].Alignof())
		n.follow = append(n.follow, b.whole(u.Args[1], at.from(off), depth))
	}
}

// alignOf is the alignment of a container's element.
func alignOf(u *ctype.Type) int64 {
	align := u.Args[0].Alignof()
	if pairs(u) {
		align = max(align, u.Args[1].Alignof())
	}
	return align
}

func roundUp(n, align int64) int64 {
	if align <= 1 {
		return n
	}
	return (n + align - 1) / align * align
}
