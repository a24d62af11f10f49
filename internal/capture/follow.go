package capture

import (
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// Depth counts pointers. Text and runs of plain numbers are read up to the limit; a struct, which may hold more pointers,
// up to one less, so that what its own strings say still fits: with the default of 2, a parameter's struct and the text
// that it points at.

func (b *builder) reachesText(depth int) bool { return depth < b.limits.Depth }

func (b *builder) reachesBlock(depth int) bool {
	return depth < b.limits.Depth && depth < max(1, b.limits.Depth-1)
}

func isPointer(t *ctype.Type) bool {
	u := t.Underlying()
	return u != nil && (u.Kind == ctype.Pointer || u.Kind == ctype.Reference || u.Kind == ctype.CString)
}

// follow finds the pointers in a value of type t that lies at off of the node's block, and asks for what they lead to.
// depth is how many pointers led here.
func (b *builder) follow(n *tree, t *ctype.Type, from origin, off int64, depth int) {
	b.walk(n, t, from, off, depth, 0)
}

func (b *builder) walk(n *tree, t *ctype.Type, from origin, off int64, depth, nesting int) {
	u := t.Underlying()
	if b.visits++; u == nil || b.visits > maxVisits || nesting > maxNesting || !b.room(1) {
		return
	}
	switch u.Kind {
	case ctype.Pointer, ctype.Reference, ctype.CString:
		b.later(depth, func() { b.pointee(n, u, from, off, depth) })
	case ctype.Struct, ctype.Union:
		if u.Name == "struct iovec" && u.Size == 16 {
			b.later(depth, func() { b.vectorOfBytes(n, u, from, off, depth) })
			return
		}
		for i := range u.Fields {
			if f := &u.Fields[i]; f.BitSize == 0 && !b.over(n, f.Type, from, off+f.Offset, depth) {
				b.walk(n, f.Type, from, off+f.Offset, depth, nesting+1)
			}
		}
	case ctype.Array:
		b.walkArray(n, u, from, off, depth, nesting)
	case ctype.Variant:
		b.walkCases(n, u, from, off, depth, nesting)
	default:
		b.native(n, u, from, off, depth)
	}
}

// vectorOfBytes follows a struct iovec: an address and how many bytes lie there. Source: bits/types/struct_iovec.h.
func (b *builder) vectorOfBytes(n *tree, u *ctype.Type, from origin, off int64, depth int) {
	base, size := from.word(off, 8, false), from.word(off+8, 8, false)
	if base == nil || size == nil || !b.reachesText(depth) || !b.room(1) || len(u.Fields) == 0 {
		return
	}
	m := &tree{Node: plan.Node{Lang: b.lang, At: off, From: u.Fields[0].Type.Underlying()}}
	b.sizedAt(m, origin{addr: base, when: and(from.when, base)}, size)
	n.follow = append(n.follow, m)
}

func (b *builder) walkArray(n *tree, u *ctype.Type, from origin, off int64, depth, nesting int) {
	size := u.Elem.Sizeof()
	if size <= 0 || isNumber(u.Elem) {
		return
	}
	for i := int64(0); i < min(u.Len, int64(b.limits.Elems)); i++ {
		if !b.over(n, u.Elem, from, off+i*size, depth) {
			b.walk(n, u.Elem, from, off+i*size, depth, nesting+1)
		}
	}
}

// isNumber reports a type whose values lead nowhere.
func isNumber(t *ctype.Type) bool {
	u := t.Underlying()
	if u == nil {
		return true
	}
	switch u.Kind {
	case ctype.Bool, ctype.Int, ctype.Uint, ctype.Char, ctype.Rune, ctype.Float, ctype.Complex, ctype.Enum, ctype.Void:
		return true
	}
	return false
}

// over captures a value whose type is known by name apart from the block around it.
func (b *builder) over(n *tree, t *ctype.Type, from origin, off int64, depth int) bool {
	m := &tree{Node: plan.Node{Type: t, Lang: b.lang, At: off, Over: true}}
	if !b.known(m, t, from.from(off), depth) {
		return false
	}
	n.follow = append(n.follow, m)
	return true
}

// pointee asks for what a pointer of type u (no typedef) leads to.
func (b *builder) pointee(n *tree, u *ctype.Type, from origin, off int64, depth int) {
	elem := u.Elem.Underlying()
	pointer := from.word(off, 8, false)
	if pointer == nil || u.Kind != ctype.CString && elem == nil || !b.room(1) {
		return
	}
	m := &tree{Node: plan.Node{Type: u.Elem, Lang: b.lang, At: off, From: u}}
	if b.target(m, u, elem, origin{addr: pointer, when: and(from.when, pointer)}, depth) {
		n.follow = append(n.follow, m)
	}
}

// target plans the node of what a pointer leads to; false when it is shown as an address.
func (b *builder) target(m *tree, u, elem *ctype.Type, to origin, depth int) bool {
	switch {
	case u.Kind == ctype.CString, elem.Kind == ctype.Char && b.lang != event.LangGo && b.lang != event.LangRust:
		m.View = plan.AsLikely
		if u.Kind == ctype.CString || u.Const && elem.Name == "char" {
			m.View = plan.AsText
		}
		return b.reachesText(depth) && b.text(m, to)
	case isSockaddr(u, elem):
		return b.reachesText(depth) && b.sockaddr(m, to, nil)
	case isFile(u.Elem):
		return b.file(m, elem, to)
	case isIdentity(u.Elem), elem.Kind == ctype.Func, elem.Kind == ctype.Opaque, elem.Kind == ctype.Void, u.Elem.Sizeof() <= 0:
		return false
	case !b.reachesBlock(depth) && !(b.reachesText(depth) && holdsText(u.Elem)):
		return false
	case b.recognise(m, u.Elem, to, beyond(u, depth)):
		return true
	}
	b.block(m, u.Elem, to)
	if elem.Polymorphic() && depth == 0 && elem.Size > 0 && b.room(1) {
		m.Pieces = append(m.Pieces, b.memory(to, elem.Size, derivedSize)) // what its class may add to the declared one
	}
	b.follow(m, u.Elem, to, 0, depth+1)
	return true
}

// derivedSize is how much is captured of what an object has beyond its declared class.
const derivedSize = 64

// beyond is the depth of what a pointer leads to. A library's container that is passed by reference is no deeper than one
// passed by value, to which the ABI gives an address as well.
func beyond(u *ctype.Type, depth int) int {
	if depth == 0 && (u.Kind == ctype.Reference || u.Lang == event.LangRust && strings.HasPrefix(u.Name, "&")) {
		return 0
	}
	return depth + 1
}

// text captures a string that a NUL ends.
func (b *builder) text(m *tree, to origin) bool {
	m.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotStr, X: to.addr, Size: b.limits.String, If: to.guard()}, 0, int64(b.limits.String))}
	return true
}

// buffer captures what a pointer and an extent say: text, bytes, or elements.
func (b *builder) buffer(n *tree, p *ctype.Param, at origin, extent plan.Expr) {
	u := p.Type.Underlying()
	if at.addr == nil || !b.reachesText(0) {
		return
	}
	to := origin{addr: at.addr, when: and(at.when, at.addr)}
	m := &tree{Node: plan.Node{Type: u.Elem, Lang: b.lang, From: u, View: plan.AsBytes}}
	n.follow = append(n.follow, m)
	elem := u.Elem.Underlying()
	switch size := u.Elem.Sizeof(); {
	case isSockaddr(u, elem):
		b.sockaddr(m, to, extent)
		return
	case p.Len == "" && size > 1:
		b.elements(m, u.Elem, to, run{binary("*", extent, constant(size)), extent}, 1)
		return
	case u.Kind == ctype.CString || elem != nil && elem.Kind == ctype.Char:
		m.View = plan.AsText
	}
	b.counted(m, to, extent, m.View)
}

// holdsText reports a type that is nothing but text: as a pointee it counts as text, not as a struct.
func holdsText(t *ctype.Type) bool {
	u := t.Underlying()
	return u != nil && (u.Kind == ctype.GoString || u.Kind == ctype.Str || u.Kind == ctype.Struct && textByName(u))
}

func isSockaddr(u, elem *ctype.Type) bool {
	return u.Format == "sockaddr" || elem != nil && (elem.Format == "sockaddr" || elem.Name == "struct sockaddr" || elem.Name == "sockaddr")
}

// Sizes of struct sockaddr_in, sockaddr_in6 and sockaddr_un. Source: netinet/in.h, sys/un.h.
const (
	sizeofInet  = 16
	sizeofInet6 = 28
	sizeofUnix  = 110
)

// sockaddr captures a socket address; without a size, as many bytes as its family has.
func (b *builder) sockaddr(m *tree, to origin, size plan.Expr) bool {
	const unix, inet6 = 1, 10 // AF_UNIX, AF_INET6
	m.View = plan.AsSockaddr
	when := to.guard()
	if size == nil {
		when = to.when
		is := func(family int64) plan.Expr { return compare("==", to.word(0, 2, false), family) }
		other := &plan.Choose{C: is(inet6), X: constant(sizeofInet6), Y: constant(sizeofInet), T: unsigned}
		size = &plan.Choose{C: is(unix), X: constant(sizeofUnix), Y: other, T: unsigned}
	}
	slot := plan.Slot{Kind: plan.SlotBuf, X: to.addr, Len: size, Size: sizeofUnix, If: when}
	m.Pieces = []plan.NodePiece{b.piece(slot, 0, sizeofUnix)}
	return true
}

// isFile recognises C's FILE, of which nothing but the descriptor says something.
func isFile(t *ctype.Type) bool {
	for range maxNesting {
		switch {
		case t == nil:
			return false
		case t.Name == "FILE" || t.Name == "struct _IO_FILE" || t.Name == "_IO_FILE":
			return true
		case t.Kind != ctype.Typedef:
			return false
		}
		t = t.Elem
	}
	return false
}

// isIdentity recognises C's locks and the like: which one it is matters, what it is made of is the library's affair.
func isIdentity(t *ctype.Type) bool {
	if t.Lang != event.LangC && t.Lang != event.LangCPP {
		return false
	}
	switch t.Name {
	case "sem_t", "jmp_buf", "sigjmp_buf", "va_list", "mbstate_t", "fpos_t", "once_flag", "mtx_t", "cnd_t":
		return true
	}
	return strings.HasPrefix(t.Name, "pthread_") && t.Underlying().Kind != ctype.Uint // pthread_t is a number
}

// glibcFileno is the offset of _fileno in glibc's struct _IO_FILE, the same since 2.1. Source: libio/bits/types/struct_FILE.h.
const glibcFileno = 112

// file captures the descriptor of a FILE. Without the struct's own description only a prototype, which is of glibc, tells
// where it lies.
func (b *builder) file(m *tree, elem *ctype.Type, to origin) bool {
	off := int64(-1)
	if b.sig.Source == "prototype" {
		off = glibcFileno
	}
	if elem.Kind == ctype.Struct && len(elem.Fields) > 0 {
		if off = -1; elem.Lang == event.LangC || elem.Lang == event.LangCPP {
			if at, _, ok := find(elem, "_fileno"); ok {
				off = at
			}
		}
	}
	if off < 0 {
		return false
	}
	number := &ctype.Type{Kind: ctype.Int, Name: "int", Size: 4, Lang: event.LangC}
	m.Type = &ctype.Type{Kind: ctype.Struct, Name: "FILE", Size: 4, Lang: event.LangC, Fields: []ctype.Field{{Name: "fd", Type: number}}}
	m.Pieces = []plan.NodePiece{b.piece(plan.Slot{Kind: plan.SlotMem, X: to.address(off), Size: 4, If: to.when}, 0, 4)}
	return true
}

// find gives the offset and type of a member by name, looking into structs, bases and unnamed members.
func find(t *ctype.Type, name string) (int64, *ctype.Type, bool) {
	return t.Find(name, func(*ctype.Type) bool { return true })
}
