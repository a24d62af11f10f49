package symbol

import (
	"cmp"
	"debug/elf"
	"fmt"
	"io"
	"slices"
	"sort"
)

// Segment is a part of the file that the loader maps: PT_LOAD.
type Segment struct {
	Addr   Addr
	Offset Offset
	Filesz uint64
	Memsz  uint64 // what exceeds Filesz is zero
	Exec   bool
	Write  bool
}

// Segments gives what the loader maps, in the file's order.
func (f *File) Segments() []Segment {
	var segments []Segment
	for _, p := range f.image.Progs {
		if p.Type == elf.PT_LOAD {
			segments = append(segments, Segment{
				Addr: Addr(p.Vaddr), Offset: Offset(p.Off), Filesz: p.Filesz, Memsz: p.Memsz,
				Exec: p.Flags&elf.PF_X != 0, Write: p.Flags&elf.PF_W != 0,
			})
		}
	}
	return segments
}

// Offset gives where in the file the byte of an address is: addr - p_vaddr + p_offset. What is only zeroed memory, and what
// no segment holds, has no offset.
func (f *File) Offset(addr Addr) (Offset, error) {
	p := f.image.segment(uint64(addr))
	if p == nil {
		return 0, fmt.Errorf("%s: address %v is in no segment of the file", f.path, addr)
	}
	return Offset(uint64(addr) - p.Vaddr + p.Off), nil
}

// AddrOf gives the address of a byte of the file: offset - p_offset + p_vaddr. A byte that is mapped twice is taken as code.
func (f *File) AddrOf(offset Offset) (Addr, bool) {
	var found *elf.Prog
	for _, p := range f.image.Progs {
		if p.Type == elf.PT_LOAD && uint64(offset) >= p.Off && uint64(offset)-p.Off < p.Filesz {
			if found == nil || p.Flags&elf.PF_X != 0 && found.Flags&elf.PF_X == 0 {
				found = p
			}
		}
	}
	if found == nil {
		return 0, false
	}
	return Addr(uint64(offset) - found.Off + found.Vaddr), true
}

// pageSize is the granularity of mappings on amd64.
const pageSize = 4096

// Mapping is one line of /proc/PID/maps, as far as it concerns where the object lies.
type Mapping struct {
	Start  PC
	Offset Offset
	Exec   bool
}

// Bias gives PC minus Addr for the segment that a mapping shows. The kernel maps whole pages, so the mapping may begin
// below the segment: Bias = Start - (p_vaddr + Offset - p_offset).
func (f *File) Bias(m Mapping) (Bias, bool) {
	for _, s := range f.Segments() {
		first, last := uint64(s.Offset)&^(pageSize-1), uint64(s.Offset)+s.Filesz
		if s.Exec == m.Exec && uint64(m.Offset) >= first && uint64(m.Offset) < last {
			return Bias(uint64(m.Start) - (uint64(s.Addr) + uint64(m.Offset) - uint64(s.Offset))), true
		}
	}
	return 0, false
}

// segment gives the PT_LOAD whose bytes in the file include addr, code before data.
func (m *image) segment(addr uint64) *elf.Prog {
	var found *elf.Prog
	for _, p := range m.Progs {
		if p.Type == elf.PT_LOAD && addr >= p.Vaddr && addr-p.Vaddr < p.Filesz {
			if found == nil || p.Flags&elf.PF_X != 0 && found.Flags&elf.PF_X == 0 {
				found = p
			}
		}
	}
	return found
}

// readAt fills buf with what the loader would put at addr, before relocation. It must lie in one segment.
func (m *image) readAt(addr uint64, buf []byte) error {
	p := m.segment(addr)
	if p == nil || uint64(len(buf)) > p.Filesz-(addr-p.Vaddr) {
		return fmt.Errorf("%s: %d bytes at %v are not in the file", m.path, len(buf), Addr(addr))
	}
	if _, err := m.from.ReadAt(buf, int64(addr-p.Vaddr+p.Off)); err != nil {
		if err == io.EOF {
			err = errTruncated
		}
		return fmt.Errorf("%s: %w", m.path, err)
	}
	return nil
}

// Holds reports whether the object, loaded, has something at an address.
func (f *File) Holds(addr Addr) bool { return f.image.segment(uint64(addr)) != nil }

// ReadAt fills buf with the file's bytes at addr. They are as linked: words that the dynamic linker relocates hold what
// the linker left there.
func (f *File) ReadAt(addr Addr, buf []byte) error { return f.image.readAt(uint64(addr), buf) }

// maxCode bounds the code of one function. The largest that compilers emit (generated parsers, interpreters) have 2 MiB.
const maxCode = 16 << 20

// Code gives the instructions of a function. One without a size ends where .eh_frame says, at the next function, or with its
// section.
func (f *File) Code(fn *Function) ([]byte, error) {
	limit := f.codeEnd(fn.Addr)
	size := fn.Size
	if size == 0 {
		limit = min(limit, f.NextAfter(fn.Addr))
		if frame, ok := f.frameAt(fn.Addr); ok && frame.from == uint64(fn.Addr) {
			limit = min(limit, Addr(frame.to))
		}
	}
	if limit <= fn.Addr {
		return nil, fmt.Errorf("%s: %s: address %v is not in code", f.path, fn.Name, fn.Addr)
	}
	if available := uint64(limit - fn.Addr); size == 0 || size > available {
		size = available
	}
	if size > maxCode {
		return nil, fmt.Errorf("%s: %s: %d bytes of code are more than %d", f.path, fn.Name, size, maxCode)
	}
	code := make([]byte, size)
	return code, f.ReadAt(fn.Addr, code)
}

// NextAfter gives the start of the first function after addr.
func (f *File) NextAfter(addr Addr) Addr {
	if i := f.index(addr) + 1; i < len(f.functions) {
		return f.functions[i].Addr
	}
	return ^Addr(0)
}

// span is a range of addresses [from, to).
type span struct{ from, to uint64 }

// codeSpans gives the executable sections, sorted, each cut to what the file holds.
func (m *image) codeSpans() []span {
	var spans []span
	for _, s := range m.Sections {
		if s.Flags&elf.SHF_EXECINSTR == 0 || s.Flags&elf.SHF_ALLOC == 0 || s.Type == elf.SHT_NOBITS {
			continue
		}
		p := m.segment(s.Addr)
		if p == nil || p.Flags&elf.PF_X == 0 {
			continue
		}
		end := min(s.Addr+s.Size, p.Vaddr+p.Filesz)
		if end > s.Addr {
			spans = append(spans, span{s.Addr, end})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	return spans
}

// codeEnd is where the code around addr ends: with its section, or with its segment when no section covers it. It is addr
// itself when addr is not code.
func (f *File) codeEnd(addr Addr) Addr {
	f.spansOnce.Do(func() { f.spans = f.image.codeSpans() })
	at := uint64(addr)
	if i := sort.Search(len(f.spans), func(i int) bool { return f.spans[i].from > at }) - 1; i >= 0 && at < f.spans[i].to {
		return Addr(f.spans[i].to)
	}
	if p := f.image.segment(at); p != nil && p.Flags&elf.PF_X != 0 && p.Vaddr+p.Filesz > at {
		return Addr(p.Vaddr + p.Filesz)
	}
	return addr
}
