package symbol

import (
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/itanium"
)

// cppClasses is what the symbols of an object tell of its C++ classes, by name.
type cppClasses struct {
	named map[string]itanium.Class
	// virtual are the functions that tables of virtual functions lead to; bases are the classes that have virtual ones.
	virtual map[Addr]bool
	bases   map[string]bool
}

// Mangled gives what the name of a C++ function says of its types; false when it says nothing.
func (f *File) Mangled(fn *Function) (itanium.Function, bool) {
	if fn.Lang != event.LangCPP {
		return itanium.Function{}, false
	}
	classes := f.cppClasses()
	found, ok := itanium.Parse(fn.Name, func(name string) itanium.Class { return classes.named[name] })
	if ok && found.This == itanium.Maybe && classes.virtual[fn.Addr] {
		found.This, found.Known = itanium.Always, true
	}
	return found, ok
}

// VirtualBases reports whether a C++ class has virtual bases: constructors of such a class that make the base of another one's object are given
// a table (Itanium C++ ABI, section 2.6.2).
func (f *File) VirtualBases(class string) bool { return f.cppClasses().bases[class] }

// cppClasses gathers the classes: from the names of their constructors, destructors and methods with qualifiers, and from their tables.
func (f *File) cppClasses() *cppClasses {
	f.cppOnce.Do(func() {
		c := &cppClasses{named: map[string]itanium.Class{}, virtual: map[Addr]bool{}, bases: map[string]bool{}}
		functions := f.Functions()
		for i := range functions {
			c.note(functions[i].Name)
			for _, alias := range functions[i].Aliases {
				c.note(alias)
			}
		}
		f.objectAddr("") // reads the symbols
		for symbol, at := range f.objects {
			f.noteTable(c, symbol, at)
		}
		f.cpp = c
	})
	return f.cpp
}

// note learns from the name of a function. Only names that may tell something are deitanium.
func (c *cppClasses) note(name string) {
	if !strings.HasPrefix(name, "_ZN") || len(name) > maxMangled || !telling(name) {
		return
	}
	class, nonTrivial := itanium.ClassOf(name)
	if class == "" {
		return
	}
	known := c.named[class]
	c.named[class] = itanium.Class{Known: true, NonTrivial: known.NonTrivial || nonTrivial}
}

// telling reports a name that may be that of a constructor (C1, C2), destructor (D0, D1, D2) or method with qualifiers (_ZNK...).
func telling(name string) bool {
	switch name[3] {
	case 'K', 'V', 'R', 'O', 'r':
		return true
	}
	for _, mark := range []string{"C1E", "C2E", "C1I", "C2I", "D0Ev", "D1Ev", "D2Ev"} {
		if strings.Contains(name, mark) {
			return true
		}
	}
	return false
}

// maxTable bounds a table of virtual functions.
const maxTable = 1 << 12

// noteTable learns from the symbols of a class's tables: virtual functions (_ZTV), type information (_ZTI) and bases (_ZTT).
func (f *File) noteTable(c *cppClasses, symbol string, at Addr) {
	if !strings.HasPrefix(symbol, "_ZTV") && !strings.HasPrefix(symbol, "_ZTI") && !strings.HasPrefix(symbol, "_ZTT") {
		return
	}
	full, _ := demangleCPP("_ZTI" + symbol[4:])
	class, ok := strings.CutPrefix(full, "typeinfo for ")
	if !ok {
		return
	}
	if symbol[3] == 'T' {
		c.bases[class] = true
	}
	if symbol[3] != 'V' {
		return // enumerations and built-in types have type information as well
	}
	c.named[class] = itanium.Class{Known: true, NonTrivial: true} // what copies an object must set the pointer to its table
	for i := range Addr(min(f.tableSizes[symbol]/8, maxTable)) {
		if word := f.word(uint64(at + 8*i)); f.image.executable(word) { // else a distance to the top, type information, or another object's
			c.virtual[Addr(word)] = true
		}
	}
}
