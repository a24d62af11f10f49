package symbol

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// dynamic is what the dynamic linker reads: the PT_DYNAMIC table, by tag.
type dynamic struct {
	values map[elf.DynTag][]uint64
	names  string
}

const (
	dynSize         = 16 // Elf64_Dyn {i64 tag, u64 value}
	maxInterpreter  = 4096
	maxDynamicNames = 64 << 20
)

// dynamicTable reads PT_DYNAMIC, which is there even when section headers are not.
func (f *File) dynamicTable() *dynamic {
	f.dynamicOnce.Do(func() {
		f.dynamic = &dynamic{values: map[elf.DynTag][]uint64{}}
		for _, p := range f.image.Progs {
			if p.Type != elf.PT_DYNAMIC || p.Filesz > maxShortTable || !within(p.Off, p.Filesz, f.image.size) {
				continue
			}
			data := make([]byte, p.Filesz)
			if _, err := f.image.from.ReadAt(data, int64(p.Off)); err != nil {
				continue
			}
			f.dynamic.fill(data)
		}
		f.dynamic.names = f.dynamicNames()
	})
	return f.dynamic
}

func (d *dynamic) fill(data []byte) {
	for ; len(data) >= dynSize; data = data[dynSize:] {
		tag := elf.DynTag(binary.LittleEndian.Uint64(data))
		if tag == elf.DT_NULL {
			return
		}
		d.values[tag] = append(d.values[tag], binary.LittleEndian.Uint64(data[8:]))
	}
}

// dynamicNames reads the string table that DT_STRTAB and DT_STRSZ tell.
func (f *File) dynamicNames() string {
	at, size := f.dynamic.first(elf.DT_STRTAB), f.dynamic.first(elf.DT_STRSZ)
	p := f.image.segment(at)
	if p == nil || size > maxDynamicNames || size > p.Filesz || !within(p.Off, p.Filesz, f.image.size) {
		return ""
	}
	data := make([]byte, size)
	if f.image.readAt(at, data) != nil {
		return ""
	}
	return string(data)
}

func (d *dynamic) first(tag elf.DynTag) uint64 {
	if values := d.values[tag]; len(values) > 0 {
		return values[0]
	}
	return 0
}

func (d *dynamic) strings(tag elf.DynTag) []string {
	reader := symbolReader{names: d.names}
	var all []string
	for _, offset := range d.values[tag] {
		if name := reader.name(uint32(min(offset, 1<<32-1))); name != "" {
			all = append(all, name)
		}
	}
	return all
}

// Needed gives the libraries that the object asks for (DT_NEEDED), in order.
func (f *File) Needed() []string { return f.dynamicTable().strings(elf.DT_NEEDED) }

// Soname is the library's own name (DT_SONAME), "" for programs.
func (f *File) Soname() string {
	if names := f.dynamicTable().strings(elf.DT_SONAME); len(names) > 0 {
		return names[0]
	}
	return ""
}

// Interp is the dynamic linker that the program asks for, "" for libraries and static programs.
func (f *File) Interp() string {
	for _, p := range f.image.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > maxInterpreter {
			continue
		}
		data := make([]byte, p.Filesz)
		if _, err := f.image.from.ReadAt(data, int64(p.Off)); err == nil {
			return string(bytes.TrimRight(data, "\x00"))
		}
	}
	return ""
}

// ThreadLocal is how many bytes of thread-local storage the object brings.
func (f *File) ThreadLocal() uint64 {
	for _, p := range f.image.Progs {
		if p.Type == elf.PT_TLS {
			return p.Memsz
		}
	}
	return 0
}

// Pie reports whether the object is a program that may be loaded anywhere; libraries are not programs.
func (f *File) Pie() bool {
	const dfPie = 0x08000000 // DF_1_PIE
	return f.image.Type == elf.ET_DYN && (f.dynamicTable().first(elf.DT_FLAGS_1)&dfPie != 0 || f.Interp() != "" && f.Soname() == "")
}

// Program reports whether the object can be started: a library only can be loaded.
func (f *File) Program() bool { return f.image.Type == elf.ET_EXEC || f.Pie() }

// Static reports whether the program runs without a dynamic linker.
func (f *File) Static() bool { return f.Program() && f.Interp() == "" }

// Stripped reports whether the object has lost its symbol table; what it exports, and what debug files hold, is still there.
func (f *File) Stripped() bool { return f.image.section(".symtab") == nil }

// EntryPoint is where the kernel or the dynamic linker starts the program.
func (f *File) EntryPoint() Addr { return Addr(f.image.Entry) }
