package symbol

import (
	"debug/dwarf"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// fillUnspecified: C++'s std::nullptr_t, which travels as a pointer.
func fillUnspecified(t, void *ctype.Type) {
	t.Kind = ctype.Void
	if t.Lang == event.LangCPP {
		t.Kind, t.Size, t.Elem = ctype.Pointer, 8, void
	}
}

// Encodings of base types that debug/dwarf has no names for. Source: DWARF 5, table 7.11.
const (
	encAddress      = 0x01
	encBoolean      = 0x02
	encComplex      = 0x03
	encFloat        = 0x04
	encSigned       = 0x05
	encSignedChar   = 0x06
	encUnsigned     = 0x07
	encUnsignedChar = 0x08
	encUTF          = 0x10
)

func fillBase(t *ctype.Type, e entryAt) {
	encoding, _ := e.number(dwarf.AttrEncoding)
	switch encoding {
	case encBoolean:
		t.Kind = ctype.Bool
	case encComplex:
		t.Kind = ctype.Complex
	case encFloat:
		t.Kind = ctype.Float
	case encSigned:
		t.Kind = ctype.Int
	case encSignedChar:
		t.Kind, t.Signed = ctype.Char, true
	case encUnsignedChar:
		t.Kind = ctype.Char
	case encUnsigned, encAddress:
		t.Kind = ctype.Uint
	case encUTF:
		t.Kind = ctype.Rune
	default: // decimal, imaginary and fixed-point numbers: nothing here can show them
		t.Kind = ctype.Opaque
	}
	switch {
	case t.Kind == ctype.Char && t.Size != 1:
		t.Kind = ctype.Uint
	case t.Name == "signed char": // the number that int8_t is; only plain char is text
		t.Kind, t.Signed = ctype.Int, false
	case t.Kind == ctype.Rune && t.Size == 1:
		t.Kind = ctype.Char
	case t.Kind == ctype.Rune && t.Size != 4:
		t.Kind = ctype.Uint
	case t.Name == "wchar_t" && t.Size == 4:
		t.Kind = ctype.Rune
	}
	if t.Lang == event.LangRust && t.Kind == ctype.Char { // i8 and u8: Rust's char is UTF
		t.Kind = ctype.Uint
		if t.Signed {
			t.Kind, t.Signed = ctype.Int, false
		}
	}
}

func (r *typeReader) fillPointer(t *ctype.Type, e entryAt, kind ctype.Kind) {
	t.Kind, t.Size = kind, 8
	if t.Lang == event.LangC || t.Lang == event.LangCPP {
		t.Name = ""
	}
	target, ok := e.follow(dwarf.AttrType)
	if !ok {
		t.Elem = r.nothing(t.Lang)
		return
	}
	_, t.Const = unqualified(target)
	t.Elem = r.get(target, byPointer)
}

// fillMemberPointer: to data it is an offset; to a function, a code address or vtable offset, and what to add to this.
// Source: Itanium C++ ABI, section 2.3.
func (r *typeReader) fillMemberPointer(t *ctype.Type, e entryAt) {
	long := &ctype.Type{Kind: ctype.Int, Lang: t.Lang, Name: "long", Size: 8}
	of := ""
	if class, ok := e.follow(dwarf.AttrContainingType); ok {
		of = typeName(class) + "::"
	}
	t.Kind, t.Size, t.Name = ctype.Int, 8, of+"*"
	if target, ok := e.follow(dwarf.AttrType); ok {
		if target, _ = unqualified(target); target.abbrev != nil && target.tag == dwarf.TagSubroutineType {
			t.Kind, t.Size, t.Name = ctype.Struct, 16, of+"*()"
			code := &ctype.Type{Kind: ctype.Func, Lang: t.Lang, Size: 8}
			pointer := &ctype.Type{Kind: ctype.Pointer, Lang: t.Lang, Size: 8, Elem: code}
			t.Format = "method"
			t.Fields = []ctype.Field{{Name: "ptr", Type: pointer}, {Name: "adj", Type: long, Offset: 8}}
		}
	}
}

// fillArray: several dimensions become arrays of arrays.
func (r *typeReader) fillArray(t *ctype.Type, e entryAt) {
	var lengths []int64
	e.children(func(c entryAt) bool {
		switch c.tag {
		case dwarf.TagSubrangeType:
			lengths = append(lengths, arrayLength(c))
		case dwarf.TagEnumerationType:
			lengths = append(lengths, -1)
		}
		return len(lengths) < maxChain
	})
	if len(lengths) == 0 {
		lengths = []int64{-1}
	}
	elem := r.typeOf(e, byValue)
	for i := len(lengths) - 1; i > 0; i-- {
		elem = &ctype.Type{Kind: ctype.Array, Lang: t.Lang, Elem: elem, Len: lengths[i], Size: -1}
	}
	t.Kind, t.Elem, t.Len = ctype.Array, elem, lengths[0]
	t.Vector = e.flag(attrGNUVector)
}

// arrayLength: DW_AT_count, or DW_AT_upper_bound + 1; -1 when it is open or computed at run time.
func arrayLength(e entryAt) int64 {
	if n, ok := e.number(dwarf.AttrCount); ok {
		return max(n, -1)
	}
	v, ok := e.get(dwarf.AttrUpperBound)
	if !ok {
		return -1
	}
	n, ok := v.number()
	switch {
	case !ok:
		return -1
	case v.form == formData4 && int32(n) < 0, n < 0: // gcc's upper bound of an array without elements: -1
		return 0
	}
	return n + 1
}

func (r *typeReader) fillEnum(t *ctype.Type, e entryAt) {
	t.Kind = ctype.Enum
	if e.flag(dwarf.AttrDeclaration) && t.Size == 0 {
		t.Size = 4
	}
	if base, ok := e.follow(dwarf.AttrType); ok {
		base, _ = unqualified(base)
		if base.abbrev != nil {
			encoding, _ := base.number(dwarf.AttrEncoding)
			t.Signed = encoding == encSigned || encoding == encSignedChar
		}
	}
	e.children(func(c entryAt) bool {
		if c.tag != dwarf.TagEnumerator {
			return true
		}
		value, ok := c.number(dwarf.AttrConstValue)
		if v, _ := c.get(dwarf.AttrConstValue); v.form == formSdata && value < 0 {
			t.Signed = true
		}
		if ok {
			t.Enumerators = append(t.Enumerators, ctype.Enumerator{Name: c.text(dwarf.AttrName), Value: value})
		}
		return len(t.Enumerators) < maxMembers
	})
}
