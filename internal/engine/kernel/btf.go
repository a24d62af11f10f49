package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// vmlinuxBTF is where the kernel shows its own types.
const vmlinuxBTF = "/sys/kernel/btf/vmlinux"

// kernelTypes is the kernel's BTF, searched in place: a plan wants two or three facts of it, and building an index of its
// 150,000 types costs more than everything else of a start. Layouts: Documentation/bpf/btf.rst.
type kernelTypes struct {
	types   []byte // the type section, records of 12 bytes with what their kind appends
	strings []byte // NUL-terminated names; a name is an offset
	mapped  []byte
}

var errNoType = errors.New("not in the kernel's types")

// Kinds of BTF types that are looked for or have odd sizes.
const (
	btfInt       = 1
	btfArray     = 3
	btfStruct    = 4
	btfUnion     = 5
	btfEnum      = 6
	btfFunc      = 12
	btfFuncProto = 13
	btfVar       = 14
	btfDataSec   = 15
	btfDeclTag   = 17
	btfEnum64    = 19

	btfHeader = 24
	btfMagic  = 0xeb9f
)

// openKernelTypes maps the BTF of vmlinux, or reads it where the kernel does not let it be mapped (before 6.16).
func openKernelTypes() (*kernelTypes, error) {
	file, err := os.Open(vmlinuxBTF)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	raw, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err == nil {
		k, err := parseKernelTypes(raw)
		if err != nil {
			unix.Munmap(raw)
			return nil, err
		}
		k.mapped = raw
		return k, nil
	}
	if raw, err = os.ReadFile(vmlinuxBTF); err != nil {
		return nil, err
	}
	return parseKernelTypes(raw)
}

func (k *kernelTypes) close() {
	if k.mapped != nil {
		unix.Munmap(k.mapped)
	}
}

func parseKernelTypes(raw []byte) (*kernelTypes, error) {
	if len(raw) < btfHeader || binary.NativeEndian.Uint16(raw) != btfMagic {
		return nil, fmt.Errorf("%s: no BTF header", vmlinuxBTF)
	}
	word := func(i int) uint64 { return uint64(binary.NativeEndian.Uint32(raw[4*i:])) }
	header, total := word(1), uint64(len(raw))
	section := func(off, size uint64) ([]byte, error) {
		if header+off+size > total {
			return nil, fmt.Errorf("%s: a section of %d bytes at %d is outside the file", vmlinuxBTF, size, off)
		}
		return raw[header+off:][:size], nil
	}
	types, err := section(word(2), word(3))
	if err != nil {
		return nil, err
	}
	strings, err := section(word(4), word(5))
	return &kernelTypes{types: types, strings: strings}, err
}

// wanted is a type to be found: its kind and name, and where its record is.
type wanted struct {
	kind uint32
	name string

	nameAt uint32
	id     int32
	record []byte // from the record's start on
}

// find fills in id and record of every type that is there, in one pass. Of several with one name the first is taken.
func (k *kernelTypes) find(list ...*wanted) {
	left := 0
	for _, w := range list {
		if at := bytes.Index(k.strings, []byte("\x00"+w.name+"\x00")); at >= 0 {
			w.nameAt = uint32(at + 1)
			left++
		}
	}
	rest, id := k.types, int32(1)
	for left > 0 && len(rest) >= 12 {
		name, info := binary.NativeEndian.Uint32(rest), binary.NativeEndian.Uint32(rest[4:])
		kind := info >> 24 & 0x1f
		for _, w := range list {
			if w.id == 0 && w.nameAt == name && w.kind == kind && name != 0 {
				w.id, w.record = id, rest
				left--
			}
		}
		size := 12 + appended(kind, int(info&0xffff))
		if size > len(rest) {
			return
		}
		rest = rest[size:]
		id++
	}
}

// appended is the number of bytes after the 12 that every type has; n is the type's vlen.
func appended(kind uint32, n int) int {
	switch kind {
	case btfInt, btfVar, btfDeclTag:
		return 4
	case btfArray:
		return 12
	case btfEnum, btfFuncProto:
		return 8 * n
	case btfStruct, btfUnion, btfDataSec, btfEnum64:
		return 12 * n
	}
	return 0
}

// member gives the byte offset of a member of a struct that find found. Members of anonymous structs inside are not seen.
func (k *kernelTypes) member(w *wanted, name string) (int, error) {
	if w.id == 0 {
		return 0, fmt.Errorf("struct %s: %w", w.name, errNoType)
	}
	info := binary.NativeEndian.Uint32(w.record[4:])
	members := w.record[12:]
	for range info & 0xffff {
		if len(members) < 12 {
			break
		}
		if k.named(binary.NativeEndian.Uint32(members), name) {
			bits := binary.NativeEndian.Uint32(members[8:])
			if info>>31 != 0 { // kind_flag: the upper byte is the width of a bit-field
				bits &= 0xffffff
			}
			return int(bits / 8), nil
		}
		members = members[12:]
	}
	return 0, fmt.Errorf("%s.%s: %w", w.name, name, errNoType)
}

func (k *kernelTypes) named(at uint32, name string) bool {
	if uint64(at)+uint64(len(name)) >= uint64(len(k.strings)) {
		return false
	}
	return string(k.strings[at:][:len(name)]) == name && k.strings[int(at)+len(name)] == 0
}
