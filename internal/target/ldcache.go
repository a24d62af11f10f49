package target

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The cache of glibc's dynamic linker (sysdeps/generic/dl-cache.h). A file may begin with the older "ld.so-1.7.0" format;
// the newer one follows it, aligned to 8, and offsets count from its own start.
const (
	oldMagic       = "ld.so-1.7.0\x00"
	newMagic       = "glibc-ld.so.cache1.1"
	headerSize     = 48
	entrySize      = 24
	oldHeaderSize  = 16 // magic, count
	oldEntrySize   = 12
	extensionMagic = 0xeaa42174
	hwcapsTag      = 1 // extension section: names of glibc-hwcaps subdirectories
)

// flagsX8664 marks an entry as ELF, libc6, x86-64 (FLAG_ELF_LIBC6 | FLAG_X8664_LIB64).
const flagsX8664 = 0x0303

// hwcapExtension marks an hwcap field that holds an index into the extension's names.
const hwcapExtension = 1 << 62

// maxCached bounds the entries that are read; distributions have some thousands.
const maxCached = 1 << 20

// cached is one library of the cache.
type cached struct {
	name  string // soname, or the name of a symbolic link
	path  string
	level string // "x86-64-v3": only for processors that have it; "" any
	early bool   // from LD_LIBRARY_PATH, which comes before everything
}

var errCache = errors.New("not a cache of the dynamic linker")

// parseCache reads the x86-64 entries of an ld.so.cache, in its order, which is ld.so's preference within a name.
func parseCache(data []byte) ([]cached, error) {
	if bytes.HasPrefix(data, []byte(oldMagic)) && len(data) >= oldHeaderSize {
		skip := oldHeaderSize + uint64(binary.LittleEndian.Uint32(data[12:]))*oldEntrySize
		skip = (skip + 7) &^ 7
		if skip > uint64(len(data)) {
			return nil, errCache
		}
		data = data[skip:]
	}
	if !bytes.HasPrefix(data, []byte(newMagic)) || len(data) < headerSize {
		return nil, errCache
	}
	count := binary.LittleEndian.Uint32(data[20:])
	if count > maxCached || headerSize+uint64(count)*entrySize > uint64(len(data)) {
		return nil, fmt.Errorf("%w: %d entries in %d bytes", errCache, count, len(data))
	}
	levels := cacheLevels(data)
	var all []cached
	for i := range uint64(count) {
		e := data[headerSize+i*entrySize:]
		if binary.LittleEndian.Uint32(e) != flagsX8664 {
			continue
		}
		c := cached{name: textAt(data, binary.LittleEndian.Uint32(e[4:])), path: textAt(data, binary.LittleEndian.Uint32(e[8:]))}
		if hwcap := binary.LittleEndian.Uint64(e[16:]); hwcap&hwcapExtension != 0 {
			index := uint32(hwcap)
			if uint64(index) >= uint64(len(levels)) {
				continue
			}
			c.level = levels[index]
		}
		if c.name != "" && strings.HasPrefix(c.path, "/") {
			all = append(all, c)
		}
	}
	return all, nil
}

// cacheLevels reads the names of the glibc-hwcaps subdirectories that entries refer to (glibc 2.33 and later).
func cacheLevels(data []byte) []string {
	word := func(at uint64) uint32 {
		if at+4 > uint64(len(data)) {
			return 0
		}
		return binary.LittleEndian.Uint32(data[at:])
	}
	at := uint64(word(32))
	if at == 0 || word(at) != extensionMagic {
		return nil
	}
	var levels []string
	sections := min(word(at+4), 64)
	for i := range uint64(sections) {
		section := at + 8 + i*16
		if word(section) != hwcapsTag {
			continue
		}
		from, size := uint64(word(section+8)), uint64(word(section+12))
		for at := from; at+4 <= from+min(size, 4096); at += 4 {
			levels = append(levels, textAt(data, word(at)))
		}
	}
	return levels
}

// textAt reads a text that ends with NUL; "" when it does not lie in the data.
func textAt(data []byte, offset uint32) string {
	if uint64(offset) >= uint64(len(data)) {
		return ""
	}
	rest := data[offset:]
	rest = rest[:min(len(rest), 4096)]
	end := bytes.IndexByte(rest, 0)
	if end < 0 {
		return ""
	}
	return string(rest[:end])
}
