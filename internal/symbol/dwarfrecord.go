package symbol

import (
	"debug/dwarf"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// fillRecord reads a struct, class or union of C, C++ or Rust.
func (r *typeReader) fillRecord(t *ctype.Type, e entryAt) {
	t.Kind = ctype.Struct
	if e.tag == dwarf.TagUnionType {
		t.Kind = ctype.Union
	}
	if e.flag(dwarf.AttrDeclaration) {
		t.Kind, t.Size = ctype.Opaque, -1
		// A C++ class that this unit does not define has constructors or virtual functions that another one emits
		// (clang's "limited" debug information), so it is most likely none that travels in registers.
		t.NonTrivial = t.Lang == event.LangCPP
		return
	}
	e.children(func(c entryAt) bool {
		r.fillMember(t, e, c)
		return len(t.Fields) < maxMembers
	})
	if t.Lang == event.LangRust {
		r.recogniseRust(t)
	}
}

func (r *typeReader) fillMember(t *ctype.Type, parent, c entryAt) {
	switch c.tag {
	case dwarf.TagMember:
		r.addField(t, c)
	case dwarf.TagInheritance:
		r.addBase(t, c)
	case dwarf.TagTemplateTypeParameter:
		t.Args = append(t.Args, r.typeOf(c, byPointer))
	case attrGNUPack:
		c.children(func(inner entryAt) bool {
			if inner.tag == dwarf.TagTemplateTypeParameter {
				t.Args = append(t.Args, r.typeOf(inner, byPointer))
			}
			return len(t.Args) < maxMembers
		})
	case dwarf.TagVariantPart:
		r.fillVariants(t, c)
	case dwarf.TagSubprogram:
		if v, ok := c.number(dwarf.AttrVirtuality); ok && v != 0 {
			t.Dynamic = true
		}
	}
}

// addField reads a member. Static ones have no place in the object.
func (r *typeReader) addField(t *ctype.Type, c entryAt) {
	if c.flag(dwarf.AttrExternal) || c.flag(dwarf.AttrDeclaration) {
		return
	}
	name := c.text(dwarf.AttrName)
	if strings.HasPrefix(name, "_vptr") && c.flag(dwarf.AttrArtificial) {
		t.Dynamic = true
		return
	}
	offset, ok := memberOffset(c)
	if !ok {
		return
	}
	f := ctype.Field{Name: name, Offset: offset, Type: r.typeOf(c, byValue)}
	if bits, ok := c.number(dwarf.AttrBitSize); ok && bits > 0 {
		f.BitSize = min(bits, 128)
		f.BitOffset = bitOffset(c, offset, bits)
		f.Offset = f.BitOffset / 8
	}
	t.Fields = append(t.Fields, f)
}

// memberOffset reads DW_AT_data_member_location: a number, or in DWARF 2 the expression that adds it. Members of a union
// have none.
func memberOffset(c entryAt) (int64, bool) {
	v, ok := c.get(dwarf.AttrDataMemberLoc)
	if !ok {
		return 0, true
	}
	if !v.isBlock() {
		n, ok := v.number()
		return n, ok && n >= 0
	}
	expr := dwarfCursor{data: v.data}
	if expr.u8() != opPlusUconst {
		return 0, false // a virtual base: computed from the vtable
	}
	n := expr.uleb()
	return int64(n), !expr.bad && expr.at == len(v.data) && int64(n) >= 0
}

// bitOffset gives where a bit-field begins, in bits from the start of the struct. DW_AT_data_bit_offset says just that; the
// older DW_AT_bit_offset counts from the highest bit of the storage unit. Source: DWARF 5, section 5.7.6; DWARF 3, section
// 5.6.6.
func bitOffset(c entryAt, offset, bits int64) int64 {
	if n, ok := c.number(dwarf.AttrDataBitOffset); ok && n >= 0 {
		return n + offset*8
	}
	n, ok := c.number(dwarf.AttrBitOffset)
	if !ok {
		return offset * 8
	}
	storage, ok := c.number(dwarf.AttrByteSize)
	if !ok {
		if of, found := c.follow(dwarf.AttrType); found {
			if of = underlyingEntry(of); of.abbrev != nil {
				storage, _ = of.number(dwarf.AttrByteSize)
			}
		}
	}
	return max(offset*8+storage*8-n-bits, 0)
}

// underlyingEntry goes through typedefs and qualifiers.
func underlyingEntry(e entryAt) entryAt {
	for range maxChain {
		e, _ = unqualified(e)
		if e.abbrev == nil || e.tag != dwarf.TagTypedef {
			return e
		}
		next, ok := e.follow(dwarf.AttrType)
		if !ok {
			return entryAt{unit: e.unit}
		}
		e = next
	}
	return entryAt{unit: e.unit}
}

// addBase reads a base class. Where a virtual one lies is not known before run time.
func (r *typeReader) addBase(t *ctype.Type, c entryAt) {
	if v, ok := c.number(dwarf.AttrVirtuality); ok && v != 0 {
		t.NonTrivial, t.Dynamic = true, true
		return
	}
	if offset, ok := memberOffset(c); ok {
		t.Fields = append(t.Fields, ctype.Field{Offset: offset, Type: r.typeOf(c, byValue), Base: true})
	}
}

// settleClasses decides which C++ classes travel by address: those of which copying or destroying runs code. Compilers
// say so since DWARF 5; else it follows from what is declared. Source: Itanium C++ ABI, "non-trivial for the purposes
// of calls"; DWARF 5, section 5.7.1.1.
func settleClasses(fresh []pendingType) {
	undecided := map[*ctype.Type]bool{}
	for _, p := range fresh {
		if p.t.Lang != event.LangCPP || p.t.Kind != ctype.Struct && p.t.Kind != ctype.Union {
			continue
		}
		switch said, _ := p.entry.number(dwarf.AttrCalling); {
		case said == passByReference:
			p.t.NonTrivial = true
		case said == passByValue:
			p.t.NonTrivial = false
		case !p.t.NonTrivial:
			p.t.NonTrivial = p.t.Dynamic || declaresCopying(p.entry)
			undecided[p.t] = true
		}
	}
	// A class is as its members are; each round carries that one level further out.
	for changed, rounds := true, 0; changed && rounds < maxChain; rounds++ {
		changed = false
		for t := range undecided {
			if !t.NonTrivial && holdsNonTrivial(t) {
				t.NonTrivial, changed = true, true
			}
		}
	}
}

const (
	passByReference = 4
	passByValue     = 5
)

func holdsNonTrivial(t *ctype.Type) bool {
	for i := range t.Fields {
		of := t.Fields[i].Type.Underlying()
		for range maxChain {
			if of == nil || of.Kind != ctype.Array {
				break
			}
			of = of.Elem.Underlying()
		}
		if of != nil && of.NonTrivial {
			return true
		}
	}
	return false
}

// declaresCopying looks for a destructor, copy or move constructor that its author wrote.
func declaresCopying(class entryAt) bool {
	name := class.text(dwarf.AttrName)
	if i := strings.IndexByte(name, '<'); i > 0 {
		name = name[:i]
	}
	found := false
	class.children(func(c entryAt) bool {
		if c.tag != dwarf.TagSubprogram || c.flag(dwarf.AttrArtificial) {
			return true
		}
		if how, ok := c.number(attrDefaulted); ok && how == defaultedInClass {
			return true
		}
		method := c.text(dwarf.AttrName)
		if i := strings.IndexByte(method, '<'); i > 0 {
			method = method[:i]
		}
		found = method == "~"+name || method == name && copies(c, class)
		return !found
	})
	return found
}

const (
	attrDefaulted    dwarf.Attr = 0x8b
	defaultedInClass            = 1
)

// copies reports whether a constructor's only parameter is a reference to its own class.
func copies(constructor, class entryAt) bool {
	n, own := 0, false
	constructor.children(func(c entryAt) bool {
		if c.tag != dwarf.TagFormalParameter || c.flag(dwarf.AttrArtificial) {
			return true
		}
		n++
		if of, ok := c.follow(dwarf.AttrType); ok && (of.tag == dwarf.TagReferenceType || of.tag == dwarf.TagRvalueReferenceType) {
			if to, ok := of.follow(dwarf.AttrType); ok {
				to, _ = unqualified(to)
				own = to.abbrev != nil && to.ref() == class.ref()
			}
		}
		return n < 2
	})
	return n == 1 && own
}
