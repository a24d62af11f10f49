package object

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/event"
)

const (
	// maxElems bounds the elements of one array that are shown.
	maxElems = 256
	// maxDepth bounds how types nest: BTF may be anything.
	maxDepth = 16
)

// Value reads bytes as a value of a type, little-endian. What lies beyond the bytes is lost, not made up.
func Value(t btf.Type, b []byte) event.Value { return value(t, b, 0) }

func value(t btf.Type, b []byte, depth int) event.Value {
	if depth > maxDepth {
		return event.Missing(event.Cut, 0)
	}
	u := btf.UnderlyingType(t)
	if v, ok := composite(u, b, depth); ok {
		v.Type = typeName(t)
		return v
	}
	size, err := btf.Sizeof(u)
	if err != nil || size > len(b) {
		return event.Missing(event.Lost, 0)
	}
	if size > 8 {
		return event.Value{Kind: event.KindBytes, Str: string(b[:size]), Len: uint64(size)}
	}
	var bits uint64
	for i := range size {
		bits |= uint64(b[i]) << (8 * i)
	}
	v := scalar(u, bits, 8*size)
	v.Type = typeName(t)
	return v
}

// typeName is a type as C writes it.
func typeName(t btf.Type) string {
	switch t := t.(type) {
	case *btf.Struct:
		return strings.TrimSpace("struct " + t.Name)
	case *btf.Union:
		return strings.TrimSpace("union " + t.Name)
	case *btf.Enum:
		return strings.TrimSpace("enum " + t.Name)
	case *btf.Const:
		return typeName(t.Type)
	case *btf.Volatile:
		return typeName(t.Type)
	}
	return t.TypeName()
}

// composite reads the types that hold others.
func composite(t btf.Type, b []byte, depth int) (event.Value, bool) {
	switch t := t.(type) {
	case *btf.Struct:
		if size := int(t.Size); len(t.Members) == 0 && size > 0 && size <= len(b) {
			return event.Value{Kind: event.KindBytes, Str: string(b[:size]), Len: uint64(size)}, true
		}
		return event.Value{Kind: event.KindStruct, Fields: members(nil, t.Members, b, depth)}, true
	case *btf.Union:
		return event.Value{Kind: event.KindStruct, Fields: members(nil, t.Members, b, depth)}, true
	case *btf.Array:
		return array(t, b, depth), true
	}
	return event.Value{}, false
}

// members reads fields by name; those of unnamed structures belong to the structure around them, as in C.
func members(out []event.Field, list []btf.Member, b []byte, depth int) []event.Field {
	for _, m := range list {
		inner := btf.UnderlyingType(m.Type)
		at := int(m.Offset) / 8
		if m.Name == "" && depth < maxDepth {
			switch inner := inner.(type) {
			case *btf.Struct:
				out = members(out, inner.Members, from(b, at), depth+1)
				continue
			case *btf.Union:
				out = members(out, inner.Members, from(b, at), depth+1)
				continue
			}
		}
		v := event.Value{}
		if m.BitfieldSize > 0 {
			v = bitField(inner, m, b)
			v.Type = typeName(m.Type)
		} else {
			v = value(m.Type, from(b, at), depth+1)
		}
		out = append(out, event.Field{Name: m.Name, Value: v})
	}
	return out
}

// from gives the bytes from an offset on, none beyond the end.
func from(b []byte, at int) []byte {
	if at < 0 || at > len(b) {
		return nil
	}
	return b[at:]
}

// bitField reads the bits from m.Offset on; there are at most 64.
func bitField(t btf.Type, m btf.Member, b []byte) event.Value {
	at, shift, size := int(m.Offset)/8, int(m.Offset)%8, int(m.BitfieldSize)
	if size > 64 || at+(shift+size+7)/8 > len(b) {
		return event.Missing(event.Lost, 0)
	}
	var word [16]byte
	copy(word[:], b[at:])
	bits := binary.LittleEndian.Uint64(word[:]) >> shift
	if shift > 0 {
		bits |= binary.LittleEndian.Uint64(word[8:]) << (64 - shift)
	}
	return scalar(t, bits&(math.MaxUint64>>(64-size)), size)
}

// scalar makes a value of bits, of which there are width.
func scalar(t btf.Type, bits uint64, width int) event.Value {
	signed := int64(bits<<(64-width)) >> (64 - width)
	size := uint8((width + 7) / 8)
	switch t := t.(type) {
	case *btf.Int:
		switch {
		case t.Encoding == btf.Bool:
			return event.Value{Kind: event.KindBool, Uint: bits, Size: size}
		case isChar(t):
			return event.Value{Kind: event.KindChar, Int: signed, Size: size}
		case t.Encoding == btf.Signed:
			return event.Value{Kind: event.KindInt, Int: signed, Size: size}
		}
	case *btf.Enum:
		number := int64(bits)
		if t.Signed {
			number = signed
		}
		return event.Value{Kind: event.KindEnum, Int: number, Size: size, Str: enumerator(t, number)}
	case *btf.Pointer:
		return event.Value{Kind: event.KindPointer, Uint: bits, Size: size}
	case *btf.Float:
		if width == 32 {
			return event.Value{Kind: event.KindFloat, Float: float64(math.Float32frombits(uint32(bits))), Size: size}
		}
		return event.Value{Kind: event.KindFloat, Float: math.Float64frombits(bits), Size: size}
	}
	return event.Value{Kind: event.KindUint, Uint: bits, Size: size}
}

func enumerator(t *btf.Enum, number int64) string {
	for _, v := range t.Values {
		if int64(v.Value) == number || !t.Signed && t.Size == 4 && uint32(v.Value) == uint32(number) {
			return v.Name
		}
	}
	return ""
}

// isChar reports whether a type is C's char: BTF has no mark for text, and unsigned bytes are numbers to most authors.
func isChar(t btf.Type) bool {
	i, ok := btf.UnderlyingType(t).(*btf.Int)
	return ok && i.Size == 1 && (i.Encoding == btf.Char || i.Name == "char")
}

// rustByte is the type of bytes in Rust, whose arrays are text as often as numbers.
const rustByte = "u8"

// array reads elements; those of char are text up to the first NUL, those of Rust's u8 bytes without the NULs at their end. One without
// length takes what is left.
func array(t *btf.Array, b []byte, depth int) event.Value {
	if i, ok := t.Type.(*btf.Int); ok && i.Name == rustByte && i.Size == 1 && t.Nelems > 0 && int(t.Nelems) <= len(b) {
		text := bytes.TrimRight(b[:t.Nelems], "\x00")
		return event.Value{Kind: event.KindBytes, Str: string(text), Len: uint64(len(text))}
	}
	if isChar(t.Type) {
		if t.Nelems > 0 && int(t.Nelems) <= len(b) {
			b = b[:t.Nelems]
		}
		text, _, _ := strings.Cut(string(b), "\x00")
		return event.String(text)
	}
	v := event.Value{Kind: event.KindArray, Len: uint64(t.Nelems)}
	size, err := btf.Sizeof(t.Type)
	if err != nil || size == 0 {
		return v
	}
	if t.Nelems == 0 {
		v.Len = uint64(len(b) / size)
	}
	v.Truncated = v.Len > maxElems
	for i := range int(min(v.Len, maxElems)) {
		v.Fields = append(v.Fields, event.Field{Value: value(t.Type, from(b, i*size), depth+1)})
	}
	return v
}
