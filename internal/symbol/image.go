package symbol

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Limits on what a file may make us read. They are far above what linkers write (a browser with full debug
// information has 200 MiB of DWARF and a million symbols) and bound what a hostile file costs.
const (
	maxSections   = 1 << 17
	maxSegments   = 1 << 12
	maxSection    = 2 << 30 // one section, uncompressed
	maxSymbols    = 8 << 20 // entries of one symbol table
	maxStrings    = 1 << 30 // one string table
	maxInflated   = 1 << 30 // what a compressed section may grow to
	maxMiniDebug  = 256 << 20
	maxNotes      = 1 << 20 // bytes of one note section
	maxShortTable = 1 << 20 // section names, dynamic section, version definitions
)

// image is one ELF file as bytes with a table of contents: the object itself, its separate debug file, or the
// small ELF inside .gnu_debugdata. It is read with pread and not mapped: a mapped file that someone truncates
// kills the reader with SIGBUS.
type image struct {
	*elf.File
	from io.ReaderAt
	size int64
	path string
}

// newImage reads the headers. Errors are plain; diagnose makes them fit for people.
func newImage(from io.ReaderAt, size int64, path string) (*image, error) {
	if err := checkTables(from, size); err != nil {
		return nil, err
	}
	file, err := elf.NewFile(io.NewSectionReader(from, 0, size))
	if err != nil {
		return nil, err
	}
	return &image{File: file, from: from, size: size, path: path}, nil
}

// checkTables bounds the header tables before debug/elf allocates for them, and finds files that were cut short.
func checkTables(from io.ReaderAt, size int64) error {
	var h elf.Header64
	if err := binary.Read(io.NewSectionReader(from, 0, size), binary.LittleEndian, &h); err != nil {
		return errTruncated
	}
	if h.Phnum > 0 {
		if h.Phnum > maxSegments {
			return fmt.Errorf("%d program headers", h.Phnum)
		}
		if !within(h.Phoff, uint64(h.Phnum)*uint64(h.Phentsize), size) {
			return errTruncated
		}
	}
	if h.Shoff == 0 {
		return nil
	}
	count := uint64(h.Shnum)
	if count == 0 { // extended numbering: the count is in sh_size of section 0 (gABI, e_shnum)
		var first elf.Section64
		part := io.NewSectionReader(from, int64(h.Shoff), 64)
		if int64(h.Shoff) < 0 || binary.Read(part, binary.LittleEndian, &first) != nil {
			return errTruncated
		}
		count = first.Size
	}
	if count > maxSections {
		return fmt.Errorf("%d section headers", count)
	}
	if !within(h.Shoff, count*uint64(h.Shentsize), size) {
		return errTruncated
	}
	if h.Shstrndx != 0 && uint64(h.Shstrndx) < count {
		var names elf.Section64
		part := io.NewSectionReader(from, int64(h.Shoff)+int64(h.Shstrndx)*int64(h.Shentsize), 64)
		if err := binary.Read(part, binary.LittleEndian, &names); err != nil {
			return errTruncated
		}
		if names.Size > maxSection {
			return fmt.Errorf("%d bytes of section names", names.Size)
		}
		if !within(names.Off, names.Size, size) {
			return errTruncated
		}
	}
	return nil
}

var errTruncated = errors.New("the file is shorter than its headers say")

// within reports whether [offset, offset+length) lies inside a file of size bytes.
func within(offset, length uint64, size int64) bool {
	return offset <= uint64(size) && length <= uint64(size)-offset
}

// section gives a section that has contents, nil when there is none.
func (m *image) section(name string) *elf.Section {
	if m == nil {
		return nil
	}
	s := m.Section(name)
	if s == nil || s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL {
		return nil
	}
	return s
}

// contents gives the bytes of a section, uncompressed. A section that is too large or lies outside the file is
// an error before anything is allocated.
func (m *image) contents(s *elf.Section, limit uint64) ([]byte, error) {
	if !within(s.Offset, s.FileSize, m.size) {
		return nil, fmt.Errorf("%s: section %s: %w", m.path, s.Name, errTruncated)
	}
	if s.Type == elf.SHT_NOBITS {
		return nil, fmt.Errorf("%s: section %s: no contents", m.path, s.Name)
	}
	if s.FileSize > limit || s.Size > limit {
		return nil, fmt.Errorf("%s: section %s: %d bytes are more than %d", m.path, s.Name, max(s.Size, s.FileSize), limit)
	}
	data := make([]byte, s.FileSize)
	if _, err := m.from.ReadAt(data, int64(s.Offset)); err != nil {
		return nil, fmt.Errorf("%s: section %s: %w", m.path, s.Name, err)
	}
	if s.Flags&elf.SHF_COMPRESSED == 0 {
		return data, nil
	}
	data, err := inflate(data, limit)
	if err != nil {
		return nil, fmt.Errorf("%s: section %s: %w", m.path, s.Name, err)
	}
	return data, nil
}

// inflate undoes SHF_COMPRESSED: an Elf64_Chdr {u32 type, u32 reserved, u64 size, u64 align}, then the stream. Memory grows with what comes
// out of the stream, not with what the header claims.
func inflate(data []byte, limit uint64) ([]byte, error) {
	if len(data) < 24 {
		return nil, errTruncated
	}
	kind, size := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint64(data[8:])
	stream := data[24:]
	if size > limit || size > maxInflated {
		return nil, fmt.Errorf("compressed: %d bytes claim to be %d", len(stream), size)
	}
	var from io.Reader
	switch elf.CompressionType(kind) {
	case elf.COMPRESS_ZLIB:
		z, err := zlib.NewReader(bytes.NewReader(stream))
		if err != nil {
			return nil, err
		}
		from = z
	case elf.COMPRESS_ZSTD:
		z, err := zstd.NewReader(bytes.NewReader(stream), zstd.WithDecoderMaxMemory(maxInflated), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		from = z
	default:
		return nil, fmt.Errorf("compression %d is unknown", kind)
	}
	out := bytes.NewBuffer(make([]byte, 0, min(size, 1<<20)))
	if _, err := io.Copy(out, io.LimitReader(from, int64(size))); err != nil {
		return nil, err
	}
	if uint64(out.Len()) != size {
		return nil, errTruncated
	}
	return out.Bytes(), nil
}
