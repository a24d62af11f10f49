package object

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
)

// Kinds of BTF types with more behind their heads, by how much. Source: Documentation/bpf/btf.rst.
//
//	head: u32 name, u32 info (kind << 24 | count), u32 size or type
//	member of a structure: u32 name, u32 type, u32 offset
const (
	btfHead, btfMember = 12, 12
	btfStruct          = 4
)

// btfOnce and btfEach are the bytes behind a type's head: so many, and so many for each of its parts.
var (
	btfOnce = [...]int{1: 4, 3: 12, 14: 4, 17: 4, 19: 0}
	btfEach = [...]int{btfStruct: btfMember, 5: btfMember, 6: 8, 13: 8, 15: 12, 19: 12}
)

// reordered gives the object with the members value_size of its maps before their members value. Aya's ring buffers have the size, which is 0, behind the type of
// their records, as libbpf allows; the library that loads objects takes it before it only.
func reordered(text []byte) []byte {
	file, err := elf.NewFile(bytes.NewReader(text))
	if err != nil {
		return text
	}
	section := file.Section(".BTF")
	if section == nil || section.Type == elf.SHT_NOBITS || section.Offset > uint64(len(text)) || section.Size > uint64(len(text))-section.Offset {
		return text
	}
	const least = 24
	b := text[section.Offset:][:section.Size]
	if len(b) < least || binary.LittleEndian.Uint16(b) != 0xeb9f {
		return text // the reader says what is wrong
	}
	word := func(at int) uint64 { return uint64(binary.LittleEndian.Uint32(b[at:])) }
	head := word(4)
	part := func(at int) []byte {
		from, size := head+word(at), word(at+4)
		if from+size > uint64(len(b)) {
			return nil
		}
		return b[from:][:size]
	}
	types, names := part(8), part(16)
	copied := false
	for at := 0; at+btfHead <= len(types); {
		info := binary.LittleEndian.Uint32(types[at+4:])
		kind, count := int(info>>24&0x1f), int(info&0xffff)
		from := at + btfHead
		if at = from + behind(kind, count); at > len(types) {
			return text
		}
		if kind != btfStruct {
			continue
		}
		value, size := named(types[from:at], names, "value"), named(types[from:at], names, "value_size")
		if value < 0 || size < value {
			continue
		}
		if !copied {
			text, copied = slices.Clone(text), true
			b = text[section.Offset:][:section.Size]
			types = part(8)
		}
		exchange(types[from+value:][:8], types[from+size:][:8]) // name and type; the offset belongs to the place
	}
	return text
}

// behind is how many bytes follow a type's head.
func behind(kind, count int) int {
	n := 0
	if kind < len(btfOnce) {
		n = btfOnce[kind]
	}
	if kind < len(btfEach) {
		n += btfEach[kind] * count
	}
	return n
}

// named is where the member of a name begins, -1 when there is none.
func named(members, names []byte, name string) int {
	for at := 0; at+btfMember <= len(members); at += btfMember {
		from := uint64(binary.LittleEndian.Uint32(members[at:]))
		if from < uint64(len(names)) && cString(names[from:]) == name {
			return at
		}
	}
	return -1
}

func exchange(a, b []byte) {
	for i := range a {
		a[i], b[i] = b[i], a[i]
	}
}
