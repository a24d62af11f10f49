package capture

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// native follows what a language's runtime lays out: strings and slices of Go and Rust, interfaces, maps, channels and
// functions of Go. Sources: runtime/string.go, slice.go, runtime2.go (iface, eface, funcval), chan.go, internal/runtime/maps.
func (b *builder) native(n *tree, u *ctype.Type, from origin, off int64, depth int) {
	first := from.word(off, 8, false)
	if first == nil {
		return
	}
	m := &tree{Node: plan.Node{Lang: b.lang, At: off, From: u}}
	to := origin{addr: first, when: and(from.when, first)}
	ask := func(plan func()) {
		b.later(depth, func() {
			if b.room(1) {
				plan()
				n.follow = append(n.follow, m)
			}
		})
	}
	switch u.Kind {
	case ctype.GoString, ctype.Str:
		if size := from.word(off+8, 8, false); size != nil && b.reachesText(depth) {
			ask(func() { b.counted(m, to, size, plan.AsText) })
		}
	case ctype.Slice:
		b.slice(m, u, to, from.word(off+8, 8, false), depth, ask)
	case ctype.Interface:
		b.dynamic(n, u, from, off, depth)
	case ctype.TraitObject:
		ask(func() {
			to.when = and(from.when, compare(">", first, lowestAddress)) // what has no bytes is nowhere
			m.Pieces = []plan.NodePiece{b.memory(to, 0, dataFirst), b.memory(to, dataFirst, dataSize-dataFirst)}
			b.likely(m, to, 0)
			b.likely(m, to, 8)
		})
	case ctype.Map: // the number of entries comes first, in the maps before Go 1.24 and in those since
		ask(func() {
			m.Pieces = []plan.NodePiece{b.memory(to, 0, 8)}
			b.smallMap(m, u, to, depth)
		})
	case ctype.Chan:
		ask(func() { m.Type, m.Pieces = channel(), []plan.NodePiece{b.memory(to, 0, 16)} })
	case ctype.Func: // a pointer to a closure, whose first word is the code
		ask(func() {
			m.T = plan.Type{Kind: plan.UsymType, Size: 16}
			m.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotSym, X: only(to.when, to.word(0, 8, false))}, 0, 8)}
		})
	}
}

// memory captures size bytes at off behind a pointer.
func (b *builder) memory(to origin, off, size int64) plan.NodePiece {
	when := to.when
	if off == 0 {
		when = to.guard()
	}
	return b.piece(plan.Slot{Kind: plan.SlotMem, X: to.address(off), Size: int(size), If: when}, off, size)
}

// sizedAt captures bytes of which the length lies in memory, which must not be looked for where there is none.
func (b *builder) sizedAt(m *tree, to origin, size plan.Expr) {
	m.View = plan.AsBytes
	slot := plan.Slot{Kind: plan.SlotBuf, X: to.addr, Len: size, Size: b.limits.String, If: to.when}
	m.Pieces = []plan.NodePiece{b.piece(slot, 0, int64(b.limits.String))}
}

// counted captures text or bytes of which the length is known.
func (b *builder) counted(m *tree, to origin, size plan.Expr, view plan.View) {
	m.View = view
	slot := plan.Slot{Kind: plan.SlotBuf, X: to.addr, Len: size, Size: b.limits.String, If: to.guard()}
	m.Pieces = []plan.NodePiece{b.piece(slot, 0, int64(b.limits.String))}
}

// slice captures the elements of a slice: bytes, or as many elements as the limit lets.
func (b *builder) slice(m *tree, u *ctype.Type, to origin, length plan.Expr, depth int, ask func(func())) {
	elem := u.Elem.Underlying()
	switch {
	case length == nil || elem == nil || !b.reachesText(depth):
	case elem.Kind == ctype.Uint && elem.Size == 1:
		ask(func() { b.counted(m, to, length, plan.AsBytes) })
	case isNumber(u.Elem) || holdsText(u.Elem) && b.reachesText(depth+1) || b.reachesBlock(depth):
		bytes := plan.Expr(binary("*", length, constant(u.Elem.Sizeof())))
		ask(func() { b.elements(m, u.Elem, to, run{bytes, length}, depth+1) })
	}
}

// run is the extent of consecutive elements.
type run struct{ bytes, length plan.Expr }

// composites is how many elements are captured that are no numbers and no text: each may need slots for what is in it.
const composites = 4

// elements captures a run of elements and what they point at. What belongs to element i is there only if length > i.
func (b *builder) elements(m *tree, elem *ctype.Type, to origin, n run, depth int) {
	size := elem.Sizeof()
	m.View, m.Elem = plan.AsElems, elem
	if size <= 0 {
		return
	}
	most := min(int64(b.limits.Elems), b.maxBlock()/size)
	if !isNumber(elem) && !holdsText(elem) {
		most = min(most, composites)
	}
	slot := plan.Slot{Kind: plan.SlotBuf, X: to.addr, Len: n.bytes, Size: int(most * size), If: to.guard()}
	m.Pieces = append(m.Pieces, b.piece(slot, 0, most*size))
	if isNumber(elem) {
		return
	}
	for i := range most {
		each := origin{addr: to.addr, when: and(to.when, compare(">", n.length, i))}
		if !b.over(m, elem, each, i*size, depth) {
			b.walk(m, elem, each, i*size, depth, 0)
		}
	}
}

// channel is what len and cap say of one. Source: runtime/chan.go, hchan.
func channel() *ctype.Type {
	word := &ctype.Type{Kind: ctype.Uint, Name: "uint", Size: 8, Lang: event.LangGo}
	return &ctype.Type{Kind: ctype.Struct, Size: 16, Lang: event.LangGo, Fields: []ctype.Field{
		{Name: "len", Type: word}, {Name: "cap", Type: word, Offset: 8},
	}}
}

// dataSize is how much of an interface's dynamic value is captured: its type is not known before the call. The first bytes,
// which most values do not exceed, are read apart: the rest may lie where memory ends.
const (
	dataSize  = 64
	dataFirst = 16
)

// dynamic captures an interface: the dynamic type, and the beginning of what the data word leads to. Most dynamic values
// that matter begin with text (errors do), so that is read in advance; of an error, also the second text (the path of a
// PathError).
func (b *builder) dynamic(n *tree, u *ctype.Type, from origin, off int64, depth int) {
	kind, data := from.word(off, 8, false), from.word(off+8, 8, false)
	if data == nil || !b.room(2) {
		return
	}
	if !u.Empty {
		when := and(from.when, kind)
		itab := &tree{Node: plan.Node{Lang: b.lang, At: off, From: u}}
		itab.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotInt, X: only(when, load(add(kind, 8), 8, false))}, 0, 8)}
		n.follow = append(n.follow, itab)
	}
	if !b.reachesText(depth) {
		return
	}
	b.later(depth, func() {
		to := origin{addr: data, when: and(and(from.when, kind), data)}
		m := &tree{Node: plan.Node{Lang: b.lang, At: off + 8, From: u}}
		m.Pieces = []plan.NodePiece{b.memory(to, 0, dataFirst), b.memory(to, dataFirst, dataSize-dataFirst)}
		n.follow = append(n.follow, m)
		if !b.reachesText(depth+1) && !u.Empty {
			return
		}
		b.likely(m, to, 0) // of an any nothing but this: a string in one is no deeper than one beside it
		if !b.reachesText(depth + 1) {
			return
		}
		if u.Name == "error" {
			b.likely(m, to, 16)
			b.cause(m, to, 16)
			b.cause(m, to, 32)
		}
	})
}

// cause captures the error that may lie at off of an error: its type, and the number that it is if it is one of the
// kernel's. Source: fmt/errors.go, wrapError {msg string; err error}; io/fs/fs.go, PathError {Op, Path string; Err error}.
func (b *builder) cause(m *tree, to origin, off int64) {
	if !b.room(2) {
		return
	}
	error := &ctype.Type{Kind: ctype.Interface}
	table, data := to.word(off, 8, false), to.word(off+8, 8, false)
	when := and(to.when, and(compare(">", table, lowestAddress), compare("<", table, highestAddress)))
	kind := &tree{Node: plan.Node{Lang: b.lang, At: off, From: error}}
	kind.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotInt, X: only(when, load(add(table, 8), 8, false))}, 0, 8)}
	value := &tree{Node: plan.Node{Lang: b.lang, At: off + 8, From: error}}
	value.Pieces = []plan.NodePiece{b.memory(origin{addr: data, when: and(when, compare(">", data, lowestAddress))}, 0, 8)}
	m.follow = append(m.follow, kind, value)
}

// Bounds of what may be a string's address and length where nothing says that a string is there.
const (
	lowestAddress  = 1 << 16
	likeliestBytes = 1 << 20
)

// likely captures the string of Go or Rust that may lie at off behind a pointer.
func (b *builder) likely(m *tree, to origin, off int64) {
	if !b.room(1) {
		return
	}
	address, size := to.word(off, 8, false), to.word(off+8, 8, false)
	when := and(to.when, and(compare(">", address, lowestAddress), compare("<", size, likeliestBytes)))
	kind := ctype.GoString
	if b.lang == event.LangRust {
		kind = ctype.Str
	}
	text := &tree{Node: plan.Node{Lang: b.lang, At: off, From: &ctype.Type{Kind: kind}}}
	b.counted(text, origin{addr: address, when: when}, size, plan.AsText)
	m.follow = append(m.follow, text)
}
