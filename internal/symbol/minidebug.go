package symbol

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// miniDebug reads .gnu_debugdata: a whole ELF file with the symbols that strip took away, compressed with xz. Source: gdb,
// "Debugging information in a special section".
func (f *File) miniDebug() []entry {
	packed, err := f.image.contents(f.image.section(".gnu_debugdata"), maxMiniDebug)
	if err != nil {
		f.problems = append(f.problems, err)
		return nil
	}
	name := f.path + "(.gnu_debugdata)"
	data, err := unpackXZ(packed, maxMiniDebug)
	if err != nil {
		f.problems = append(f.problems, fmt.Errorf("%s: %w", name, err))
		return nil
	}
	m, err := newImage(bytes.NewReader(data), int64(len(data)), name)
	if err != nil || m.Class != elf.ELFCLASS64 {
		f.problems = append(f.problems, fmt.Errorf("%s: not a 64-bit ELF file", name))
		return nil
	}
	return f.tables(m, fromMiniDebug, "")
}

var errXZ = errors.New("not an xz stream that this reader knows")

// maxDictionary bounds the window of the decompressor; xz -9 uses 64 MiB. The stream may ask for 4 GiB.
const maxDictionary = 64 << 20

// unpackXZ decompresses the first stream. The container is read here because the stream says how much memory it wants,
// and that must be judged first. Source: the .xz file format 1.2.0, sections 2 and 3.
func unpackXZ(packed []byte, limit int64) ([]byte, error) {
	const headerSize = 12 // 6 bytes of magic, 2 of flags, 4 of CRC
	if len(packed) < headerSize || !bytes.HasPrefix(packed, []byte("\xfd7zXZ\x00")) {
		return nil, errXZ
	}
	checkSize := map[byte]int{0: 0, 1: 4, 4: 8, 10: 32}
	check, known := checkSize[packed[7]&0xf]
	if !known {
		return nil, errXZ
	}
	var out bytes.Buffer
	rest := packed[headerSize:]
	for len(rest) > 0 && rest[0] != 0 { // a zero is where the index begins
		size, dictionary, err := xzBlock(rest)
		if err != nil {
			return nil, err
		}
		from := bytes.NewReader(rest[size:])
		reader, err := lzma.Reader2Config{DictCap: dictionary}.NewReader2(from)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(&out, io.LimitReader(reader, limit+1-int64(out.Len()))); err != nil {
			return nil, err
		}
		if int64(out.Len()) > limit {
			return nil, fmt.Errorf("more than %d bytes uncompressed", limit)
		}
		used := (len(rest) - size - from.Len() + 3) &^ 3
		if used+check > len(rest)-size {
			return nil, errTruncated
		}
		rest = rest[size+used+check:]
	}
	return out.Bytes(), nil
}

// xzBlock reads a block header {u8 size, u8 flags, sizes, filters, padding, u32 CRC} of one LZMA2 filter.
func xzBlock(b []byte) (size, dictionary int, err error) {
	size = (int(b[0]) + 1) * 4
	if size > len(b) || size < 8 {
		return 0, 0, errTruncated
	}
	flags, fields := b[1], b[2:size-4]
	for _, present := range []bool{flags&0x40 != 0, flags&0x80 != 0} { // compressed size, uncompressed size
		if present {
			_, n := binary.Uvarint(fields)
			if n <= 0 {
				return 0, 0, errTruncated
			}
			fields = fields[n:]
		}
	}
	const lzma2 = 0x21
	if flags&3 != 0 || len(fields) < 3 || fields[0] != lzma2 || fields[1] != 1 {
		return 0, 0, errXZ
	}
	// Section 5.3.1: 2 or 3 times a power of two.
	bits := int(fields[2])
	if bits > 40 {
		return 0, 0, errXZ
	}
	window := int64(2|bits&1) << (bits/2 + 11)
	return size, int(min(window, maxDictionary)), nil
}
