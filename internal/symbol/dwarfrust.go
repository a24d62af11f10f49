package symbol

import (
	"debug/dwarf"
	"encoding/binary"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
)

// recogniseRust gives the fat pointers of Rust, which debug information has as structs, their own kinds.
func (r *typeReader) recogniseRust(t *ctype.Type) {
	if len(t.Fields) != 2 || t.Kind != ctype.Struct {
		return
	}
	first, second := &t.Fields[0], &t.Fields[1]
	switch {
	case first.Name == "data_ptr" && second.Name == "length":
		t.Kind = ctype.Slice
		if isStr(t.Name) {
			t.Kind = ctype.Str
		}
	case first.Name == "pointer" && second.Name == "vtable":
		t.Kind = ctype.TraitObject
	}
}

func isStr(name string) bool {
	return strings.HasSuffix(name, " str") || strings.HasSuffix(name, "&str") || strings.Contains(name, "Box<str") || strings.Contains(name, "Rc<str")
}

// settleRust takes from the fat pointer's first field what it points at.
func settleRust(t *ctype.Type) {
	if (t.Kind == ctype.Slice || t.Kind == ctype.Str || t.Kind == ctype.TraitObject) && len(t.Fields) == 2 {
		if data := t.Fields[0].Type; data != nil && data.Kind == ctype.Pointer {
			t.Elem = data.Elem
		}
		t.Fields = nil
	}
}

// fillVariants reads the variant part of a Rust enum. Source: DWARF 5, section 5.7.10.
func (r *typeReader) fillVariants(t *ctype.Type, part entryAt) {
	vs := &ctype.Variants{}
	t.Kind, t.Variants = ctype.Variant, vs
	size := int64(8)
	if member, ok := part.follow(dwarf.AttrDiscr); ok {
		if offset, ok := memberOffset(member); ok {
			vs.Discr = &ctype.Field{Name: member.text(dwarf.AttrName), Offset: offset, Type: r.typeOf(member, byValue)}
			if of, ok := member.follow(dwarf.AttrType); ok {
				if of = underlyingEntry(of); of.abbrev != nil {
					if n, ok := of.number(dwarf.AttrByteSize); ok {
						size = n
					}
				}
			}
		}
	}
	part.children(func(c entryAt) bool {
		if c.tag == dwarf.TagVariant {
			vs.Cases = append(vs.Cases, r.variantCase(c, size))
		}
		return len(vs.Cases) < maxMembers
	})
}

func (r *typeReader) variantCase(c entryAt, discrSize int64) ctype.VariantCase {
	var v ctype.VariantCase
	switch value, ok := c.get(dwarf.AttrDiscrValue); {
	case ok:
		n := masked(value, discrSize)
		v.Values = []ctype.DiscrRange{{Low: n, High: n}}
	default:
		if list, ok := c.get(dwarf.AttrDiscrList); ok {
			v.Values = discrList(list.data, discrSize)
		} else {
			v.Default = true
		}
	}
	c.children(func(m entryAt) bool {
		if m.tag != dwarf.TagMember {
			return true
		}
		v.Name, v.Type = m.text(dwarf.AttrName), r.typeOf(m, byValue)
		return false
	})
	if v.Type == nil {
		v.Type = &ctype.Type{Kind: ctype.Struct, Lang: c.unit.language()}
	}
	return v
}

// masked cuts a discriminant to its size: compilers write some as negative numbers.
func masked(v value, size int64) uint64 {
	n := v.n
	if v.form == formData16 || v.isBlock() {
		if n = 0; len(v.data) >= 8 {
			n = binary.LittleEndian.Uint64(v.data)
		}
	}
	if size > 0 && size < 8 {
		n &= 1<<(uint(size)*8) - 1
	}
	return n
}

// discrList reads DW_AT_discr_list: labels (0 and a number) and ranges (1 and two). Source: DWARF 5, section 7.5.4.
func discrList(data []byte, size int64) []ctype.DiscrRange {
	var list []ctype.DiscrRange
	c := dwarfCursor{data: data}
	for c.at < len(data) && !c.bad && len(list) < 1024 {
		kind := c.u8()
		low := masked(value{n: c.uleb()}, size)
		high := low
		if kind == 1 {
			high = masked(value{n: c.uleb()}, size)
		}
		list = append(list, ctype.DiscrRange{Low: low, High: high})
	}
	return list
}
