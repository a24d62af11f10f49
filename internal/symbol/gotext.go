package symbol

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

// Words of runtime.moduledata, the same from Go 1.16 to 1.26 (runtime/symtab.go): a pointer to the pclntab's header, six slices, a
// pointer; then these.
const (
	moduleHeader = 0
	moduleMinPC  = 20
	moduleText   = 22
	moduleEnd    = 23
	moduleShared = 40 // gofunc, since Go 1.20
)

// placeGoText finds the address that the table's offsets count from. The header has it from Go 1.18 to 1.25 only; moduledata has
// it always, but may have to be looked for. What is found must agree with the table, or the next way is tried.
func (f *File) placeGoText(t *pclntab, table uint64) error {
	if t.layout.word == 8 {
		t.end = t.entry(t.count)
		return f.checkGoText(t)
	}
	for _, way := range []func(*pclntab, uint64) uint64{f.textOfModule, f.textOfHeader, f.textOfScan, f.textOfSymbol, f.textOfSection} {
		if t.text = way(t, table); t.text == 0 {
			continue
		}
		t.end = t.entry(t.count)
		if f.checkGoText(t) == nil {
			return nil
		}
	}
	return errors.New("no text start that the table agrees with")
}

// checkGoText holds the first and last function against what is code.
func (f *File) checkGoText(t *pclntab) error {
	first, last := t.entry(0), t.entry(t.count-1)
	if first > last || !f.image.executable(first) || !f.image.executable(last) {
		return fmt.Errorf("functions from %#x to %#x are not code", first, last)
	}
	return nil
}

// textOfModule reads the section that holds nothing but moduledata, since Go 1.26.
func (f *File) textOfModule(t *pclntab, table uint64) uint64 {
	if s := f.image.section(".go.module"); s != nil {
		return f.textAt(t, s.Addr, table)
	}
	return 0
}

// textAt judges the moduledata at an address: it must point at the table, and its lowest PC be the first function.
func (f *File) textAt(t *pclntab, module, table uint64) uint64 {
	text := f.word(module + 8*moduleText)
	if f.word(module+8*moduleHeader) != table || f.word(module+8*moduleMinPC) != text+t.number(0) {
		return 0
	}
	if t.layout.lines {
		t.shared = f.word(module + 8*moduleShared)
	}
	return text
}

func (f *File) textOfHeader(t *pclntab, table uint64) uint64 { return f.word(table + 24) }

// textOfScan looks through writable sections for a pointer to the table.
func (f *File) textOfScan(t *pclntab, table uint64) uint64 {
	for place := range f.relocations() {
		if f.word(place) == table {
			if text := f.textAt(t, place, table); text != 0 {
				return text
			}
		}
	}
	for _, s := range f.image.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_WRITE == 0 {
			continue
		}
		data, err := f.image.contents(s, maxPclntab)
		for i := 0; err == nil && i+8 <= len(data); i += 8 {
			if binary.LittleEndian.Uint64(data[i:]) == table {
				if text := f.textAt(t, s.Addr+uint64(i), table); text != 0 {
					return text
				}
			}
		}
	}
	return 0
}

// textOfSymbol asks the symbol table, whatever it says of the type.
func (f *File) textOfSymbol(t *pclntab, table uint64) uint64 {
	s := f.image.section(".symtab")
	if s == nil {
		return 0
	}
	entries, err := f.image.symbols(s, fromSymtab)
	if err != nil {
		return 0
	}
	for i := range entries {
		if entries[i].name == "runtime.text" {
			return entries[i].addr
		}
	}
	return 0
}

func (f *File) textOfSection(t *pclntab, table uint64) uint64 {
	if s := f.image.section(".text"); s != nil {
		return s.Addr
	}
	return 0
}

// word reads eight bytes as the dynamic linker leaves them, less the bias; 0 where there are none.
func (f *File) word(addr uint64) uint64 {
	if value, relocated := f.relocations()[addr]; relocated {
		return value
	}
	var b [8]byte
	if f.image.readAt(addr, b[:]) != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b[:])
}

const (
	relaSize       = 24
	maxRelocations = 4 << 20
)

// relocations gives the words that R_X86_64_RELATIVE sets, by place. RELR needs no entry: its words hold their values.
func (f *File) relocations() map[uint64]uint64 {
	f.relocationsOnce.Do(func() {
		f.relocated = map[uint64]uint64{}
		s := f.image.section(".rela.dyn")
		if s == nil {
			return
		}
		data, err := f.image.contents(s, maxRelocations*relaSize)
		if err != nil {
			return
		}
		for ; len(data) >= relaSize; data = data[relaSize:] {
			if elf.R_X86_64(uint32(binary.LittleEndian.Uint64(data[8:]))) == elf.R_X86_64_RELATIVE {
				f.relocated[binary.LittleEndian.Uint64(data)] = binary.LittleEndian.Uint64(data[16:])
			}
		}
	})
	return f.relocated
}
