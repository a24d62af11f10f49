package symbol

import (
	"debug/elf"
	"encoding/binary"
	"strings"
)

// objectAddr gives the address of a variable (or anything else that has one) by its symbol.
func (f *File) objectAddr(name string) (Addr, bool) {
	f.objectsOnce.Do(func() {
		f.objects, f.tableSizes = map[string]Addr{}, map[string]uint64{}
		for _, table := range []string{".dynsym", ".symtab"} {
			f.readObjects(f.image, table)
		}
		if d := f.separate(); f.Stripped() && d != nil {
			f.readObjects(d.image, ".symtab")
		}
	})
	addr, ok := f.objects[name]
	return addr, ok
}

// readObjects adds the data symbols of one table.
func (f *File) readObjects(m *image, table string) {
	s := m.section(table)
	if s == nil || int(s.Link) >= len(m.Sections) {
		return
	}
	data, err := m.contents(s, maxSymbols*symbolSize)
	if err != nil {
		return
	}
	text, err := m.contents(m.Sections[s.Link], maxStrings)
	if err != nil {
		return
	}
	names := symbolReader{names: string(text)}
	for ; len(data) >= symbolSize; data = data[symbolSize:] {
		kind, section := elf.SymType(data[4]&0xf), elf.SectionIndex(binary.LittleEndian.Uint16(data[6:]))
		if section == elf.SHN_UNDEF || kind != elf.STT_OBJECT && kind != elf.STT_NOTYPE && kind != elf.STT_FUNC {
			continue
		}
		if name, _, _ := splitVersion(names.name(binary.LittleEndian.Uint32(data))); name != "" {
			f.objects[name] = Addr(binary.LittleEndian.Uint64(data[8:]))
			if strings.HasPrefix(name, "_ZTV") {
				f.tableSizes[name] = binary.LittleEndian.Uint64(data[16:])
			}
		}
	}
}

// SignalHandling names the functions of the C library that install signal handlers.
func SignalHandling() []string {
	return []string{"sigaction", "signal", "__sysv_signal", "bsd_signal", "ssignal", "sigset", "sigvec"}
}

// Imports names the functions that the object uses and others define.
func (f *File) Imports() []string {
	s := f.image.section(".dynsym")
	if s == nil || int(s.Link) >= len(f.image.Sections) {
		return nil
	}
	data, err := f.image.contents(s, maxSymbols*symbolSize)
	if err != nil {
		return nil
	}
	text, err := f.image.contents(f.image.Sections[s.Link], maxStrings)
	if err != nil {
		return nil
	}
	names := symbolReader{names: string(text)}
	var all []string
	for ; len(data) >= symbolSize; data = data[symbolSize:] {
		kind, section := elf.SymType(data[4]&0xf), elf.SectionIndex(binary.LittleEndian.Uint16(data[6:]))
		if name := names.name(binary.LittleEndian.Uint32(data)); section == elf.SHN_UNDEF && kind != elf.STT_OBJECT && name != "" {
			all = append(all, name)
		}
	}
	return all
}
