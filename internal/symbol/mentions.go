package symbol

import (
	"bytes"
	"debug/elf"
)

// Mentions reports whether a function of the object can have one of the texts in the name that a symbol table or Go's table has for it.
// False is certain, and is found out without reading the tables: most programs are asked for functions that they do not have.
func (f *File) Mentions(texts ...string) bool {
	names, ok := f.nameTables()
	if !ok {
		return true
	}
	for _, s := range names {
		text, err := f.image.contents(s, maxStrings)
		if err != nil {
			return true
		}
		for _, wanted := range texts {
			if bytes.Contains(text, []byte(wanted)) {
				return true
			}
		}
	}
	return false
}

// nameTables are the sections that hold every name that Functions would give, false when names may stand elsewhere as well.
func (f *File) nameTables() (names []*elf.Section, ok bool) {
	m := f.image
	for _, table := range []string{".symtab", ".dynsym"} {
		s := m.section(table)
		switch {
		case s == nil:
		case s.Link == 0 || int(s.Link) >= len(m.Sections):
			return nil, false
		default:
			names = append(names, m.Sections[s.Link])
		}
	}
	if m.section(".symtab") != nil {
		return names, true
	}
	s := m.pclntabSection()
	if s == nil || m.section(".gnu_debugdata") != nil || f.separate() != nil {
		return nil, false
	}
	return append(names, s), true
}
