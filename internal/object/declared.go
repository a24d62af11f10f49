package object

import (
	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/internal/ctype"
)

// Declarations are C types by name, such as those of the header that an object's programs share with their loader.
type Declarations interface {
	TypeNamed(name string) (*ctype.Type, bool)
}

// asBTF gives a C type the form in which objects have theirs; nil when it has none.
func asBTF(t *ctype.Type, depth int) btf.Type {
	if t == nil || depth > maxDepth {
		return nil
	}
	size := uint32(max(t.Sizeof(), 0))
	switch t.Kind {
	case ctype.Bool:
		return &btf.Int{Name: t.Name, Size: size, Encoding: btf.Bool}
	case ctype.Int:
		return &btf.Int{Name: t.Name, Size: size, Encoding: btf.Signed}
	case ctype.Uint:
		return &btf.Int{Name: t.Name, Size: size}
	case ctype.Char:
		if !t.Signed {
			return &btf.Int{Name: t.Name, Size: size}
		}
		return &btf.Int{Name: "char", Size: size, Encoding: btf.Signed}
	case ctype.Float:
		return &btf.Float{Name: t.Name, Size: size}
	case ctype.Pointer, ctype.Func, ctype.CString:
		return &btf.Pointer{Target: &btf.Void{}}
	case ctype.Typedef:
		if inner := asBTF(t.Elem, depth+1); inner != nil {
			return &btf.Typedef{Name: t.Name, Type: inner}
		}
	case ctype.Array:
		if inner := asBTF(t.Elem, depth+1); inner != nil && t.Len >= 0 {
			return &btf.Array{Index: &btf.Int{Size: 4}, Type: inner, Nelems: uint32(t.Len)}
		}
	case ctype.Enum:
		e := &btf.Enum{Name: bareName(t.Name), Size: size, Signed: t.Signed}
		for _, v := range t.Enumerators {
			e.Values = append(e.Values, btf.EnumValue{Name: v.Name, Value: uint64(v.Value)})
		}
		return e
	case ctype.Struct, ctype.Union:
		var list []btf.Member
		for _, f := range t.Fields {
			inner := asBTF(f.Type, depth+1)
			if inner == nil && f.Type.Sizeof() >= 0 && f.BitSize == 0 { // what C has no form for stays bytes
				inner = &btf.Array{Index: &btf.Int{Size: 4}, Type: &btf.Int{Name: rustByte, Size: 1}, Nelems: uint32(f.Type.Sizeof())}
			}
			if inner == nil {
				return nil
			}
			m := btf.Member{Name: f.Name, Type: inner, Offset: btf.Bits(8 * f.Offset), BitfieldSize: btf.Bits(f.BitSize)}
			if f.BitSize > 0 {
				m.Offset = btf.Bits(f.BitOffset)
			}
			list = append(list, m)
		}
		if t.Kind == ctype.Union {
			return &btf.Union{Name: bareName(t.Name), Size: size, Members: list}
		}
		return &btf.Struct{Name: bareName(t.Name), Size: size, Members: list}
	}
	return nil
}
