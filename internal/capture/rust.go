package capture

import (
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// Types of Rust's standard library, known by their path. Where their parts lie is taken from the members' offsets: rustc
// orders members as it likes, and their nesting changed over the years, but not the names that matter (pointer, len).

// rustPath is the path of a type without what it is generic over; its crate may be alloc, core, std or hashbrown.
func rustPath(t *ctype.Type) (crate, name string) {
	path := t.Name
	if at := strings.IndexByte(path, '<'); at >= 0 {
		path = path[:at]
	}
	crate, _, ok := strings.Cut(path, "::")
	if !ok {
		return "", ""
	}
	switch crate {
	case "alloc", "core", "std", "hashbrown":
		return crate, path[strings.LastIndexByte(path, ':')+1:]
	}
	return "", ""
}

func isRustText(u *ctype.Type) bool {
	switch _, name := rustPath(u); name {
	case "String", "OsString", "PathBuf":
		return true
	}
	return false
}

// rust captures a value of the standard library; false when it is none that is known.
func (b *builder) rust(n *tree, u *ctype.Type, from origin, depth int) bool {
	switch _, name := rustPath(u); name {
	case "String", "OsString", "PathBuf":
		address, _ := pointerMember(u, from, "pointer")
		size := member(u, from, "len")
		switch {
		case address == nil || size == nil:
			return false
		case !b.reachesText(depth):
			return cut(n)
		}
		return b.sized(n, from, address, size, plan.AsText)
	case "Vec":
		return b.rustVec(n, u, from, depth)
	case "Rc":
		return b.counter(n, from, counted{u, "value"}, depth)
	case "Arc":
		return b.counter(n, from, counted{u, "data"}, depth)
	case "HashMap":
		return b.rustMap(n, u, from, plan.AsPairs) && b.buckets(n, u, from, depth)
	case "HashSet":
		return b.rustMap(n, u, from, plan.AsList) && b.buckets(n, u, from, depth)
	case "BTreeMap":
		return b.rustMap(n, u, from, plan.AsPairs) && b.btree(n, u, from, depth)
	case "BTreeSet":
		return b.rustMap(n, u, from, plan.AsList) && b.btree(n, u, from, depth)
	case "VecDeque":
		return b.ringBuffer(n, u, from, depth)
	case "BinaryHeap":
		return b.heap(n, u, from, depth)
	case "Error":
		return u.Name == "std::io::error::Error" && b.ioError(n, u, from, depth)
	case "LinkedList":
		return b.rustMap(n, u, from, plan.AsList)
	}
	return false
}

// rustVec is Vec<T>. Since 2024 its pointer is to bytes, so that only the type's argument tells what it holds.
func (b *builder) rustVec(n *tree, u *ctype.Type, from origin, depth int) bool {
	address, elem := pointerMember(u, from, "pointer")
	length := member(u, from, "len")
	if len(u.Args) > 0 {
		elem = u.Args[0]
	}
	if address == nil || length == nil || elem.Sizeof() <= 0 {
		return false
	}
	if inner := elem.Underlying(); inner.Kind == ctype.Uint && inner.Size == 1 {
		if !b.reachesText(depth) {
			return cut(n)
		}
		return b.sized(n, from, address, length, plan.AsBytes)
	}
	return b.sequence(n, elem, from, address, run{binary("*", length, constant(elem.Sizeof())), length}, depth)
}

// heap is BinaryHeap<T>: a vector, in the order of its memory, of which the greatest element is the first.
func (b *builder) heap(n *tree, u *ctype.Type, from origin, depth int) bool {
	at, data, ok := find(u, "data")
	return ok && b.rustVec(n, data.Underlying(), from.from(at), depth) || b.rustMap(n, u, from, plan.AsList)
}

// counted is a type of shared values, and the member that holds the value. The counts have members of their own, and one
// of Arc's is a "value".
type counted struct {
	*ctype.Type
	member string
}

// counter is Rc or Arc: a pointer to the counts and, behind them, the value.
func (b *builder) counter(n *tree, from origin, t counted, depth int) bool {
	address, inner := pointerMember(t.Type, from, "pointer")
	if address == nil {
		return false
	}
	off, elem, ok := find(inner, t.member)
	if ok {
		b.boxed(n, elem, from, add(address, off), depth)
	}
	return ok
}

// rustMap is a container of which only the number of elements is captured.
func (b *builder) rustMap(n *tree, u *ctype.Type, from origin, view plan.View) bool {
	length := firstMember(u, from, "items", "length", "len")
	if length == nil {
		return false
	}
	n.View = view
	b.count(n, only(from.when, length))
	return true
}

// walkCases follows the pointers of every variant of an enum, each only if that variant is there.
func (b *builder) walkCases(n *tree, u *ctype.Type, from origin, off int64, depth, nesting int) {
	vs := u.Variants
	if vs == nil {
		return
	}
	for i := range vs.Cases {
		c := vs.Cases[i].Type.Underlying()
		if c == nil {
			continue
		}
		inside := from
		if vs.Discr != nil {
			number := from.word(off+vs.Discr.Offset, vs.Discr.Type.Sizeof(), false)
			if number == nil {
				return
			}
			inside.when = and(from.when, chosen(vs, i, number))
		}
		for j := range c.Fields {
			f := &c.Fields[j]
			if !b.over(n, f.Type, inside, off+f.Offset, depth) {
				b.walk(n, f.Type, inside, off+f.Offset, depth, nesting+1)
			}
		}
	}
}

// chosen holds when the discriminant selects case i. The default case is there when no other is.
func chosen(vs *ctype.Variants, i int, number plan.Expr) plan.Expr {
	if !vs.Cases[i].Default {
		return anyOf(vs.Cases[i].Values, number)
	}
	var others plan.Expr
	for j := range vs.Cases {
		if j != i {
			others = or(others, anyOf(vs.Cases[j].Values, number))
		}
	}
	if others == nil {
		return nil
	}
	return &plan.Unary{Op: "!", X: others, T: signed}
}

func anyOf(spans []ctype.DiscrRange, number plan.Expr) plan.Expr {
	var cond plan.Expr
	for _, s := range spans {
		one := compare("==", number, int64(s.Low))
		if s.High != s.Low {
			one = and(compare(">=", number, int64(s.Low)), compare("<=", number, int64(s.High)))
		}
		cond = or(cond, one)
	}
	if cond == nil {
		return constant(0)
	}
	return cond
}

func or(x, y plan.Expr) plan.Expr {
	if x == nil {
		return y
	}
	return binary("||", x, y)
}
