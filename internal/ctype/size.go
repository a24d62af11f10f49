package ctype

import "github.com/sonde-project/sonde/event"

// maxChain bounds walks through types that a hostile file may have made cyclic.
const maxChain = 64

// Underlying follows typedefs to the type that has a shape. It never returns nil for a non-nil type.
func (t *Type) Underlying() *Type {
	for range maxChain {
		if t == nil || t.Kind != Typedef {
			return t
		}
		if t.Elem == nil {
			return &Type{Kind: Void, Lang: t.Lang}
		}
		t = t.Elem
	}
	return &Type{Kind: Opaque, Name: t.Name, Size: -1}
}

// Sizeof is the number of bytes of a value, -1 when the type is incomplete.
func (t *Type) Sizeof() int64 {
	for range maxChain {
		t = t.Underlying()
		if t == nil {
			return 0
		}
		switch t.Kind {
		case Void:
			return 0
		case Pointer, Reference, Func, CString, Map, Chan:
			return 8
		case GoString, Str, Interface, TraitObject:
			return 16
		case Slice:
			return sliceSize(t)
		case Array:
			if t.Size > 0 || t.Len == 0 {
				return max(t.Size, 0)
			}
			return arraySize(t)
		}
		return t.Size
	}
	return -1
}

func sliceSize(t *Type) int64 {
	if t.Size > 0 {
		return t.Size
	}
	if t.Lang == event.LangRust {
		return 16
	}
	return 24
}

// arraySize multiplies out nested arrays; -1 when a dimension is open or the product is beyond what memory holds.
func arraySize(t *Type) int64 {
	n := int64(1)
	for range maxChain {
		if t.Kind != Array {
			size := t.Sizeof()
			if size < 0 || (size > 0 && n > maxSize/size) {
				return -1
			}
			return n * size
		}
		if t.Len < 0 || t.Elem == nil || (t.Len > 0 && n > maxSize/t.Len) {
			return -1
		}
		n *= t.Len
		t = t.Elem.Underlying()
	}
	return -1
}

const maxSize = 1 << 46 // of one value: more than an address space holds

// Alignof is the alignment in memory, at least 1.
func (t *Type) Alignof() int64 {
	left := budget(typeBudget)
	return t.alignof(&left)
}

// budget is how many types a walk may still look at: a bound for types that a hostile file made huge or cyclic.
type budget int

const typeBudget = 8192

func (b *budget) spend() bool {
	*b--
	return *b >= 0
}

func (t *Type) alignof(left *budget) int64 {
	u := t.Underlying()
	switch {
	case t == nil || u == nil || !left.spend():
		return 1
	case t.Align > 0:
		return t.Align
	case u.Align > 0:
		return u.Align
	}
	switch u.Kind {
	case Array:
		if u.Vector {
			return max(u.Sizeof(), 1)
		}
		return u.Elem.alignof(left)
	case Struct, Union:
		return fieldsAlign(u.Fields, left)
	case Variant:
		return u.variantsAlign(left)
	case Complex:
		return max(u.Size/2, 1)
	case GoString, Str, Interface, TraitObject, Slice:
		return 8
	}
	return min(max(u.Sizeof(), 1), 16)
}

func fieldsAlign(fields []Field, left *budget) int64 {
	align := int64(1)
	for i := 0; i < len(fields) && *left > 0; i++ {
		align = max(align, fields[i].Type.alignof(left))
	}
	return align
}

func (t *Type) variantsAlign(left *budget) int64 {
	align := fieldsAlign(t.Fields, left)
	if t.Variants == nil {
		return align
	}
	if d := t.Variants.Discr; d != nil {
		align = max(align, d.Type.alignof(left))
	}
	for i := range t.Variants.Cases {
		align = max(align, t.Variants.Cases[i].Type.alignof(left))
	}
	return align
}

// Polymorphic reports a C++ class whose objects begin with a pointer to a table of virtual functions.
func (t *Type) Polymorphic() bool {
	for range maxChain {
		switch {
		case t == nil || t.Kind != Struct || t.Lang != event.LangCPP:
			return false
		case t.Dynamic:
			return true
		case len(t.Fields) == 0 || !t.Fields[0].Base || t.Fields[0].Offset != 0:
			return false
		}
		t = t.Fields[0].Type.Underlying()
	}
	return false
}
