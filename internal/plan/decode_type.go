package plan

import (
	"encoding/binary"
	"math"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// maxNesting bounds structs within structs: a type of a hostile file may hold itself.
const maxNesting = 16

// value reads a value of type t at off of the block.
func (r *record) value(t *ctype.Type, b *block, off int64, depth int) event.Value {
	if r.left--; r.left < 0 || depth > maxNesting {
		return event.Missing(event.Cut, 0)
	}
	shape := t.Underlying()
	if shape == nil {
		return event.Value{}
	}
	if p := b.gone(off, shape.Sizeof()); p != "" {
		return b.missing(p, off)
	}
	if over := b.over(t, off); over != nil {
		base := uint64(0)
		if b.base != 0 {
			base = b.base + uint64(off)
		}
		return r.node(over, base)
	}
	v := r.shaped(shape, b, off, depth)
	if v.Type == "" && v.Problem == "" {
		v.Type = r.typeName(t)
	}
	return format(t, v)
}

// over gives the node that stands for the value of type t at off.
func (b *block) over(t *ctype.Type, off int64) *Node {
	for i := range b.node.Follow {
		if f := &b.node.Follow[i]; f.Over && f.At == off && f.Type == t {
			return f
		}
	}
	return nil
}

// shaped reads a value by the kind of its type, which is no typedef.
func (r *record) shaped(t *ctype.Type, b *block, off int64, depth int) event.Value {
	switch t.Kind {
	case ctype.Bool, ctype.Int, ctype.Uint, ctype.Char, ctype.Rune, ctype.Enum:
		if t.Size == 0 { // Rust's () is a number of no bytes in debug information
			return event.Value{Kind: event.KindTuple}
		}
		return r.number(t, b, off)
	case ctype.Float:
		return float(t, b, off)
	case ctype.Complex:
		half := &ctype.Type{Kind: ctype.Float, Size: t.Size / 2}
		return event.Value{Kind: event.KindTuple, Fields: []event.Field{{Value: float(half, b, off)}, {Value: float(half, b, off+half.Size)}}}
	case ctype.Pointer, ctype.Reference, ctype.CString, ctype.Func:
		return r.pointer(t, b, off)
	case ctype.Array:
		return r.array(t, b, off, depth)
	case ctype.Struct, ctype.Union:
		return r.structure(t, b, off, depth)
	case ctype.Variant:
		return r.variant(t, b, off, depth)
	case ctype.Void:
		return event.Value{Kind: event.KindTuple}
	case ctype.Opaque:
		return event.Missing(event.Cut, 0)
	}
	return r.native(t, b, off)
}

func (r *record) number(t *ctype.Type, b *block, off int64) event.Value {
	word, problem := b.word(off, t.Size)
	if t.Size == 16 {
		return wide(t, b, off)
	}
	if problem != "" {
		return b.missing(problem, off)
	}
	return scalar(t, word)
}

// scalar gives the low bits of a word their type.
func scalar(t *ctype.Type, word uint64) event.Value {
	v := event.Value{Size: uint8(min(max(t.Size, 1), 8))}
	signed := signExtend(word, 8*int64(v.Size))
	switch t.Kind {
	case ctype.Bool:
		v.Kind, v.Uint = event.KindBool, word&0xff
	case ctype.Int:
		v.Kind, v.Int = event.KindInt, signed
	case ctype.Char:
		v.Kind, v.Uint = event.KindUint, word // an unsigned char is a byte, not a character
		if t.Signed {
			v = event.Value{Kind: event.KindChar, Int: signed, Size: v.Size}
		}
	case ctype.Rune:
		v.Kind, v.Int = event.KindChar, signed
	case ctype.Enum:
		return enumerated(t, v, word, signed)
	default:
		v.Kind, v.Uint = event.KindUint, word
	}
	return v
}

func signExtend(word uint64, bits int64) int64 {
	if bits <= 0 || bits >= 64 {
		return int64(word)
	}
	return int64(word<<(64-bits)) >> (64 - bits)
}

// wide is a number of 16 bytes, which no Value holds: it reads in hexadecimal.
func wide(t *ctype.Type, b *block, off int64) event.Value {
	low, problem := b.word(off, 8)
	high, _ := b.word(off+8, 8)
	switch {
	case problem != "":
		return b.missing(problem, off)
	case high == 0 && (t.Kind == ctype.Uint || int64(low) >= 0):
		return event.Value{Kind: event.KindUint, Uint: low, Size: 8}
	case t.Kind == ctype.Int && high == math.MaxUint64 && int64(low) < 0:
		return event.Value{Kind: event.KindInt, Int: int64(low), Size: 8}
	}
	return event.Value{Kind: event.KindFlags, Uint: low, Str: hexadecimal(high) + padHex(low)}
}

func enumerated(t *ctype.Type, v event.Value, word uint64, signed int64) event.Value {
	if t.Flags {
		v.Kind, v.Uint, v.Str = event.KindFlags, word, flagNames(t.Enumerators, word)
		return v
	}
	v.Kind, v.Int = event.KindEnum, int64(word)
	if t.Signed {
		v.Int = signed
	}
	for i := range t.Enumerators {
		if e := &t.Enumerators[i]; e.Value == v.Int || e.Value == signed {
			v.Int, v.Str = e.Value, e.Name
			return v
		}
	}
	if names := flagNames(t.Enumerators, word); strings.Contains(names, "|") && !strings.Contains(names, "0x") {
		v.Str = names // an enum whose author or-s it
	}
	return v
}

// flagNames writes bits by name: "O_WRONLY|O_CLOEXEC", what has no name in hexadecimal, "" when nothing has a name. A name
// that includes another's bits wins over it.
func flagNames(names []ctype.Enumerator, word uint64) string {
	var parts []string
	left, zero := word, ""
	for i := range names {
		e := &names[i]
		bits := uint64(e.Value)
		switch {
		case e.Mask != 0 && word&uint64(e.Mask) == bits:
			parts = append(parts, e.Name)
			left &^= uint64(e.Mask)
		case e.Mask != 0:
		case bits == 0 && zero == "":
			zero = e.Name
		case bits != 0 && bits&left == bits && !contained(names, i, left):
			parts = append(parts, e.Name)
			left &^= bits
		}
	}
	switch {
	case word == 0 && len(parts) == 0:
		return zero
	case len(parts) == 0:
		return ""
	case left != 0:
		parts = append(parts, hexadecimal(left))
	}
	return strings.Join(parts, "|")
}

// contained reports whether another name that applies includes all bits of names[i] and more.
func contained(names []ctype.Enumerator, i int, left uint64) bool {
	bits := uint64(names[i].Value)
	for j := range names {
		other := uint64(names[j].Value)
		if j != i && names[j].Mask == 0 && other&left == other && other&bits == bits && other != bits {
			return true
		}
	}
	return false
}

func float(t *ctype.Type, b *block, off int64) event.Value {
	raw, problem := b.at(off, t.Size)
	if problem != "" {
		return b.missing(problem, off)
	}
	v := event.Value{Kind: event.KindFloat, Size: uint8(t.Size)}
	switch t.Size {
	case 2:
		v.Float = half(binary.LittleEndian.Uint16(raw))
	case 4:
		v.Float = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	case 8:
		v.Float = math.Float64frombits(binary.LittleEndian.Uint64(raw))
	case 10, 12, 16:
		v.Float = extended(binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint16(raw[8:]))
		v.Size = 8
		if t.IsQuad() {
			return event.Missing(event.Unavailable, 0)
		}
	default:
		return event.Missing(event.Unavailable, 0)
	}
	return v
}

// half is IEEE 754 binary16.
func half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(fraction, -24)
	case 31:
		f = math.Inf(1)
		if fraction != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(1024+fraction, exponent-25)
	}
	return math.Copysign(f, float64(int16(bits))+0.5)
}

// extended is the x87 format: a mantissa with its leading bit, sign and exponent above. It is rounded to a double.
func extended(mantissa uint64, top uint16) float64 {
	exponent := int(top & 0x7fff)
	f := math.Ldexp(float64(mantissa), exponent-16383-63)
	if exponent == 0x7fff {
		f = math.Inf(1)
		if mantissa<<1 != 0 {
			return math.NaN()
		}
	}
	if top&0x8000 != 0 {
		f = -f
	}
	return f
}

// format reads a number as its prototype or its type's name says.
func format(t *ctype.Type, v event.Value) event.Value {
	switch {
	case v.Problem != "":
		return v
	case v.Kind == event.KindInt && t.Name == "time.Duration":
		v.Kind = event.KindDuration
		return v
	case v.Kind == event.KindChar && t.Kind == ctype.Typedef && strings.Contains(t.Name, "int8"):
		v.Kind = event.KindInt
	}
	for range maxNesting {
		if t == nil || t.Format != "" || t.Kind != ctype.Typedef {
			break
		}
		t = t.Elem
	}
	if t == nil || t.Format == "" || v.Kind != event.KindInt && v.Kind != event.KindUint {
		return v
	}
	return formatted(t.Format, v)
}

func formatted(how string, v event.Value) event.Value {
	bits := v.Bits()
	switch how {
	case "errno":
		v.Kind, v.Int, v.Str = event.KindEnum, int64(bits), errnoName(int64(bits))
	case "signal":
		v.Kind, v.Int, v.Str = event.KindEnum, int64(bits), signalName(int64(bits))
	case "mode":
		v.Kind, v.Uint, v.Str = event.KindFlags, bits, octal(bits)
	case "hex":
		if v.Size > 0 && v.Size < 8 {
			bits &= 1<<(8*v.Size) - 1
		}
		v.Kind, v.Uint, v.Str = event.KindFlags, bits, hexadecimal(bits)
	case "ns":
		v.Kind, v.Int = event.KindDuration, int64(bits)
	}
	return v
}

// goTime reads a Go time.Time {wall uint64; ext int64; loc *Location}. Source: time/time.go of Go 1.9 and later. With the
// top bit of wall set, the 33 bits below are seconds since 1885; else ext is seconds since year 1.
func goTime(b *block, off int64) event.Value {
	wall, problem := b.word(off, 8)
	ext, second := b.word(off+8, 8)
	if problem != "" || second != "" {
		return b.missing(max(problem, second), off)
	}
	const (
		year1To1885 = 59453308800
		year1To1970 = 62135596800
	)
	seconds := int64(ext) - year1To1970
	if wall>>63 != 0 {
		seconds = int64(wall<<1>>31) + year1To1885 - year1To1970
	}
	nanos := int64(wall & (1<<30 - 1))
	if limit := int64(math.MaxInt64 / time.Second); seconds >= limit || seconds <= -limit {
		return event.Value{Kind: event.KindStruct, Type: "time.Time"} // the zero Time, or beyond what nanoseconds reach
	}
	return event.Value{Kind: event.KindTime, Int: seconds*int64(time.Second) + nanos}
}
