package symbol

import (
	"encoding/binary"
)

// versions names the symbol versions that an object defines. Source: the Linux Standard Base, "Symbol Versioning".
type versions struct {
	index []byte            // .gnu.version: one u16 for each dynamic symbol
	names map[uint16]string // by version index
}

const (
	versionHidden = 0x8000 // in .gnu.version: not the default version of the name
	versionBase   = 1      // in vd_flags: names the file, not a version
	verdefSize    = 20
)

// versions reads what .gnu.version and .gnu.version_d say; an object without them, or with damaged ones, has no versions.
func (m *image) versions() versions {
	index, definitions := m.section(".gnu.version"), m.section(".gnu.version_d")
	if index == nil || definitions == nil || int(definitions.Link) >= len(m.Sections) {
		return versions{}
	}
	v := versions{names: map[uint16]string{}}
	var err error
	if v.index, err = m.contents(index, 2*maxSymbols); err != nil {
		return versions{}
	}
	data, err := m.contents(definitions, maxShortTable)
	if err != nil {
		return versions{}
	}
	text, err := m.contents(m.Sections[definitions.Link], maxStrings)
	if err != nil {
		return versions{}
	}
	v.define(data, symbolReader{names: string(text)})
	return v
}

// define walks the chain of Elf64_Verdef {u16 version, flags, ndx, cnt; u32 hash, aux, next}, each with an
// Elf64_Verdaux {u32 name, next} at aux. Links only go forward, so the walk ends.
func (v *versions) define(data []byte, names symbolReader) {
	for at := uint64(0); at+verdefSize <= uint64(len(data)); {
		d := data[at:]
		flags, number := binary.LittleEndian.Uint16(d[2:]), binary.LittleEndian.Uint16(d[4:])
		aux := at + uint64(binary.LittleEndian.Uint32(d[12:]))
		if flags&versionBase == 0 && aux+8 <= uint64(len(data)) {
			v.names[number&^versionHidden] = names.name(binary.LittleEndian.Uint32(data[aux:]))
		}
		next := uint64(binary.LittleEndian.Uint32(d[16:]))
		if next == 0 {
			return
		}
		at += next
	}
}

// of gives the version of dynamic symbol number i, and whether it is hidden behind a newer default.
func (v versions) of(i int) (name string, hidden bool) {
	if 2*i+2 > len(v.index) {
		return "", false
	}
	number := binary.LittleEndian.Uint16(v.index[2*i:])
	name = v.names[number&^versionHidden]
	return name, name != "" && number&versionHidden != 0
}
