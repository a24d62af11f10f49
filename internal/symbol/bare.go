package symbol

import (
	"debug/elf"
	"encoding/binary"
)

// A file may have lost its section headers (sstrip, packers); the dynamic linker never needed them. What it reads is enough to know
// the exported functions.

// bareSymbols reads the dynamic symbol table by DT_SYMTAB. Its length is told by the hash table only.
func (f *File) bareSymbols() []entry {
	d := f.dynamicTable()
	table, count := d.first(elf.DT_SYMTAB), f.bareCount()
	if table == 0 || count == 0 || d.names == "" {
		return nil
	}
	data, ok := f.bytesAt(table, count*symbolSize)
	if !ok {
		return nil
	}
	reader := symbolReader{image: f.image, names: d.names, source: fromDynsym, versions: f.bareVersions(count)}
	return reader.all(data)
}

// bareCount gives the number of dynamic symbols.
func (f *File) bareCount() uint64 {
	d := f.dynamicTable()
	if at := d.first(elf.DT_HASH); at != 0 { // u32 nbucket, u32 nchain = symbols
		if b, ok := f.bytesAt(at, 8); ok {
			return uint64(binary.LittleEndian.Uint32(b[4:]))
		}
	}
	if at := d.first(elf.DT_GNU_HASH); at != 0 {
		return f.gnuHashCount(at)
	}
	return 0
}

// gnuHashCount: {u32 buckets, u32 first symbol, u32 bloom words, u32 shift, u64 bloom[], u32 bucket[], u32 chain[]}. The last symbol is at the end
// of the chain that begins highest; bit 0 marks the end.
func (f *File) gnuHashCount(at uint64) uint64 {
	head, ok := f.bytesAt(at, 16)
	if !ok {
		return 0
	}
	buckets, first := uint64(binary.LittleEndian.Uint32(head)), uint64(binary.LittleEndian.Uint32(head[4:]))
	bloom := uint64(binary.LittleEndian.Uint32(head[8:]))
	list, ok := f.bytesAt(at+16+8*bloom, 4*buckets)
	if !ok {
		return 0
	}
	var last uint64
	for ; len(list) >= 4; list = list[4:] {
		last = max(last, uint64(binary.LittleEndian.Uint32(list)))
	}
	if last < first {
		return first
	}
	chain := at + 16 + 8*bloom + 4*buckets
	for last < maxSymbols {
		link, ok := f.bytesAt(chain+4*(last-first), 4)
		if !ok {
			return 0
		}
		last++
		if link[0]&1 != 0 {
			return last
		}
	}
	return 0
}

// bareVersions reads what DT_VERSYM and DT_VERDEF point at.
func (f *File) bareVersions(count uint64) versions {
	d := f.dynamicTable()
	v := versions{names: map[uint16]string{}}
	var ok bool
	if v.index, ok = f.bytesAt(d.first(elf.DT_VERSYM), 2*count); !ok {
		return versions{}
	}
	at := d.first(elf.DT_VERDEF)
	p := f.image.segment(at)
	if at == 0 || p == nil {
		return versions{}
	}
	// The table has no length, only a chain that ends.
	data, ok := f.bytesAt(at, min(p.Filesz-(at-p.Vaddr), maxShortTable))
	if !ok {
		return versions{}
	}
	v.define(data, symbolReader{names: d.names})
	return v
}

// bytesAt reads mapped bytes; ok is false when they are not all there, before anything is allocated.
func (f *File) bytesAt(addr, size uint64) ([]byte, bool) {
	p := f.image.segment(addr)
	if p == nil || size > p.Filesz-(addr-p.Vaddr) || size > maxSymbols*symbolSize || !within(p.Off, p.Filesz, f.image.size) {
		return nil, false
	}
	data := make([]byte, size)
	return data, f.image.readAt(addr, data) == nil
}
