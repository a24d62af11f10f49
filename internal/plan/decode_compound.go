package plan

import (
	"bytes"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// pointer reads an address, and shows what it leads to where that was captured.
func (r *record) pointer(t *ctype.Type, b *block, off int64) event.Value {
	address, problem := b.word(off, 8)
	if problem != "" {
		return b.missing(problem, off)
	}
	elem := t.Elem.Underlying()
	f := b.follow(off, t)
	switch {
	case address == 0 && t.Lang == event.LangRust && t.Kind != ctype.Func:
		return event.Value{Kind: event.KindPointer, Size: 8}
	case address == 0:
		return event.Value{Kind: event.KindNil}
	case f != nil && (t.Kind == ctype.Reference || t.Kind == ctype.Func || isRustBox(t)):
		if v := r.node(f, address); v.Problem != event.Cut {
			return v
		}
	case f != nil:
		return r.pointee(f, address, "")
	case t.Kind == ctype.Func || elem != nil && elem.Kind == ctype.Func:
		return r.symbol(address)
	}
	return event.Value{Kind: event.KindPointer, Uint: address, Size: 8}
}

// array shows elements up to the limit; an array of C characters is text up to its NUL.
func (r *record) array(t *ctype.Type, b *block, off int64, depth int) event.Value {
	elem := t.Elem.Underlying()
	size := t.Elem.Sizeof()
	if elem != nil && elem.Kind == ctype.Char && size == 1 && t.Lang != event.LangGo && t.Lang != event.LangRust && !t.Vector {
		return r.chars(t, elem, b, off)
	}
	v := event.Value{Kind: event.KindArray, Len: uint64(max(t.Len, 0))}
	for i := int64(0); i < t.Len; i++ {
		_, problem := b.at(off+i*size, min(max(size, 0), 1))
		if i >= int64(r.d.plan.Limits.Elems) || problem == event.Cut {
			v.Truncated = true
			break
		}
		v.Fields = append(v.Fields, event.Field{Value: r.value(t.Elem, b, off+i*size, depth+1)})
	}
	v.Truncated = v.Truncated || t.Len < 0
	return v
}

// zeros reports whether nothing but NUL is there.
func zeros(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// chars is an array of characters: text, or bytes when they are unsigned and not just text and zeros.
func (r *record) chars(t, elem *ctype.Type, b *block, off int64) event.Value {
	have := min(t.Len, int64(len(b.bytes))-off)
	if t.Len <= 0 || have <= 0 {
		return event.Value{Kind: event.KindString, Truncated: t.Len != 0}
	}
	raw, problem := b.at(off, have)
	if problem != "" {
		return b.missing(problem, off)
	}
	limit := max(r.d.plan.Limits.String, 0)
	text := beforeNUL(raw)
	v := event.Value{Kind: event.KindString, Len: uint64(len(text)), Truncated: len(text) == len(raw) && have < t.Len}
	if !elem.Signed && (!likelyText(string(text)) || !zeros(raw[len(text):])) {
		text = raw
		v = event.Value{Kind: event.KindBytes, Len: uint64(t.Len), Truncated: have < t.Len}
	}
	if len(text) > limit {
		text, v.Truncated = text[:limit], true
	}
	v.Str = string(text)
	return v
}

// structure reads a struct, class or union.
func (r *record) structure(t *ctype.Type, b *block, off int64, depth int) event.Value {
	switch {
	case t.Lang == event.LangGo && t.Name == "time.Time" && t.Size == 24:
		return goTime(b, off)
	case t.Lang == event.LangRust && t.Name == "core::time::Duration":
		if v, ok := rustDuration(t, b, off); ok {
			return v
		}
	case t.Lang == event.LangRust && t.Name == "alloc::string::String":
		if v, ok := r.rustString(t, b, off); ok {
			return v
		}
	case t.Lang == event.LangRust && t.Name == "std::io::error::Error" && t.Size == 8:
		return rustIOError(b, off)
	case t.Format == "method" && named(b, off):
		return r.value(t.Fields[0].Type, b, off, depth+1)
	}
	if f := wrapped(t); f != nil {
		return inUnit(t, r.value(f.Type, b, off+f.Offset, depth+1))
	}
	v := event.Value{Kind: event.KindStruct}
	r.fields(&v, t, b, off, depth)
	switch t.Lang {
	case event.LangRust:
		rustTuple(&v, t.Name)
	case event.LangCPP:
		stdTuple(&v, t)
	}
	return v
}

// fields appends the members of t; those of base classes and of members without a name join them. It ends where the
// captured bytes end.
func (r *record) fields(v *event.Value, t *ctype.Type, b *block, off int64, depth int) {
	for i := range t.Fields {
		f := &t.Fields[i]
		at := off + f.Offset
		switch inner := f.Type.Underlying(); {
		case hidden(f) || inner == nil:
			continue
		case depth > maxNesting || r.left < 0:
			v.Truncated = true
			return
		case f.BitSize > 0:
			v.Fields = append(v.Fields, event.Field{Name: f.Name, Value: r.bits(f, b, off)})
			continue
		case (f.Base || f.Name == "") && (inner.Kind == ctype.Struct || inner.Kind == ctype.Union) && b.over(f.Type, at) == nil:
			r.left--
			r.fields(v, inner, b, at, depth+1)
			continue
		default:
			if _, problem := b.at(at, min(max(inner.Sizeof(), 0), 1)); problem == event.Cut && b.problem(at, 1) == "" && b.over(f.Type, at) == nil {
				v.Truncated = true
				return
			}
			v.Fields = append(v.Fields, event.Field{Name: f.Name, Value: r.value(f.Type, b, at, depth+1)})
		}
	}
}

// hidden reports what an author did not write: padding, and the pointer to a table of virtual functions.
func hidden(f *ctype.Field) bool {
	return f.Name == "_" || f.Name == "" && f.BitSize > 0 || strings.HasPrefix(f.Name, "_vptr")
}

// bits reads a bit-field: BitSize bits from BitOffset of the struct, lowest first.
func (r *record) bits(f *ctype.Field, b *block, off int64) event.Value {
	first, size := f.BitOffset/8, min(f.BitSize, 64)
	if f.BitOffset < 0 {
		return event.Missing(event.Cut, 0)
	}
	last := (f.BitOffset + size - 1) / 8
	raw, problem := b.at(off+first, last-first+1)
	if problem != "" {
		return b.missing(problem, off+first)
	}
	word, shift := uint64(0), f.BitOffset%8
	for i, c := range raw {
		if at := int64(8*i) - shift; at >= 0 {
			word |= uint64(c) << at
		} else {
			word |= uint64(c) >> -at
		}
	}
	if size < 64 {
		word &= 1<<size - 1
	}
	shape := *f.Type.Underlying()
	if shape.Kind == ctype.Int || (shape.Kind == ctype.Char || shape.Kind == ctype.Enum) && shape.Signed {
		word = uint64(signExtend(word, size))
	}
	v := scalar(&shape, word)
	v.Type = r.typeName(f.Type)
	return v
}

// rustTuple turns a struct whose fields are __0, __1, ... into what it is in the source.
func rustTuple(v *event.Value, name string) {
	if len(v.Fields) == 0 || !strings.HasPrefix(v.Fields[0].Name, "__") {
		return
	}
	v.Kind = event.KindTuple
	for i := range v.Fields {
		v.Fields[i].Name = ""
	}
	if v.Str == "" && !strings.HasPrefix(name, "(") {
		v.Str = shortName(name)
	}
}

// shortName is the last part of a Rust path without what it is generic over.
func shortName(path string) string {
	if at := strings.IndexByte(path, '<'); at >= 0 {
		path = path[:at]
	}
	return path[strings.LastIndexByte(path, ':')+1:]
}

// variant reads the case of a Rust enum that its discriminant selects.
func (r *record) variant(t *ctype.Type, b *block, off int64, depth int) event.Value {
	c, problem := selected(t, b, off)
	if problem != "" {
		return b.missing(problem, off)
	}
	if c == nil {
		return event.Value{Kind: event.KindStruct, Truncated: true}
	}
	v := event.Value{Kind: event.KindStruct, Str: c.Name}
	if s := c.Type.Underlying(); s != nil {
		r.fields(&v, s, b, off, depth)
	}
	rustTuple(&v, "")
	return v
}

// selected gives the case that is there; nil when no case claims the discriminant.
func selected(t *ctype.Type, b *block, off int64) (*ctype.VariantCase, event.Problem) {
	vs := t.Variants
	if vs == nil {
		return nil, ""
	}
	if vs.Discr == nil {
		if len(vs.Cases) == 0 {
			return nil, ""
		}
		return &vs.Cases[0], ""
	}
	word, problem := b.word(off+vs.Discr.Offset, vs.Discr.Type.Sizeof())
	if problem != "" {
		return nil, problem
	}
	var otherwise *ctype.VariantCase
	for i := range vs.Cases {
		c := &vs.Cases[i]
		if c.Default {
			otherwise = c
		}
		for _, span := range c.Values {
			if span.Low <= word && word <= span.High {
				return c, ""
			}
		}
	}
	return otherwise, ""
}
