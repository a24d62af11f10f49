package symbol

import (
	"debug/dwarf"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// typeReader turns entries into types. Each entry becomes one Type, shared by all that mention it, so that types which
// contain pointers to themselves come out as cycles.
//
// It goes breadth first and never recurses: parts of values before what pointers lead to. What is behind a pointer
// beyond the budget of a request stays Opaque with its name, which TypeNamed completes.
type typeReader struct {
	file     *File
	known    map[ref]*ctype.Type
	values   []pendingType
	pointees []pendingType
	fresh    []pendingType // filled in this request, to be finished
	void     map[event.Language]*ctype.Type
	names    map[string]*ctype.Type
	goTypes  map[uint64]ref
	dynamic  *dynamicTypes
}

type pendingType struct {
	entry entryAt
	t     *ctype.Type
}

const (
	maxPointees = 30_000  // types behind pointers that one request reads
	maxValues   = 500_000 // types that lie in values
	maxMembers  = 1 << 16 // of one struct or enum
)

func newTypeReader(f *File) *typeReader {
	return &typeReader{file: f, known: map[ref]*ctype.Type{}, void: map[event.Language]*ctype.Type{}, names: map[string]*ctype.Type{}}
}

// edge says how one type mentions another.
type edge bool

const (
	byValue   edge = false
	byPointer edge = true
)

// typeOf gives the type that DW_AT_type of an entry names; without one it is void.
func (r *typeReader) typeOf(e entryAt, how edge) *ctype.Type {
	return r.typeAt(e, dwarf.AttrType, how)
}

func (r *typeReader) typeAt(e entryAt, attr dwarf.Attr, how edge) *ctype.Type {
	target, ok := e.follow(attr)
	if !ok {
		if _, has := e.get(attr); has {
			return &ctype.Type{Kind: ctype.Opaque, Lang: e.unit.language(), Size: -1}
		}
		return r.nothing(e.unit.language())
	}
	return r.get(target, how)
}

func (r *typeReader) nothing(language event.Language) *ctype.Type {
	t := r.void[language]
	if t == nil {
		t = &ctype.Type{Kind: ctype.Void, Lang: language}
		if language == event.LangC || language == event.LangCPP {
			t.Name = "void"
		}
		r.void[language] = t
	}
	return t
}

// get gives the type of an entry, to be filled before finish returns.
func (r *typeReader) get(e entryAt, how edge) *ctype.Type {
	e, _ = unqualified(e)
	if e.abbrev == nil {
		return r.nothing(event.LangC)
	}
	if t := r.known[e.ref()]; t != nil {
		return t
	}
	t := &ctype.Type{Lang: e.unit.language()}
	r.known[e.ref()] = t
	if how == byPointer {
		r.pointees = append(r.pointees, pendingType{e, t})
	} else {
		r.values = append(r.values, pendingType{e, t})
	}
	return t
}

const (
	tagAtomic    dwarf.Tag = 0x47
	tagImmutable dwarf.Tag = 0x4b
	maxChain               = 64
)

// unqualified goes through const, volatile and the like, and through the typedefs that Go's compiler puts around every
// named type. An entry without abbrev is void.
func unqualified(e entryAt) (target entryAt, isConst bool) {
	for range maxChain {
		switch e.tag {
		case dwarf.TagConstType, tagImmutable:
			isConst = true
		case dwarf.TagVolatileType, dwarf.TagRestrictType, tagAtomic, dwarf.TagPackedType, dwarf.TagSharedType:
		case dwarf.TagTypedef:
			if e.unit.language() != event.LangGo {
				return definition(e), isConst
			}
			if _, ok := e.number(attrGoKind); ok {
				return e, isConst
			}
		default:
			return definition(e), isConst
		}
		next, ok := e.follow(dwarf.AttrType)
		if !ok {
			return entryAt{unit: e.unit, at: e.at}, isConst
		}
		e = next
	}
	return entryAt{unit: e.unit, at: e.at}, isConst
}

// definition follows a declaration to the type unit that defines it.
func definition(e entryAt) entryAt {
	if d, ok := e.follow(dwarf.AttrSignature); ok {
		return d
	}
	return e
}

// finish fills everything that was asked for.
func (r *typeReader) finish() {
	values, pointees := maxValues, maxPointees
	for {
		var next pendingType
		switch {
		case len(r.values) > 0:
			last := len(r.values) - 1
			next, r.values = r.values[last], r.values[:last]
			values--
		case len(r.pointees) > 0:
			next, r.pointees = r.pointees[0], r.pointees[1:]
			pointees--
		default:
			r.complete()
			return
		}
		if values < 0 || pointees < 0 {
			r.leaveOpen(next)
			continue
		}
		r.fill(next.t, next.entry)
		r.fresh = append(r.fresh, next)
	}
}

// leaveOpen makes a type that is known by name only.
func (r *typeReader) leaveOpen(p pendingType) {
	p.t.Kind, p.t.Size = ctype.Opaque, -1
	p.t.Name = typeName(p.entry)
	delete(r.known, p.entry.ref())
}

// typeName is how a type's author calls it.
func typeName(e entryAt) string {
	language := e.unit.language()
	name := e.qualified(language)
	if language == event.LangC && name != "" {
		switch e.tag {
		case dwarf.TagStructType, dwarf.TagClassType:
			return "struct " + name
		case dwarf.TagUnionType:
			return "union " + name
		case dwarf.TagEnumerationType:
			return "enum " + name
		}
	}
	return name
}

// fill reads one entry.
func (r *typeReader) fill(t *ctype.Type, e entryAt) {
	t.Name = typeName(e)
	if size, ok := e.number(dwarf.AttrByteSize); ok && size >= 0 {
		t.Size = size
	}
	if align, ok := e.number(dwarf.AttrAlignment); ok && align > 0 && align <= 1<<20 {
		t.Align = align
	}
	if t.Lang == event.LangGo && r.fillGo(t, e) {
		return
	}
	switch e.tag {
	case dwarf.TagBaseType:
		fillBase(t, e)
	case dwarf.TagPointerType:
		r.fillPointer(t, e, ctype.Pointer)
	case dwarf.TagReferenceType, dwarf.TagRvalueReferenceType:
		r.fillPointer(t, e, ctype.Reference)
	case dwarf.TagPtrToMemberType:
		r.fillMemberPointer(t, e)
	case dwarf.TagTypedef:
		t.Kind, t.Elem = ctype.Typedef, r.typeOf(e, byValue)
	case dwarf.TagArrayType:
		r.fillArray(t, e)
	case dwarf.TagStructType, dwarf.TagClassType, dwarf.TagUnionType:
		r.fillRecord(t, e)
	case dwarf.TagEnumerationType:
		r.fillEnum(t, e)
	case dwarf.TagSubroutineType:
		t.Kind, t.Size = ctype.Func, 8
		t.Func, _ = r.callable([]entryAt{e})
	case dwarf.TagUnspecifiedType:
		fillUnspecified(t, r.nothing(t.Lang))
	default:
		t.Kind = ctype.Opaque
		if t.Size == 0 {
			t.Size = -1
		}
	}
}

// complete does what needs all parts of the types to be there.
func (r *typeReader) complete() {
	for _, p := range r.fresh {
		t := p.t
		switch t.Kind {
		case ctype.Array:
			for inner := t; inner != nil && inner.Kind == ctype.Array && inner.Size <= 0; inner = inner.Elem {
				inner.Size = inner.Sizeof()
				if inner.Elem == t {
					break
				}
			}
		case ctype.Typedef:
			t.Size = t.Sizeof()
		case ctype.Reference:
			if p.entry.tag == dwarf.TagRvalueReferenceType {
				t.Name = t.Elem.String() + " &&"
				if t.Const {
					t.Name = "const " + t.Name
				}
			}
		}
	}
	for _, p := range r.fresh {
		if p.t.Lang == event.LangRust {
			settleRust(p.t)
		}
	}
	settleClasses(r.fresh)
	r.fresh = nil
}
