package symbol

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"
)

// entry is one name at one address, as one table has it.
type entry struct {
	addr    uint64
	size    uint64
	name    string // without version
	version string
	unit    string // source file of a local symbol, by the STT_FILE entry before it
	source  string
	hidden  bool // name@version, not name@@version
	local   bool
	ifunc   bool
	label   bool // a global name inside code that no one declared a function (hand-written assembly)
}

// Where a name came from: Function.Source.
const (
	fromSymtab    = "symtab"
	fromDynsym    = "dynsym"
	fromMiniDebug = "gnu_debugdata"
	fromDebugFile = "debug file"
	fromPclntab   = "gopclntab"
)

const (
	symbolSize = 24 // Elf64_Sym
	// maxName bounds a name, and with it the work of a string table without a single NUL.
	maxName = 16 << 10
)

// symbols reads the functions of one symbol table. Names share one string, which is the whole string table.
func (m *image) symbols(table *elf.Section, source string) ([]entry, error) {
	data, err := m.contents(table, maxSymbols*symbolSize)
	if err != nil {
		return nil, err
	}
	if table.Link == 0 || int(table.Link) >= len(m.Sections) {
		return nil, fmt.Errorf("%s: section %s: string table %d does not exist", m.path, table.Name, table.Link)
	}
	text, err := m.contents(m.Sections[table.Link], maxStrings)
	if err != nil {
		return nil, err
	}
	reader := symbolReader{image: m, names: string(text), source: source}
	if table.Type == elf.SHT_DYNSYM {
		reader.versions = m.versions()
	}
	return reader.all(data), nil
}

// symbolReader goes through a table from top to bottom, because a local symbol's file is named before it.
type symbolReader struct {
	*image
	names    string
	source   string
	unit     string
	versions versions
}

func (r *symbolReader) all(data []byte) []entry {
	entries := make([]entry, 0, len(data)/symbolSize/2)
	for i := 1; (i+1)*symbolSize <= len(data); i++ {
		if e, ok := r.one(i, data[i*symbolSize:]); ok {
			entries = append(entries, e)
		}
	}
	return entries
}

// one decodes Elf64_Sym {u32 name, u8 info, u8 other, u16 shndx, u64 value, u64 size}; ok is false for what is no function
// of this object.
func (r *symbolReader) one(index int, b []byte) (entry, bool) {
	kind, bind := elf.SymType(b[4]&0xf), elf.SymBind(b[4]>>4)
	if kind == elf.STT_FILE {
		r.unit = r.name(binary.LittleEndian.Uint32(b))
		return entry{}, false
	}
	section := elf.SectionIndex(binary.LittleEndian.Uint16(b[6:]))
	if section == elf.SHN_UNDEF {
		return entry{}, false
	}
	e := entry{
		addr:   binary.LittleEndian.Uint64(b[8:]),
		size:   binary.LittleEndian.Uint64(b[16:]),
		source: r.source,
		local:  bind == elf.STB_LOCAL,
		ifunc:  kind == elf.STT_GNU_IFUNC,
		label:  kind == elf.STT_NOTYPE,
	}
	switch kind {
	case elf.STT_FUNC, elf.STT_GNU_IFUNC:
	case elf.STT_NOTYPE:
		if e.local || section >= elf.SHN_LORESERVE {
			return entry{}, false
		}
	default:
		return entry{}, false
	}
	e.name = r.name(binary.LittleEndian.Uint32(b))
	if e.name == "" {
		return entry{}, false
	}
	if e.local {
		e.unit = r.unit
	}
	e.name, e.version, e.hidden = splitVersion(e.name)
	if e.version == "" {
		e.version, e.hidden = r.versions.of(index)
	}
	return e, true
}

// name reads the name at an offset of the string table.
func (r *symbolReader) name(offset uint32) string { return nameAt(r.names, uint64(offset)) }

// nameAt reads a NUL-terminated string; "" when it is out of bounds or longer than any name.
func nameAt(names string, offset uint64) string {
	if offset >= uint64(len(names)) {
		return ""
	}
	text := names[offset:]
	if len(text) > maxName {
		text = text[:maxName]
	}
	end := strings.IndexByte(text, 0)
	if end < 0 {
		return ""
	}
	return text[:end]
}

// splitVersion takes the version off a .symtab name: GNU ld writes name@@VERSION for the default, name@VERSION for others.
func splitVersion(name string) (plain, version string, hidden bool) {
	at := strings.IndexByte(name, '@')
	if at <= 0 || at == len(name)-1 {
		return name, "", false
	}
	plain, version = name[:at], name[at+1:]
	if version[0] == '@' {
		return plain, version[1:], false
	}
	return plain, version, true
}

// executable reports whether addr lies in code that the file holds.
func (m *image) executable(addr uint64) bool {
	for _, p := range m.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && addr >= p.Vaddr && addr-p.Vaddr < p.Filesz {
			return true
		}
	}
	return false
}
