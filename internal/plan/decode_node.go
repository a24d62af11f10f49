package plan

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// node builds the value of a node; base is the address of its block, 0 when unknown.
func (r *record) node(n *Node, base uint64) event.Value {
	if r.left--; r.left < 0 {
		return event.Missing(event.Cut, 0)
	}
	if p := r.witnessed(n); p != "" {
		return event.Missing(p, base)
	}
	v := r.view(n, base)
	v.Guess = v.Guess || n.Guess && n.Type != nil // of what has no type, only text is one
	return v
}

// into builds the value of a node in its place, where there is nothing or what was plain: numbers and texts without a type, of which there are most in
// the records that come fastest, and any other.
func (r *record) into(v *event.Value, n *Node) {
	if n.View == AsType && n.Type == nil && !n.Guess && len(n.Pieces) == 1 && n.T.Shown == ShownPlain && (n.T.Kind == IntType || n.T.Kind == StrType) {
		if p := &n.Pieces[0]; p.At == 0 && p.Skip == 0 && p.Problem == "" && r.plain(v, n, p.Slot) {
			return
		}
	}
	*v, r.d.mixed = r.node(n, 0), true
}

// plain does so for a number or a text that was captured whole; false: it was not, and nothing has been done.
func (r *record) plain(v *event.Value, n *Node, slot int) bool {
	g := r.slot(slot)
	switch {
	case g.problem != "":
		return false
	case n.T.Kind == StrType:
		r.string(v, n, g)
		return true
	case len(g.bytes) < 8:
		return false
	}
	v.Kind, v.Int, v.Uint, v.Size = event.KindUint, 0, g.number(), uint8(min(max(n.T.Size, 0), 8))
	if n.T.Signed {
		v.Kind, v.Int, v.Uint = event.KindInt, int64(v.Uint), 0
	}
	v.Truncated, v.Len = false, 0
	if v.Str != "" {
		v.Str = ""
	}
	return true
}

// string is the text of a slot.
func (r *record) string(v *event.Value, n *Node, g got) {
	text := g.bytes
	if k := n.Pieces[0].Slot; n.UntilNUL || k < len(r.kinds) && r.kinds[k] != SlotBuf {
		text = beforeNUL(text)
	}
	if v.Str != string(text) {
		v.Str = string(text)
	}
	v.Kind, v.Int, v.Uint, v.Size, v.Len, v.Truncated = event.KindString, 0, 0, 0, uint64(len(text)), g.cut && len(text) == len(g.bytes)
}

// witnessed is why what the value cannot be without is not there.
func (r *record) witnessed(n *Node) event.Problem {
	for i := range n.Pieces {
		if p := &n.Pieces[i]; p.At == WitnessAt && p.Problem == "" {
			return r.slot(p.Slot).problem
		}
	}
	return ""
}

func (r *record) view(n *Node, base uint64) event.Value {
	switch n.View {
	case AsText, AsLikely, AsBytes:
		return r.text(n, base)
	case AsElems, AsBits:
		return r.elems(n, base)
	case AsList, AsPairs:
		return r.members(n, base)
	case AsTuple:
		v := event.Value{Kind: event.KindTuple}
		for i := range n.Follow {
			v.Fields = append(v.Fields, event.Field{Value: r.node(&n.Follow[i], 0)})
		}
		return v
	case AsBox:
		return r.box(n, base)
	case AsVariant:
		return r.choice(n, base)
	case AsSockaddr:
		b := r.block(n, base)
		if p := b.gone(0, 2); p != "" {
			return b.missing(p, 0)
		}
		return sockaddr(b.bytes)
	}
	if n.T.Kind != IntType || n.T.Shown != ShownPlain {
		return r.typed(n)
	}
	b := r.block(n, base)
	switch {
	case n.Type != nil && n.Type.Underlying().Polymorphic():
		return r.instance(n.Type, b)
	case n.Type != nil:
		return r.value(n.Type, b, 0, 0)
	case n.Guess:
		return r.guess(n, b)
	}
	return b.integer(n.T)
}

// Before bytes that nobody called text are shown as such, they must be so many. No NUL ends those of Go: any bytes might do.
const (
	shortestGuess   = 2
	shortestGoGuess = 4
)

// guess reads a register of which nothing is known: text if it leads to some, a small number, or an address.
func (r *record) guess(n *Node, b *block) event.Value {
	word, problem := b.word(0, 8)
	if problem != "" {
		return b.missing(problem, 0)
	}
	if len(n.Follow) > 0 {
		least := shortestGuess
		if n.Lang == event.LangGo {
			least = shortestGoGuess
		}
		if v := r.node(&n.Follow[0], word); v.Problem == "" && len(v.Str) >= least {
			v.Uint, v.Guess = word, true
			return v
		}
	}
	switch {
	case n.Lang == event.LangGo:
		return event.Value{Kind: event.KindFlags, Uint: word, Str: hexadecimal(word), Size: 8}
	case int64(word) < 1<<24 && int64(word) > -1<<24:
		return event.Value{Kind: event.KindInt, Int: int64(word), Size: 8}
	case word>>32 == 0 && int32(word) < 0 && int32(word) > -1<<16: // a negative int in the low half
		return event.Value{Kind: event.KindInt, Int: int64(int32(word)), Size: 4}
	}
	return event.Value{Kind: event.KindPointer, Uint: word, Size: 8}
}

// integer is a number of which nothing but its size is known.
func (b *block) integer(t Type) event.Value {
	word, problem := b.word(0, 8)
	if problem != "" {
		return b.missing(problem, 0)
	}
	v := event.Value{Kind: event.KindUint, Uint: word, Size: uint8(min(max(t.Size, 0), 8))}
	if t.Signed {
		v.Kind, v.Int, v.Uint = event.KindInt, int64(word), 0
	}
	return v
}

// typed reads the slot of a printf argument that is no plain number.
func (r *record) typed(n *Node) event.Value {
	if len(n.Pieces) == 0 {
		return event.Value{}
	}
	g := r.slot(n.Pieces[0].Slot)
	if g.problem != "" {
		return event.Missing(g.problem, 0)
	}
	switch n.T.Kind {
	case StrType:
		var v event.Value
		r.string(&v, n, g)
		return v
	case BytesType:
		return event.Value{Kind: event.KindBytes, Str: string(g.bytes), Len: uint64(len(g.bytes)), Truncated: g.cut}
	case StackType:
		return event.Value{Kind: event.KindStack, Frames: r.stack(g.bytes), Truncated: g.cut}
	case UsymType:
		if r.emission.Kind == EmitCall { // a member of std::function
			return r.symbol(g.number())
		}
		return r.codeName(g.number())
	}
	return r.d.part(n.T, g.bytes, r.pid)
}

func beforeNUL(text []byte) []byte {
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return text[:i]
	}
	return text
}

// symbol is a code address with the function's name.
func (r *record) symbol(pc uint64) event.Value {
	if pc == 0 {
		return event.Value{Kind: event.KindNil}
	}
	v := event.Value{Kind: event.KindPointer, Uint: pc, Size: 8}
	if v.Str = r.d.sym.Function(r.pid, pc); v.Str == "" {
		if at := r.d.sym.Frame(r.pid, pc); len(at) > 0 && at[0].Function != "" {
			v.Str = at[len(at)-1].String()
		}
	}
	return v
}

// codeName is the name alone, which is what usym() is in a script; an address that has none stays one.
func (r *record) codeName(pc uint64) event.Value {
	v := r.symbol(pc)
	if v.Str != "" {
		return event.String(v.Str)
	}
	return v
}

// text is what a text, buffer or array of bytes holds.
func (r *record) text(n *Node, base uint64) event.Value {
	b := r.block(n, base)
	if p := b.gone(0, 1); p != "" {
		if n.Over { // the object that holds the address was read; the address itself is not kept
			b.base = 0
		}
		return b.missing(p, 0)
	}
	v := event.Value{Kind: event.KindString, Str: string(b.bytes), Len: uint64(len(b.bytes)), Truncated: b.cut, Type: r.typeName(n.Type)}
	if n.View == AsBytes {
		v.Kind = event.KindBytes
	}
	if full, ok := r.count(n); ok {
		v.Len = max(full, v.Len)
		v.Truncated = v.Truncated || full > uint64(len(b.bytes))
	}
	if n.View == AsLikely && !likelyText(v.Str) {
		return event.Missing(event.Cut, base)
	}
	return v
}

// likelyText reports whether bytes up to a NUL look like text at all.
func likelyText(text string) bool {
	for len(text) > 0 {
		c, n := utf8.DecodeRuneInString(text)
		if c == utf8.RuneError && n == 1 {
			return !utf8.FullRuneInString(text) // the limit cut a character in two
		}
		if !unicode.IsPrint(c) && !unicode.IsSpace(c) {
			return false
		}
		text = text[n:]
	}
	return true
}

// elems is a run of elements, of which those that were captured whole are shown.
func (r *record) elems(n *Node, base uint64) event.Value {
	b := r.block(n, base)
	size := n.Elem.Sizeof()
	full, counted := r.count(n)
	switch p := b.gone(0, 1); {
	case counted && (full == 0 || p == event.Cut || len(b.bytes) == 0 && p == ""):
		return event.Value{Kind: event.KindArray, Type: r.typeName(n.Type), Len: full, Truncated: full > 0}
	case p != "":
		return b.missing(p, 0)
	}
	v := event.Value{Kind: event.KindArray, Type: r.typeName(n.Type)}
	switch {
	case n.View == AsBits:
		v.Len = 8 * uint64(len(b.bytes))
	case size > 0:
		v.Len = uint64(len(b.bytes)) / uint64(size)
	}
	have := min(v.Len, uint64(max(r.d.plan.Limits.Elems, 0)))
	if counted {
		v.Len = full
		have = min(have, full)
	}
	for i := int64(0); i < int64(have); i++ {
		v.Fields = append(v.Fields, event.Field{Value: r.elem(n, b, i)})
	}
	v.Truncated = have < v.Len || b.cut
	return v
}

// elem is one of consecutive elements.
func (r *record) elem(n *Node, b *block, i int64) event.Value {
	if n.View == AsBits {
		bit := &block{node: n, bytes: []byte{b.bytes[i/8] >> (i % 8) & 1}}
		return r.value(n.Elem, bit, 0, 1)
	}
	return r.value(n.Elem, b, i*n.Elem.Sizeof(), 1)
}

// members is a list or map whose members were captured one by one.
func (r *record) members(n *Node, base uint64) event.Value {
	v := event.Value{Kind: event.KindArray, Type: r.typeName(n.Type)}
	step := 1
	if n.View == AsPairs {
		v.Kind, step = event.KindMap, 2
	}
	for i := 0; i+step <= len(n.Follow); i += step {
		last := &n.Follow[i+step-1]
		if r.skipped(&n.Follow[i]) || r.skipped(last) || n.Follow[i].without() {
			continue
		}
		f := event.Field{}
		if step == 2 {
			key := r.node(&n.Follow[i], 0)
			f.Key = &key
		}
		f.Value = r.node(last, 0)
		v.Fields = append(v.Fields, f)
	}
	v.Len = uint64(len(v.Fields))
	if full, ok := r.count(n); ok {
		v.Len = full
		v.Truncated = full > uint64(len(v.Fields))
	} else if b := r.block(n, base); b.gone(0, 1) != "" {
		return b.missing(b.gone(0, 1), 0)
	}
	return v
}

// without reports a node for which no slot was left.
func (n *Node) without() bool {
	return len(n.Pieces) > 0 && n.Pieces[0].Problem == event.Cut
}

// box is what an owning pointer holds, or an optional.
func (r *record) box(n *Node, base uint64) event.Value {
	b := r.block(n, base)
	if p := b.gone(0, 1); p != "" {
		return b.missing(p, 0)
	}
	address := uint64(0)
	for i, c := range b.bytes[:min(len(b.bytes), 8)] {
		address |= uint64(c) << (8 * i)
	}
	switch {
	case address == 0:
		return event.Value{Kind: event.KindNil, Type: r.typeName(n.Type)}
	case len(n.Follow) == 0:
		return event.Value{Kind: event.KindPointer, Uint: address, Size: 8, Type: r.typeName(n.Type)}
	}
	if n.Lang == event.LangRust {
		if v := r.node(&n.Follow[0], address); v.Problem != event.Cut {
			return v
		}
	}
	return r.pointee(&n.Follow[0], address, r.typeName(n.Type))
}

// choice is the follower whose number the block holds; without one there is nothing: an empty optional.
func (r *record) choice(n *Node, base uint64) event.Value {
	b := r.block(n, base)
	number, problem := b.word(0, 8)
	if problem != "" {
		return b.missing(problem, 0)
	}
	for i := range n.Follow {
		if n.Follow[i].At == int64(number) {
			return r.node(&n.Follow[i], 0)
		}
	}
	return event.Value{Kind: event.KindNil, Type: r.typeName(n.Type)}
}

// pointee is what a pointer shows when what it leads to was captured: text in its place, anything else behind it.
func (r *record) pointee(n *Node, address uint64, name string) event.Value {
	elem := r.node(n, address)
	switch {
	case elem.Problem == event.Cut:
		return event.Value{Kind: event.KindPointer, Uint: address, Size: 8, Type: name}
	case elem.Problem == event.Unreadable:
		elem.Uint = address
		return elem
	case n.View == AsText || n.View == AsLikely || n.View == AsBytes || n.View == AsSockaddr || n.View == AsElems || n.View == AsBits:
		elem.Uint = address
		return elem
	}
	return event.Value{Kind: event.KindPointer, Uint: address, Size: 8, Type: name, Elem: &elem}
}

// typeName is a type as its author wrote it. Writing one out takes time, so each is written once.
func (r *record) typeName(t *ctype.Type) string {
	switch {
	case t == nil:
		return ""
	case t.Name != "":
		return t.Name
	}
	name, ok := r.d.names[t]
	if !ok {
		name = strings.TrimSpace(t.String())
		r.d.names[t] = name
	}
	return name
}
