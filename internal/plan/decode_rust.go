package plan

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// rustString is the text of a String within a dynamic value, of which the type was not known when it was captured.
func (r *record) rustString(t *ctype.Type, b *block, off int64) (event.Value, bool) {
	at, _, ok := t.Find("pointer", func(t *ctype.Type) bool { return t.Kind == ctype.Pointer })
	length, _, counted := t.Find("len", func(t *ctype.Type) bool { return t.Sizeof() == 8 })
	if !ok || !counted || length != at+8 {
		return event.Value{}, false
	}
	text := &ctype.Type{Kind: ctype.Str}
	if b.follow(off+at, text) == nil {
		return event.Value{}, false
	}
	return r.counted(event.KindString, text, b, off+at), true
}

// What the low two bits of a std::io::Error say of the rest: a pointer to a constant message, one to an error of the program's own,
// or in the upper half an error number of the system or a kind of error. Source: library/std/src/io/error/repr_bitpacked.rs.
const (
	ioMessage = iota
	ioCustom
	ioSystem
	ioKind
)

// rustIOError reads a std::io::Error as its Debug writes one.
func rustIOError(b *block, off int64) event.Value {
	word, problem := b.word(off, 8)
	if problem != "" {
		return b.missing(problem, off)
	}
	high := int64(word >> 32)
	one := func(variant, name string, v event.Value) event.Value {
		return event.Value{Kind: event.KindStruct, Str: variant, Fields: []event.Field{{Name: name, Value: v}}}
	}
	switch word & 3 {
	case ioSystem:
		return one("Os", "code", event.Value{Kind: event.KindEnum, Int: high, Str: errnoName(high)})
	case ioKind:
		return one("Simple", "kind", event.Int(high))
	case ioCustom:
		return one("Custom", "error", event.Value{Kind: event.KindPointer, Uint: word - ioCustom, Size: 8})
	}
	return one("SimpleMessage", "message", event.Value{Kind: event.KindPointer, Uint: word - ioMessage, Size: 8})
}
