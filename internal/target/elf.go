package target

import (
	"debug/elf"
	"io"
	"os"
	"strings"
)

// isLibrary reports whether a file is a shared object for x86-64: what ld.so would take. A linker script ("libc.so" of the
// development packages is one), a 32-bit library and a relocatable object are none.
func isLibrary(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return false
	}
	var head [20]byte
	if _, err := io.ReadFull(file, head[:]); err != nil {
		return false
	}
	return string(head[:4]) == elf.ELFMAG && head[elf.EI_CLASS] == byte(elf.ELFCLASS64) && head[elf.EI_DATA] == byte(elf.ELFDATA2LSB) &&
		head[16] == byte(elf.ET_DYN) && head[18] == byte(elf.EM_X86_64)
}

// hollow reports whether a library defines no function: since glibc 2.34 libpthread, libdl, librt and libutil are such
// shells, kept for programs that name them.
func hollow(path string) bool {
	file, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return false
	}
	for _, s := range symbols {
		kind := elf.ST_TYPE(s.Info)
		code := kind == elf.STT_FUNC || kind == elf.STT_GNU_IFUNC
		if code && s.Section != elf.SHN_UNDEF && !strings.HasSuffix(s.Name, "_version_placeholder") {
			return false
		}
	}
	return true
}
