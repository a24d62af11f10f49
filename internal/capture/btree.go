package capture

import (
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// maxOfLeaf is how many elements of the leaf are shown. One that is not the root has at least as many.
const maxOfLeaf = 5

// btree shows the first elements of a BTreeMap or BTreeSet, which are those of the leftmost leaf, where that is the root or right below
// it: each level more would double the instructions. Source: library/alloc/src/collections/btree/node.rs.
//
//	BTreeMap { root: Option<{ height, node: NonNull<LeafNode> }>, length }
//	LeafNode { keys: [K; 11], vals: [V; 11], len: u16, ... }   InternalNode { data: LeafNode, edges: [NonNull<LeafNode>; 12] }
func (b *builder) btree(n *tree, u *ctype.Type, from origin, depth int) bool {
	length := member(u, from, "length")
	at, root, ok := find(u, "root")
	if length == nil || !ok || !b.reachesText(depth) {
		return true // their number is known
	}
	at, node, ok := firstCase(root, at)
	if !ok {
		return true
	}
	address, leaf := pointerMember(node, from.from(at), "pointer")
	height := member(node, from.from(at), "height")
	if address == nil || height == nil || leaf.Underlying() == nil {
		return true
	}
	keysAt, keys, ok := find(leaf, "keys")
	valuesAt, values, ok2 := find(leaf, "vals")
	if !ok || !ok2 || keys.Underlying().Elem == nil || values.Underlying().Elem == nil {
		return true
	}
	below := load(add(address, roundUp(leaf.Sizeof(), 8)), 8, false)
	first := &plan.Choose{C: height, X: below, Y: address, T: unsigned}
	b.later(depth, func() {
		for i := range int64(min(b.limits.Elems, maxOfLeaf)) {
			if !b.room(2) {
				break
			}
			// A leaf below the root has five elements at least, one that is the root has all.
			there := origin{addr: first, when: and(from.when, and(compare(">", length, i), compare("<", height, 2)))}
			key, value := bare(keys.Underlying().Elem), bare(values.Underlying().Elem)
			n.follow = append(n.follow, b.whole(key, there.from(keysAt+i*key.Sizeof()), depth+1))
			if n.View == plan.AsPairs {
				n.follow = append(n.follow, b.whole(value, there.from(valuesAt+i*value.Sizeof()), depth+1))
			}
		}
	})
	return true
}

// firstCase is what an Option holds, and where, of one that has something.
func firstCase(t *ctype.Type, at int64) (int64, *ctype.Type, bool) {
	u := t.Underlying()
	if u == nil || u.Variants == nil {
		return 0, nil, false
	}
	for i := range u.Variants.Cases {
		c := &u.Variants.Cases[i]
		if s := c.Type.Underlying(); c.Name == "Some" && s != nil && len(s.Fields) == 1 {
			return at + s.Fields[0].Offset, s.Fields[0].Type, true
		}
	}
	return 0, nil, false
}

// bare is what a MaybeUninit holds, which is a union of nothing and a ManuallyDrop of the value.
func bare(t *ctype.Type) *ctype.Type {
	if u := t.Underlying(); u != nil && u.Kind == ctype.Union && len(u.Args) == 1 {
		return u.Args[0]
	}
	return t
}
