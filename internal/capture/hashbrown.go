package capture

import (
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// maxBuckets is how many buckets of a hash table are looked at: all of one with up to seven elements.
const maxBuckets = 8

// buckets shows the elements of Rust's hash tables. A table is an array of control bytes, one a bucket, whose highest bit is clear where there is
// an element; the elements lie before it, the first one last. Source: hashbrown, src/raw/mod.rs.
//
//	... | element 1 | element 0 | control 0 | control 1 | ...
func (b *builder) buckets(n *tree, u *ctype.Type, from origin, depth int) bool {
	table, ok := rawTable(u)
	controlsAt, _, found := find(u, "ctrl")
	mask := member(u, from, "bucket_mask")
	if !ok || !found || mask == nil || !b.reachesText(depth) {
		return true // their number is known
	}
	entry := table.Args[0]
	controls := from.word(controlsAt, 8, false)
	if entry.Sizeof() <= 0 || controls == nil {
		return true
	}
	b.later(depth, func() {
		for i := range int64(maxBuckets) {
			if !b.room(3) {
				break
			}
			there := compare("<", load(add(controls, i), 1, false), 0x80)
			when := and(from.when, and(binary(">=", mask, constant(i)), there))
			b.bucket(n, entry, origin{addr: add(controls, -(i+1)*entry.Sizeof()), when: when}, depth+1)
		}
	})
	return true
}

// bucket captures a key and, in a map, its value: they are a pair, in an order of rustc's choice.
func (b *builder) bucket(n *tree, entry *ctype.Type, at origin, depth int) {
	for i, name := range []string{"__0", "__1"} {
		off, t, ok := find(entry, name)
		if ok && (i == 0 || n.View == plan.AsPairs) {
			n.follow = append(n.follow, b.whole(t, at.from(off), depth))
		}
	}
}

// rawTable finds the table that a map or set consists of.
func rawTable(u *ctype.Type) (*ctype.Type, bool) {
	_, t, ok := u.Find("table", func(t *ctype.Type) bool {
		return strings.HasPrefix(t.Name, "hashbrown::raw::RawTable<") && len(t.Args) > 0
	})
	if !ok {
		return nil, false
	}
	return t.Underlying(), true
}

// ringBuffer is VecDeque<T>: the elements from its head on, up to where they go on at the beginning of the buffer.
func (b *builder) ringBuffer(n *tree, u *ctype.Type, from origin, depth int) bool {
	start, _ := pointerMember(u, from, "pointer")
	head, length, room := member(u, from, "head"), member(u, from, "len"), member(u, from, "cap")
	if start == nil || head == nil || length == nil || room == nil || len(u.Args) == 0 || u.Args[0].Sizeof() <= 0 {
		return b.rustMap(n, u, from, plan.AsList)
	}
	elem := u.Args[0]
	left := binary("-", room, head)
	shown := &plan.Choose{C: binary("<", length, left), X: length, Y: left, T: unsigned}
	first := binary("+", start, binary("*", head, constant(elem.Sizeof())))
	return b.sequence(n, elem, from, only(length, first), run{binary("*", shown, constant(elem.Sizeof())), length}, depth)
}
