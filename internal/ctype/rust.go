package ctype

// placeRust follows what rustc does for functions of its own ABI on amd64. The ABI is unspecified; this is how
// rustc 1.63 to 1.95 behave (rustc_abi layout and fn_abi_adjust_for_abi), checked against compiled programs:
//
//   - a scalar travels as in C;
//   - a scalar pair (two scalars and nothing else: &str, &[T], (u64, f64), Option<u32>) travels as two arguments, each
//     with its own class, and comes back in rax/rdx and xmm0/xmm1;
//   - any other aggregate of at most 8 bytes travels as one integer, whatever is in it;
//   - a larger one travels by address, and comes back through a hidden pointer that rax repeats;
//   - a value without bytes does not travel.
//
// A #[repr(C)] struct around a single float is an aggregate here, but debug information does not tell it from the
// plain newtype, which is a scalar: it is taken for the latter.
func placeRust(sig *Signature) Placement {
	b := bank{ints: sysvInts, vectors: sysvVectors, stack: firstArgument}
	p := Placement{Params: make([][]Piece, len(sig.Params)), Results: make([][]Piece, len(sig.Results))}
	if len(sig.Results) > 0 {
		pieces, hidden := rustResult(sig.Results[0].Type)
		p.Results[0] = pieces
		if hidden {
			b.ints, p.Hidden = b.ints[1:], true
		}
	}
	for i := range sig.Params {
		p.Params[i] = b.rustParam(sig.Params[i].Type)
	}
	return p
}

func (b *bank) rustParam(t *Type) []Piece {
	size := t.Sizeof()
	switch {
	case b.lost || t == nil || size < 0:
		return b.unknown(t)
	case size == 0:
		return nil
	}
	scalars := scalarsOf(t)
	if scalars == nil && size > 8 {
		return b.address(size)
	}
	if scalars == nil {
		scalars = []leaf{{size: size}}
	}
	var pieces []Piece
	for _, l := range scalars {
		pieces = append(pieces, b.scalar(l)...)
	}
	return pieces
}

// scalar places one scalar argument.
func (b *bank) scalar(l leaf) []Piece {
	classes := make([]class, (l.size+7)/8)
	for i := range classes {
		classes[i] = integer
		if l.float {
			classes[i] = sse
		}
	}
	pieces, ok := b.take(classes, l.size)
	if !ok {
		pieces = b.push(l.size, min(l.size, 16))
	}
	for i := range pieces {
		pieces[i].At += l.at
	}
	return pieces
}

func rustResult(t *Type) (pieces []Piece, hidden bool) {
	size := t.Sizeof()
	switch {
	case size == 0:
		return nil, false
	case t == nil || size < 0:
		return []Piece{{Kind: Nowhere}}, false
	}
	scalars := scalarsOf(t)
	if size > 16 || scalars == nil && size > 8 {
		return []Piece{{Kind: InMemory, Reg: RAX, Size: size}}, true
	}
	if scalars == nil {
		scalars = []leaf{{size: size}}
	}
	b := bank{ints: sysvResultInts, vectors: sysvResultFloat}
	for _, l := range scalars {
		pieces = append(pieces, b.scalar(l)...)
	}
	return pieces, false
}

func scalarsOf(t *Type) []leaf {
	walk := budget(typeBudget)
	return rustScalars(t, &walk)
}

// rustScalars gives the one or two scalars that a value is made of in rustc's eyes, nil when it is an aggregate.
func rustScalars(t *Type, walk *budget) []leaf {
	t = t.Underlying()
	size := t.Sizeof()
	if t == nil || size <= 0 || !walk.spend() {
		return nil
	}
	switch t.Kind {
	case Struct:
		return rustStruct(t.Fields, size, walk)
	case Union:
		return rustUnion(t, size, walk)
	case Variant:
		return rustEnum(t, size, walk)
	case Slice, Str, TraitObject:
		return []leaf{{size: 8}, {at: 8, size: 8}}
	case Float:
		return []leaf{{size: size, float: true}}
	case Array, Opaque, Complex, Interface, GoString:
		return nil
	}
	return []leaf{{size: size}}
}

// rustStruct: one field with bytes lends the struct its own shape, two scalars make a pair.
func rustStruct(fields []Field, size int64, walk *budget) []leaf {
	var parts []leaf
	filled := 0
	for i := range fields {
		f := &fields[i]
		if f.Type.Sizeof() == 0 {
			continue
		}
		scalars := rustScalars(f.Type, walk)
		if filled++; scalars == nil || filled > 2 || filled == 2 && len(scalars)+len(parts) > 2 {
			return nil
		}
		for _, l := range scalars {
			l.at += f.Offset
			parts = append(parts, l)
		}
	}
	return fills(parts, size)
}

// fills puts scalars in memory order and checks that they leave no more room than alignment asks for.
func fills(parts []leaf, size int64) []leaf {
	switch len(parts) {
	case 1:
		if parts[0].at == 0 && parts[0].size == size {
			return parts
		}
	case 2:
		if parts[0].at > parts[1].at {
			parts[0], parts[1] = parts[1], parts[0]
		}
		a, b := parts[0], parts[1]
		if a.at == 0 && b.at == roundUp(a.size, b.size) && size == roundUp(b.at+b.size, max(a.size, b.size)) {
			return parts
		}
	}
	return nil
}

func rustUnion(t *Type, size int64, walk *budget) []leaf {
	var common []leaf
	for i := range t.Fields {
		if t.Fields[i].Type.Sizeof() == 0 {
			continue
		}
		scalars := rustScalars(t.Fields[i].Type, walk)
		if scalars == nil || common != nil && !sameLeaves(common, scalars) {
			return nil
		}
		common = scalars
	}
	return fills(common, size)
}

func sameLeaves(a, b []leaf) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// rustEnum: with a tag of its own, the tag and one scalar that all variants share make a pair. With a niche (one
// variant is the default), the enum has the shape of that variant if no other carries bytes.
func rustEnum(t *Type, size int64, walk *budget) []leaf {
	v := t.Variants
	if v == nil {
		return rustStruct(t.Fields, size, walk)
	}
	if v.Discr == nil {
		if len(v.Cases) != 1 {
			return nil
		}
		return rustStruct(caseFields(&v.Cases[0]), size, walk)
	}
	for i := range v.Cases {
		if v.Cases[i].Default {
			return rustNiche(v, i, size, walk)
		}
	}
	tag := leaf{at: v.Discr.Offset, size: v.Discr.Type.Sizeof()}
	if tag.size == size {
		return fills([]leaf{tag}, size)
	}
	shared, ok := sharedScalar(v, walk)
	if !ok {
		return nil
	}
	return fills([]leaf{tag, shared}, size)
}

func rustNiche(v *Variants, dataful int, size int64, walk *budget) []leaf {
	for i := range v.Cases {
		if i != dataful && filledFields(caseFields(&v.Cases[i])) > 0 {
			return nil
		}
	}
	return rustStruct(caseFields(&v.Cases[dataful]), size, walk)
}

// sharedScalar is the one scalar, at one offset, that every variant with bytes consists of.
func sharedScalar(v *Variants, walk *budget) (shared leaf, ok bool) {
	for i := range v.Cases {
		fields := caseFields(&v.Cases[i])
		for j := range fields {
			f := &fields[j]
			if f.Type.Sizeof() == 0 {
				continue
			}
			scalars := rustScalars(f.Type, walk)
			if len(scalars) != 1 || filledFields(fields) != 1 {
				return leaf{}, false
			}
			l := scalars[0]
			l.at += f.Offset
			if ok && l != shared {
				return leaf{}, false
			}
			shared, ok = l, true
		}
	}
	return shared, ok
}

func caseFields(c *VariantCase) []Field {
	if c.Type == nil {
		return nil
	}
	return c.Type.Underlying().Fields
}

func filledFields(fields []Field) int {
	n := 0
	for i := range fields {
		if fields[i].Type.Sizeof() != 0 {
			n++
		}
	}
	return n
}
