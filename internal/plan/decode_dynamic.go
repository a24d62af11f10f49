package plan

import (
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// instance reads an object of a C++ class with virtual functions: as what it is, where that is known and not just what it was declared
// to be. What the declared class does not have was captured as far as a bound goes.
func (r *record) instance(t *ctype.Type, b *block) event.Value {
	table, problem := b.word(0, 8)
	if problem != "" || table == 0 {
		return r.value(t, b, 0, 0)
	}
	name, shape := r.d.sym.DynamicType(r.pid, table)
	if name == "" || name == r.typeName(t.Underlying()) {
		return r.value(t, b, 0, 0)
	}
	if shape == nil || shape.Sizeof() < t.Sizeof() {
		shape = t
	}
	for i := range b.holes {
		if h := &b.holes[i]; h.from >= t.Sizeof() {
			h.problem = event.Cut
		}
	}
	v := r.value(shape, b, 0, 0)
	if v.Kind == event.KindStruct && v.Problem == "" {
		v.Dynamic = name
	}
	return v
}

// traitObject is a Rust pointer of two words: data, and the table of the functions with which its type implements the trait.
func (r *record) traitObject(t *ctype.Type, b *block, off int64) event.Value {
	data, _ := b.word(off, 8)
	table, problem := b.word(off+8, 8)
	if problem != "" {
		return b.missing(problem, off+8)
	}
	name, shape := r.d.sym.DynamicType(r.pid, table)
	if name == "" {
		return event.Value{Kind: event.KindInterface, Type: r.typeName(t), Uint: data}
	}
	v := event.Value{Kind: event.KindInterface, Type: name, Uint: data}
	f := b.follow(off, t)
	switch {
	case f == nil:
		return v
	case shape == nil:
		v.Elem = r.stringError(name, r.block(f, data))
		return v
	}
	inner := r.block(f, data)
	if shape.Sizeof() == 0 {
		inner = &block{node: f}
	}
	if elem := r.value(shape, inner, 0, 1); elem.Problem != event.Cut {
		v.Elem = &elem
	}
	return v
}

// stringError is the text of an error that was made of text. The library's own debug information is not there to tell what is in it: a String
// {capacity, pointer, length}, if what lies there can be one. Source: library/alloc/src/boxed/convert.rs.
func (r *record) stringError(name string, b *block) *event.Value {
	text := &ctype.Type{Kind: ctype.Str}
	capacity, _ := b.word(0, 8)
	length, problem := b.word(16, 8)
	if !strings.HasSuffix(name, "::StringError") || problem != "" || capacity < length || b.follow(8, text) == nil {
		return nil
	}
	v := r.counted(event.KindString, text, b, 8)
	return &event.Value{Kind: event.KindTuple, Str: "StringError", Fields: []event.Field{{Value: v}}}
}
