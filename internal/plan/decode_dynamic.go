package plan

import (
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
	if shape == nil || f == nil {
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
