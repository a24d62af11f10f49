package symbol

import (
	"debug/dwarf"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
)

// Kinds of Go types, as DW_AT_go_kind has them. Source: internal/abi, Kind.
const (
	kindChan      = 18
	kindFunc      = 19
	kindInterface = 20
	kindMap       = 21
	kindPointer   = 22
	kindSlice     = 23
	kindString    = 24
	kindStruct    = 25
	kindUnsafe    = 26
)

// fillGo reads the types that only Go has; false leaves a type to the general way.
func (r *typeReader) fillGo(t *ctype.Type, e entryAt) bool {
	kind, _ := e.number(attrGoKind)
	switch kind & 31 {
	case kindString:
		t.Kind, t.Size = ctype.GoString, 16
	case kindSlice:
		t.Kind, t.Size = ctype.Slice, 24
		t.Elem = r.typeAt(e, attrGoElem, byPointer)
	case kindMap:
		t.Kind, t.Size = ctype.Map, 8
		t.Key, t.Elem = r.typeAt(e, attrGoKey, byPointer), r.typeAt(e, attrGoElem, byPointer)
		r.addMapFields(t, e)
	case kindChan:
		t.Kind, t.Size = ctype.Chan, 8
		t.Elem = r.typeAt(e, attrGoElem, byPointer)
	case kindInterface:
		t.Kind, t.Size = ctype.Interface, 16
		if shape, ok := e.follow(dwarf.AttrType); ok {
			t.Empty = underlyingEntry(shape).text(dwarf.AttrName) == "runtime.eface"
		}
	case kindFunc:
		if e.tag != dwarf.TagSubroutineType {
			return false
		}
		t.Kind, t.Size = ctype.Func, 8
		t.Func, _ = r.callable([]entryAt{e})
	case kindPointer, kindUnsafe:
		t.Kind, t.Size = ctype.Pointer, 8
		t.Elem = r.typeOf(e, byPointer)
	case kindStruct:
		t.Kind = ctype.Struct
		e.children(func(c entryAt) bool {
			if c.tag == dwarf.TagMember {
				r.addField(t, c)
			}
			return len(t.Fields) < maxMembers
		})
	default:
		if e.tag == dwarf.TagPointerType { // unsafe.Pointer has no kind
			t.Kind, t.Size, t.Elem = ctype.Pointer, 8, r.typeOf(e, byPointer)
			return true
		}
		return false
	}
	return true
}

// addMapFields gives a map the members of the runtime's record that it points to.
func (r *typeReader) addMapFields(t *ctype.Type, e entryAt) {
	for range 2 {
		next, ok := e.follow(dwarf.AttrType)
		if !ok {
			return
		}
		e = underlyingEntry(next)
	}
	e.children(func(c entryAt) bool {
		if c.tag == dwarf.TagMember {
			r.addField(t, c)
		}
		return len(t.Fields) < maxMembers
	})
}

// hasDictionary reports whether a Go function is the shared body of a generic one: main.gen[go.shape.int] and
// main.(*List[go.shape.int]).Push, but not a closure within one, which finds the dictionary in its context.
func hasDictionary(name string) bool {
	if !strings.Contains(name, "[go.shape.") {
		return false
	}
	tail := name[strings.LastIndexByte(name, ']')+1:]
	return tail == "" || strings.HasPrefix(tail, ").") && strings.Count(tail, ".") == 1 ||
		strings.HasPrefix(tail, ".") && strings.Count(tail, ".") == 1 && !strings.HasPrefix(tail, ".func")
}

// inAssembly reports whether a function that names no parameters was written in assembly, where that says nothing.
func (u *unit) inAssembly(fn entryAt) bool {
	file, ok := fn.number(dwarf.AttrDeclFile)
	if !ok {
		return false
	}
	name := u.lineFile(uint64(file))
	return strings.HasSuffix(name, ".s") || strings.HasSuffix(name, ".S")
}

// leavesOutBlanks reports a Go compiler whose debug information has no parameters called "_": up to 1.21.
func leavesOutBlanks(producer string) bool {
	_, version, ok := strings.Cut(producer, " go1.")
	var minor int
	for ok && version != "" && version[0] >= '0' && version[0] <= '9' {
		minor, version = 10*minor+int(version[0]-'0'), version[1:]
	}
	return minor > 0 && minor < 22
}

// believe takes the places that debug information names, because the convention would count parameters that it leaves out. What is not
// placed in full has no place.
func believe(params []ctype.Param, said []located) {
	for i := range params {
		size, covered := max(params[i].Type.Sizeof(), 0), int64(0)
		for _, p := range said[i].pieces {
			if p.Kind != ctype.Nowhere {
				covered += p.Size
			}
		}
		switch {
		case size == 0:
		case said[i].known && covered == size && inRegisters(said[i].pieces):
			params[i].Where = said[i].pieces
		default:
			params[i].Where = nowhere(size)
		}
	}
}
