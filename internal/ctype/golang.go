package ctype

// Go's ABIInternal for amd64: registers in order of assignment. Source: cmd/compile abi-internal.md, "amd64
// architecture". rdx holds a closure's context and r14 the goroutine.
var (
	goInts   = []Register{RAX, RBX, RCX, RDI, RSI, R8, R9, R10, R11}
	goFloats = []Register{
		XMM0, XMM0 + 1, XMM0 + 2, XMM0 + 3, XMM0 + 4, XMM0 + 5, XMM0 + 6, XMM0 + 7,
		XMM0 + 8, XMM0 + 9, XMM0 + 10, XMM0 + 11, XMM0 + 12, XMM0 + 13, XMM0 + 14,
	}
)

// placeGo follows abi-internal.md; without registers it is ABI0, where everything lies on the stack.
//
//	entry rsp + 8: stack-assigned receiver and parameters | results, from a multiple of 8 | spill space
//
// Spill space is the callee's to fill, so nothing can be read there at entry.
func placeGo(sig *Signature, ints, floats []Register) Placement {
	b := bank{ints: ints, vectors: floats, stack: firstArgument}
	p := Placement{Params: make([][]Piece, len(sig.Params)), Results: make([][]Piece, len(sig.Results))}
	dictionary := sig.Dictionary
	for i := range sig.Params {
		if dictionary && !sig.Params[i].Receiver {
			b.goValue(&Type{Kind: Uint, Size: 8})
			dictionary = false
		}
		p.Params[i] = b.goValue(sig.Params[i].Type)
	}
	b.stack = roundUp(b.stack, 8)
	b.ints, b.vectors = ints, floats
	for i := range sig.Results {
		p.Results[i] = b.goValue(sig.Results[i].Type)
	}
	return p
}

// goValue assigns one value: wholly to registers, or wholly to the stack.
func (b *bank) goValue(t *Type) []Piece {
	size := t.Sizeof()
	if b.lost || t == nil || size < 0 {
		return b.unknown(t)
	}
	if size > 0 && len(b.ints) > 0 {
		if pieces, ok := b.goRegisters(t); ok {
			return pieces
		}
	}
	at := roundUp(b.stack, t.Alignof())
	b.stack = at + size
	if size == 0 {
		return nil
	}
	return []Piece{{Kind: OnStack, Offset: at, Size: size}}
}

func (b *bank) goRegisters(t *Type) ([]Piece, bool) {
	left := *b
	var pieces []Piece
	walk := budget(typeBudget)
	leaves, ok := goLeaves(nil, t, 0, &walk)
	if !ok {
		return nil, false
	}
	for _, l := range leaves {
		p := Piece{Kind: InRegister, At: l.at, Size: l.size}
		bank := &left.ints
		if l.float {
			bank = &left.vectors
		}
		if len(*bank) == 0 {
			return nil, false
		}
		p.Reg, *bank = (*bank)[0], (*bank)[1:]
		pieces = append(pieces, p)
	}
	*b = left
	return pieces, true
}

// leaf is a part of a value that fits one register.
type leaf struct {
	at, size int64
	float    bool
}

// goLeaves takes a value apart into what travels in one register each; false when the rules send it to the stack.
func goLeaves(leaves []leaf, t *Type, at int64, walk *budget) ([]leaf, bool) {
	t = t.Underlying()
	size := t.Sizeof()
	switch {
	case t == nil, size < 0, !walk.spend(), len(leaves) > len(goInts)+len(goFloats):
		return nil, false
	case size == 0:
		return leaves, true
	}
	switch t.Kind {
	case Struct:
		for i := range t.Fields {
			var ok bool
			if leaves, ok = goLeaves(leaves, t.Fields[i].Type, at+t.Fields[i].Offset, walk); !ok {
				return nil, false
			}
		}
		return leaves, true
	case Array:
		if t.Len != 1 {
			return nil, false
		}
		return goLeaves(leaves, t.Elem, at, walk)
	case GoString, Slice, Interface:
		for ; size > 0; size -= 8 {
			leaves = append(leaves, leaf{at: at, size: 8})
			at += 8
		}
		return leaves, true
	case Float:
		return append(leaves, leaf{at: at, size: size, float: true}), size <= 8
	case Complex:
		half := size / 2
		return append(leaves, leaf{at, half, true}, leaf{at + half, half, true}), half <= 8
	}
	return append(leaves, leaf{at: at, size: size}), size <= 8 && t.Kind != Opaque && t.Kind != Union
}
