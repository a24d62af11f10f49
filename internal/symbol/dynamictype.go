package symbol

import (
	"bytes"
	"debug/dwarf"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// DynamicType gives the type of a value from what marks it at run time: the address of a Go type's descriptor, or that of the table
// of functions which C++ keeps in objects of classes and Rust beside pointers to trait objects. The name is "" when none is known,
// the type nil when only its name is: a table may belong to a base class which does not begin where the object does.
func (f *File) DynamicType(addr Addr) (name string, t *ctype.Type) {
	if f.isGo() {
		if name, t = f.GoType(addr); name != "" {
			return name, t
		}
	}
	if name, whole := f.classOf(addr); name != "" {
		if whole {
			t = f.class(name)
		}
		return name, t
	}
	if t = f.implements(addr); t != nil {
		return t.String(), t
	}
	return f.implementer(uint64(addr)), nil
}

// classOf names the class whose virtual table begins at an address: {offset to top, type information, functions...}, and type
// information is {its own table, name, ...}. Where another object has the type information, the table's symbol tells. Source:
// Itanium C++ ABI, sections 2.5.2 and 2.9.5.
func (f *File) classOf(addr Addr) (name string, whole bool) {
	if info := f.word(uint64(addr) - 8); info != 0 {
		if mangled := f.cString(f.word(info + 8)); mangled != "" {
			full, _ := demangleCPP("_ZTS" + strings.TrimPrefix(mangled, "*"))
			if name, ok := strings.CutPrefix(full, "typeinfo name for "); ok {
				return name, f.word(uint64(addr)-16) == 0
			}
		}
	}
	f.objectAddr("") // reads the symbols
	f.classesOnce.Do(func() {
		f.classes = map[Addr]string{}
		for symbol, at := range f.objects {
			if strings.HasPrefix(symbol, "_ZTV") {
				f.classes[at+16] = symbol
			}
		}
	})
	full, _ := demangleCPP(f.classes[addr])
	return strings.TrimPrefix(full, "vtable for "), true
}

// maxClassName bounds the name of a class.
const maxClassName = 1 << 10

// cString reads text up to its NUL; "" when it has none or holds what no mangled name does.
func (f *File) cString(addr uint64) string {
	var text []byte
	for len(text) < maxClassName {
		var part [32]byte
		if addr == 0 || f.image.readAt(addr+uint64(len(text)), part[:]) != nil {
			return ""
		}
		if end := bytes.IndexByte(part[:], 0); end >= 0 {
			return string(append(text, part[:end]...))
		}
		text = append(text, part[:]...)
	}
	return ""
}

// implementer names the type that a table of a Rust trait's functions belongs to: {drop, size, align, functions...}. The names of
// the functions have it. Types without anything to drop have no drop.
func (f *File) implementer(addr uint64) string {
	name := func(at uint64) string {
		if fn, off, ok := f.At(Addr(f.word(at))); ok && off == 0 && fn.Lang == event.LangRust {
			return f.Display(fn)
		}
		return ""
	}
	for _, head := range []string{"core::ptr::drop_in_place::<", "core::ptr::drop_in_place<"} {
		if dropped, ok := strings.CutPrefix(name(addr), head); ok {
			return strings.TrimSuffix(dropped, ">")
		}
	}
	return implementing(name(addr + 24))
}

// implementing takes the type out of the name of a trait's function: T of <T as Trait>::function.
func implementing(function string) string {
	depth := 0
	for i, c := range function {
		switch {
		case c == '<':
			depth++
		case c == '>':
			depth--
		case depth == 1 && strings.HasPrefix(function[i:], " as "):
			return function[1:i]
		}
	}
	return ""
}

// dynamicTypes are the types in debug information that values may turn out to be at run time.
type dynamicTypes struct {
	classes map[string][]ref // C++ classes with virtual functions, by the last part of their name
	tables  map[Addr]ref     // what implements a trait of Rust, by the address of the table for it
	named   map[string]*ctype.Type
}

// class finds a class by its name.
func (f *File) class(name string) *ctype.Type {
	d, release := f.debugging()
	defer release()
	if d == nil {
		return nil
	}
	all := f.dwarf.types.dynamicTypes(d)
	t, known := all.named[name]
	if known {
		return t
	}
	for _, place := range all.classes[lastComponent(name)] {
		if e, ok := entryOf(place); ok && sameClass(e.qualified(event.LangCPP), name) {
			t = f.dwarf.types.get(e, byValue)
			f.dwarf.types.finish()
			break
		}
	}
	all.named[name] = t
	return t
}

// sameClass compares names of which demanglers and compilers place the spaces differently.
func sameClass(a, b string) bool {
	return strings.ReplaceAll(a, " ", "") == strings.ReplaceAll(b, " ", "")
}

// implements gives the type that a table of a Rust trait's functions was made for.
func (f *File) implements(table Addr) *ctype.Type {
	d, release := f.debugging()
	defer release()
	if d == nil {
		return nil
	}
	e, ok := entryOf(f.dwarf.types.dynamicTypes(d).tables[table])
	if !ok {
		return nil
	}
	t := f.dwarf.types.get(e, byValue)
	f.dwarf.types.finish()
	return t
}

// dynamicTypes collects them once: it takes a walk through all of the debug information. Compilers mark both kinds with
// DW_AT_containing_type: a class with virtual functions, and the type of a Rust table, which has the implementing type there.
func (r *typeReader) dynamicTypes(d *debugInfo) *dynamicTypes {
	if r.dynamic != nil {
		return r.dynamic
	}
	r.dynamic = &dynamicTypes{classes: map[string][]ref{}, tables: map[Addr]ref{}, named: map[string]*ctype.Type{}}
	for _, u := range d.units {
		u = u.full()
		language := u.language()
		if language != event.LangCPP && language != event.LangRust {
			continue
		}
		u.scan(func(s step) {
			switch e := s.entry; {
			case s.end:
			case language == event.LangCPP && (e.tag == dwarf.TagClassType || e.tag == dwarf.TagStructType):
				if _, ok := e.get(dwarf.AttrContainingType); ok && !e.flag(dwarf.AttrDeclaration) {
					last := lastComponent(e.text(dwarf.AttrName))
					r.dynamic.classes[last] = append(r.dynamic.classes[last], e.ref())
				}
			case language == event.LangRust && e.tag == dwarf.TagVariable && strings.HasSuffix(e.text(dwarf.AttrName), "{vtable}"):
				r.dynamic.addTable(e)
			}
		})
	}
	return r.dynamic
}

// addTable notes where a table lies and for which type.
func (all *dynamicTypes) addTable(e entryAt) {
	where, ok := e.get(dwarf.AttrLocation)
	shape, typed := e.follow(dwarf.AttrType)
	if !ok || !typed {
		return
	}
	at, ok := e.unit.constantAddress(where.data)
	if concrete, found := shape.follow(dwarf.AttrContainingType); ok && found {
		all.tables[Addr(at)] = concrete.ref()
	}
}

// constantAddress reads the location of a variable that has one address.
func (u *unit) constantAddress(expr []byte) (uint64, bool) {
	c := dwarfCursor{data: expr}
	switch c.u8() {
	case opAddr:
		return c.u64(), !c.bad && c.at == len(expr)
	case opAddrx, opGNUAddrIndex:
		at, ok := u.addressAt(c.uleb())
		return at, ok && !c.bad && c.at == len(expr)
	}
	return 0, false
}
