package plan

import (
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// native reads what a language's runtime lays out: strings, slices, interfaces, maps, channels.
func (r *record) native(t *ctype.Type, b *block, off int64) event.Value {
	first, problem := b.word(off, 8)
	if problem != "" {
		return b.missing(problem, off)
	}
	switch t.Kind {
	case ctype.GoString, ctype.Str:
		return r.counted(event.KindString, t, b, off)
	case ctype.Slice:
		if first == 0 && t.Lang == event.LangGo {
			return event.Value{Kind: event.KindNil}
		}
		return r.counted(event.KindArray, t, b, off)
	case ctype.Interface:
		return r.dynamic(t, b, off)
	case ctype.TraitObject:
		return r.traitObject(t, b, off)
	case ctype.Map, ctype.Chan:
		return r.hashed(t, b, off, first)
	}
	return event.Missing(event.Cut, 0)
}

// counted is an address and a count: a string or a slice.
func (r *record) counted(kind event.Kind, t *ctype.Type, b *block, off int64) event.Value {
	address, _ := b.word(off, 8)
	full, problem := b.word(off+8, 8)
	if problem != "" {
		return b.missing(problem, off+8)
	}
	f := b.follow(off, t)
	if full == 0 || f == nil {
		if full == 0 && f != nil && f.View == AsBytes {
			kind = event.KindBytes
		}
		return event.Value{Kind: kind, Uint: address, Len: full, Truncated: full > 0}
	}
	v := r.node(f, address)
	switch {
	case v.Problem == event.Unreadable:
		v.Uint = address
	case v.Problem == event.Cut:
		return event.Value{Kind: kind, Uint: address, Len: full, Truncated: true}
	case v.Problem == "":
		v.Uint, v.Len, v.Type = address, full, ""
		v.Truncated = v.Truncated || held(&v) < full
	}
	return v
}

// held is how many elements or bytes a value has.
func held(v *event.Value) uint64 {
	if v.Kind == event.KindArray {
		return uint64(len(v.Fields))
	}
	return uint64(len(v.Str))
}

// hashed is a map, of which the length is known, or a channel.
func (r *record) hashed(t *ctype.Type, b *block, off int64, address uint64) event.Value {
	f := b.follow(off, t)
	switch {
	case address == 0:
		return event.Value{Kind: event.KindNil}
	case f == nil:
		return event.Value{Kind: event.KindPointer, Uint: address, Size: 8}
	case t.Kind == ctype.Chan:
		v := r.node(f, address)
		v.Type = r.typeName(t)
		return v
	}
	blk := r.block(f, address)
	n, problem := blk.word(0, 8)
	if problem != "" {
		return event.Missing(problem, address)
	}
	v := event.Value{Kind: event.KindMap, Uint: address, Len: n, Truncated: n > 0}
	if len(f.Follow) > 0 && n > 0 {
		r.entries(&v, &f.Follow[0])
	}
	return v
}

// dynamic is a Go interface: a type word and a data word. A non-empty interface's first word is an itab, whose second
// word is the type; capture reads it into the node that follows the first word. Source: runtime/runtime2.go, iface and eface.
func (r *record) dynamic(t *ctype.Type, b *block, off int64) event.Value {
	kind, _ := b.word(off, 8)
	data, problem := b.word(off+8, 8)
	switch {
	case problem != "":
		return b.missing(problem, off+8)
	case kind == 0:
		return event.Value{Kind: event.KindNil}
	}
	if f := b.follow(off, t); f != nil && !t.Empty {
		word, problem := r.block(f, kind).word(0, 8)
		if problem != "" {
			return event.Missing(problem, kind)
		}
		kind = word
	} else if !t.Empty {
		return event.Value{Kind: event.KindInterface, Type: r.typeName(t), Uint: data}
	}
	name, shape := r.d.sym.DynamicType(r.pid, kind)
	if name == "" {
		return event.Value{Kind: event.KindInterface, Type: r.typeName(t), Uint: data}
	}
	if shape == nil {
		shape = knownType(name)
	}
	v := event.Value{Kind: event.KindInterface, Type: name, Uint: data}
	if shape != nil {
		v.Elem = r.content(shape, name, b, off+8, t)
	}
	return v
}

// content reads the data word of an interface: the value itself when that is a pointer, else the value's address.
func (r *record) content(shape *ctype.Type, name string, b *block, off int64, t *ctype.Type) *event.Value {
	f := b.follow(off, t)
	var v event.Value
	if direct(shape, 0) {
		word, problem := b.at(off, 8)
		if problem != "" {
			return nil
		}
		n := &Node{}
		if f != nil && shape.Underlying().Kind == ctype.Pointer {
			pointee := *f
			pointee.Type, pointee.At, pointee.From = shape.Underlying().Elem, 0, nil
			n.Follow = []Node{pointee}
		}
		v = r.value(shape, &block{node: n, bytes: word}, 0, 1)
	} else {
		if f == nil {
			return nil
		}
		address, _ := b.word(off, 8)
		blk := r.block(f, address)
		v = r.value(shape, blk, 0, 1)
	}
	if v.Problem == event.Cut {
		return nil
	}
	if name == "syscall.Errno" && v.Problem == "" {
		v = event.Value{Kind: event.KindEnum, Int: int64(v.Uint), Str: errnoName(int64(v.Uint))}
	}
	v.Type = name
	return &v
}

// direct reports whether an interface holds a value of the type in its data word: a pointer, or a struct or array of
// nothing but one.
func direct(t *ctype.Type, depth int) bool {
	t = t.Underlying()
	switch {
	case t == nil || depth > maxNesting:
		return false
	case t.Kind == ctype.Struct && len(t.Fields) == 1:
		return direct(t.Fields[0].Type, depth+1)
	case t.Kind == ctype.Array && t.Len == 1:
		return direct(t.Elem, depth+1)
	}
	return t.Kind == ctype.Pointer || t.Kind == ctype.Map || t.Kind == ctype.Chan || t.Kind == ctype.Func
}

// knownType is the shape of types that every Go program may hold and that need no debug information.
func knownType(name string) *ctype.Type {
	text := &ctype.Type{Kind: ctype.GoString, Lang: event.LangGo, Name: "string", Size: 16}
	named := func(kind ctype.Kind, size int64) *ctype.Type {
		return &ctype.Type{Kind: kind, Lang: event.LangGo, Name: name, Size: size}
	}
	switch name {
	case "string":
		return text
	case "bool":
		return named(ctype.Bool, 1)
	case "int", "int64", "time.Duration":
		return named(ctype.Int, 8)
	case "int32":
		return named(ctype.Int, 4)
	case "int16":
		return named(ctype.Int, 2)
	case "int8":
		return named(ctype.Int, 1)
	case "uint", "uint64", "uintptr", "syscall.Errno":
		return named(ctype.Uint, 8)
	case "uint32":
		return named(ctype.Uint, 4)
	case "uint16":
		return named(ctype.Uint, 2)
	case "uint8":
		return named(ctype.Uint, 1)
	case "float64":
		return named(ctype.Float, 8)
	case "float32":
		return named(ctype.Float, 4)
	case "*errors.errorString", "*fmt.wrapError", "*fmt.wrapErrors":
		return pointerTo(name, "s", "msg", text)
	}
	return nil
}

// pointerTo is a pointer to one of the standard library's errors, which begin with their text.
func pointerTo(name, plain, wrapping string, text *ctype.Type) *ctype.Type {
	field := plain
	if strings.Contains(name, "wrap") {
		field = wrapping
	}
	elem := &ctype.Type{
		Kind: ctype.Struct, Lang: event.LangGo, Name: name[1:], Size: 16,
		Fields: []ctype.Field{{Name: field, Type: text}},
	}
	return &ctype.Type{Kind: ctype.Pointer, Lang: event.LangGo, Name: name, Size: 8, Elem: elem}
}
