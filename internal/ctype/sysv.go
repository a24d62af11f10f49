package ctype

// class is what the System V ABI for AMD64 (section 3.2.3) calls the class of an eightbyte.
type class uint8

const (
	noClass class = iota
	integer
	sse
	sseUp
	x87
	x87Up
	complexX87
	memory
)

// Order of assignment: section 3.2.3, "Passing" and "Returning of Values".
var (
	sysvInts        = []Register{RDI, RSI, RDX, RCX, R8, R9}
	sysvVectors     = []Register{XMM0, XMM0 + 1, XMM0 + 2, XMM0 + 3, XMM0 + 4, XMM0 + 5, XMM0 + 6, XMM0 + 7}
	sysvResultInts  = []Register{RAX, RDX}
	sysvResultFloat = []Register{XMM0, XMM0 + 1}
)

const (
	maxEightbytes = 8 // a 512-bit vector
	maxAlign      = 64
)

// placeSysV follows the System V ABI, and for C++ classes the Itanium C++ ABI (section 3.1).
func placeSysV(sig *Signature) Placement {
	b := bank{ints: sysvInts, vectors: sysvVectors, stack: firstArgument}
	p := Placement{Params: make([][]Piece, len(sig.Params)), Results: make([][]Piece, len(sig.Results))}
	for i := range sig.Results {
		pieces, hidden := sysvResult(sig.Results[i].Type)
		p.Results[i] = pieces
		if hidden {
			b.ints, p.Hidden = b.ints[1:], true // rdi points at the place for the result
		}
		break // a second result exists in no language that uses this convention
	}
	for i := range sig.Params {
		p.Params[i] = b.sysvParam(sig.Params[i].Type)
	}
	return p
}

func (b *bank) sysvParam(t *Type) []Piece {
	u := t.Underlying()
	if b.lost || u == nil {
		return b.unknown(t)
	}
	if u.NonTrivial {
		return b.address(max(u.Sizeof(), 0))
	}
	size := u.Sizeof()
	switch {
	case size < 0:
		return b.unknown(t)
	case size == 0:
		return nil
	}
	classes := classify(u, size)
	if inMemory(classes) {
		return b.push(size, min(t.Alignof(), maxAlign))
	}
	if pieces, ok := b.take(classes, size); ok {
		return pieces
	}
	return b.push(size, min(t.Alignof(), maxAlign))
}

func inMemory(classes []class) bool {
	for _, c := range classes {
		if c >= x87 {
			return true
		}
	}
	return false
}

// take gives registers to all eightbytes of a value, or to none.
func (b *bank) take(classes []class, size int64) ([]Piece, bool) {
	left := *b
	var pieces []Piece
	for i, c := range classes {
		at := int64(i) * 8
		p := Piece{Kind: InRegister, At: at, Size: min(8, size-at)}
		switch c {
		case integer:
			if len(left.ints) == 0 {
				return nil, false
			}
			p.Reg, left.ints = left.ints[0], left.ints[1:]
		case sse:
			if len(left.vectors) == 0 {
				return nil, false
			}
			p.Reg, left.vectors = left.vectors[0], left.vectors[1:]
		case sseUp:
			pieces[len(pieces)-1].Size += p.Size
			continue
		default:
			continue
		}
		pieces = append(pieces, p)
	}
	*b = left
	return pieces, true
}

// sysvResult places a result; hidden says that the caller passed the address of a place for it in rdi.
func sysvResult(t *Type) (pieces []Piece, hidden bool) {
	u := t.Underlying()
	size := u.Sizeof()
	switch {
	case u == nil || size == 0 && !u.NonTrivial:
		return nil, false
	case u.NonTrivial:
		return []Piece{{Kind: InMemory, Reg: RAX, Size: max(size, 0)}}, true
	case size < 0:
		return []Piece{{Kind: Nowhere}}, false
	}
	classes := classify(u, size)
	switch classes[0] {
	case memory:
		return []Piece{{Kind: InMemory, Reg: RAX, Size: size}}, true
	case x87:
		return []Piece{{Kind: InX87, Size: size}}, false
	case complexX87: // st0 and st1
		return []Piece{{Kind: InX87, Size: 16}, {Kind: InX87, At: 16, Size: size - 16}}, false
	}
	b := bank{ints: sysvResultInts, vectors: sysvResultFloat}
	pieces, _ = b.take(classes, size)
	return pieces, false
}

// classify gives the classes of a value's eightbytes: at least one.
func classify(t *Type, size int64) []class {
	n := int((size + 7) / 8)
	if n > maxEightbytes {
		return []class{memory}
	}
	c := classifier{left: typeBudget}
	if !c.visit(t, 0) {
		return []class{memory}
	}
	return merged(c.classes[:n])
}

// merged is the "post merger clean-up" of the ABI.
func merged(classes []class) []class {
	for i, c := range classes {
		switch {
		case c == memory, c == x87Up && (i == 0 || classes[i-1] != x87):
			return []class{memory}
		case c == sseUp && (i == 0 || classes[i-1] != sse && classes[i-1] != sseUp):
			classes[i] = sse
		}
	}
	if len(classes) > 2 && classes[0] != complexX87 && !wholeVector(classes) {
		return []class{memory}
	}
	return classes
}

func wholeVector(classes []class) bool {
	for i, c := range classes {
		if i == 0 && c != sse || i > 0 && c != sseUp {
			return false
		}
	}
	return true
}

type classifier struct {
	classes [8]class
	left    budget
}

// visit merges the classes of the value of type t at byte offset at; false means memory.
func (c *classifier) visit(t *Type, at int64) bool {
	if !c.left.spend() {
		return false
	}
	t = t.Underlying()
	size := t.Sizeof()
	switch {
	case t == nil, size < 0, at < 0, at+size > maxEightbytes*8:
		return false
	case size == 0:
		return true
	}
	switch t.Kind {
	case Struct, Union:
		if len(t.Fields) == 0 && size > 1 { // one byte: an empty C++ class. Else the debug information left its members out
			return c.words(integer, at, size)
		}
		return c.visitFields(t.Fields, at)
	case Variant:
		return c.visitVariants(t, at)
	case Array:
		if t.Vector {
			return c.vector(at, size)
		}
		return c.visitArray(t, at)
	case Float:
		return c.float(t, at, size)
	case Complex:
		return c.complex(t, at, size)
	case Opaque:
		return isDecimal(t) && c.vector(at, size)
	}
	return c.words(integer, at, size)
}

func (c *classifier) visitFields(fields []Field, at int64) bool {
	for i := range fields {
		f := &fields[i]
		if f.BitSize > 0 {
			first := at*8 + f.BitOffset
			if first < 0 || !c.spanBits(first, f.BitSize) {
				return false
			}
			continue
		}
		if f.Type.Underlying().flexible() {
			continue
		}
		if !c.visit(f.Type, at+f.Offset) {
			return false
		}
	}
	return true
}

// flexible reports an array that holds nothing as far as sizeof is concerned.
func (t *Type) flexible() bool { return t != nil && t.Kind == Array && t.Len < 0 }

// spanBits marks the eightbytes that a bit-field lies in: bit-fields are never misaligned.
func (c *classifier) spanBits(first, bits int64) bool {
	last := first + bits - 1
	if bits > 128 || last/64 >= maxEightbytes {
		return false
	}
	for w := first / 64; w <= last/64; w++ {
		c.merge(int(w), integer)
	}
	return true
}

func (c *classifier) visitVariants(t *Type, at int64) bool {
	if !c.visitFields(t.Fields, at) {
		return false
	}
	v := t.Variants
	if v == nil {
		return true
	}
	if v.Discr != nil && !c.visit(v.Discr.Type, at+v.Discr.Offset) {
		return false
	}
	for i := range v.Cases {
		if !c.visit(v.Cases[i].Type, at) {
			return false
		}
	}
	return true
}

func (c *classifier) visitArray(t *Type, at int64) bool {
	size := t.Elem.Sizeof()
	if size <= 0 {
		return size == 0
	}
	for i := int64(0); i < t.Len; i++ {
		if !c.visit(t.Elem, at+i*size) {
			return false
		}
	}
	return true
}

func (c *classifier) float(t *Type, at, size int64) bool {
	if size < 16 {
		return c.words(sse, at, size)
	}
	if t.IsQuad() {
		return c.vector(at, size)
	}
	if at%16 != 0 {
		return false
	}
	c.merge(int(at/8), x87)
	c.merge(int(at/8)+1, x87Up)
	return true
}

// IsQuad tells the IEEE quadruple types from x87's long double, which has the same size.
func (t *Type) IsQuad() bool {
	switch t.Name {
	case "__float128", "_Float128", "f128", "__ieee128":
		return true
	}
	return false
}

// isDecimal: _Decimal32, 64 and 128 travel as SSE values.
func isDecimal(t *Type) bool { return len(t.Name) > 8 && t.Name[:8] == "_Decimal" }

func (c *classifier) complex(t *Type, at, size int64) bool {
	half := size / 2
	if half == 16 {
		c.merge(int(at/8), complexX87)
		return at == 0
	}
	return c.words(sse, at, half) && c.words(sse, at+half, half)
}

func (c *classifier) vector(at, size int64) bool {
	if size <= 0 || at%size != 0 {
		return false
	}
	c.merge(int(at/8), sse)
	for w := at/8 + 1; w*8 < at+size; w++ {
		c.merge(int(w), sseUp)
	}
	return true
}

// words marks a scalar; a misaligned one (a packed struct) sends the whole value to memory.
func (c *classifier) words(k class, at, size int64) bool {
	if size <= 0 || at%min(size, 16) != 0 {
		return false
	}
	for w := at / 8; w*8 < at+size; w++ {
		c.merge(int(w), k)
	}
	return true
}

// merge joins two classes of one eightbyte.
func (c *classifier) merge(w int, k class) {
	old := c.classes[w]
	switch {
	case old == k, k == noClass:
	case old == noClass:
		c.classes[w] = k
	case old == memory || k == memory:
		c.classes[w] = memory
	case old == integer || k == integer:
		c.classes[w] = integer
	case old >= x87 || k >= x87:
		c.classes[w] = memory
	default:
		c.classes[w] = sse
	}
}
