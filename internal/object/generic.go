package object

import (
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// Maps of Aya are declared without types for the kernel; what they hold is said by the Rust type of the static, where the object has BTF for it:
// HashMap<u32, Event>. Linkers write such names with hexadecimal codes for what C has no letters for: HashMap_3C_u32_2C__20_Event_3E_.

// longestName bounds the names of types that are looked into.
const longestName = 512

// parameters are the types that the Rust type of a map has in its angle brackets, nil where one is not known.
func (o *Object) parameters(name string) []btf.Type {
	of := ""
	o.types(func(t btf.Type) bool {
		if v, ok := t.(*btf.Var); ok && v.Name == name {
			of = plainName(btf.UnderlyingType(v.Type).TypeName())
			return false
		}
		return true
	})
	_, list, found := strings.Cut(of, "<")
	list, closed := strings.CutSuffix(list, ">")
	if !found || !closed || len(list) > longestName {
		return nil
	}
	var out []btf.Type
	for _, text := range topLevel(list) {
		out = append(out, o.rustType(text))
	}
	return out
}

// plainName undoes the codes of linkers.
func plainName(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '_' && i+3 < len(name) && name[i+3] == '_' {
			if code, err := strconv.ParseUint(name[i+1:i+3], 16, 8); err == nil && strings.IndexByte("<>,;:&[]() *", byte(code)) >= 0 {
				b.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// topLevel cuts a list at the commas that are inside no brackets.
func topLevel(list string) []string {
	var out []string
	depth, from := 0, 0
	for i, c := range list {
		switch c {
		case '<', '[', '(':
			depth++
		case '>', ']', ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, strings.TrimSpace(list[from:i]))
				from = i + 1
			}
		}
	}
	return append(out, strings.TrimSpace(list[from:]))
}

// rustType finds a type by its name in Rust.
func (o *Object) rustType(name string) btf.Type {
	if inner, array := strings.CutPrefix(name, "["); array {
		inner = strings.TrimSuffix(inner, "]")
		at := max(strings.LastIndexByte(inner, ';'), 0)
		n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(inner[at:], ";")), 10, 31)
		if t := o.rustType(strings.TrimSpace(inner[:at])); t != nil && err == nil {
			return &btf.Array{Index: &btf.Int{Size: 4}, Type: t, Nelems: uint32(n)}
		}
		return nil
	}
	if bits, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimPrefix(name, "u"), "i"), 10, 8); err == nil && bits >= 8 && bits <= 64 && bits%8 == 0 {
		t := &btf.Int{Name: name, Size: uint32(bits / 8)}
		if name[0] == 'i' {
			t.Encoding = btf.Signed
		}
		return t
	}
	last := name[strings.LastIndexByte(name, ':')+1:]
	var found btf.Type
	o.types(func(t btf.Type) bool {
		if s, ok := t.(*btf.Struct); ok && plainName(s.Name) == last {
			found = t
		}
		return found == nil
	})
	if found == nil {
		found = o.debugType(name)
	}
	return found
}

// sized gives a type if values of it have so many bytes.
func sized(t btf.Type, size uint32) btf.Type {
	if t == nil {
		return nil
	}
	if n, err := btf.Sizeof(t); err != nil || uint32(n) != size {
		return nil
	}
	return t
}
