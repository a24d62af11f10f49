package object

import (
	"bytes"
	"debug/elf"
	"slices"

	"github.com/cilium/ebpf/btf"
)

// strengthened gives the object with its weak maps made global ones: libbpf's usdt.bpf.h declares its maps weak so that several files
// may be linked into one object, and the library that loads objects takes no weak ones.
//
//	Elf64_Sym: u32 name, u8 info (binding << 4 | type), u8 other, u16 section, u64 value, u64 size
func strengthened(text []byte) []byte {
	const size, infoAt = 24, 4
	file, err := elf.NewFile(bytes.NewReader(text))
	if err != nil || file.Class != elf.ELFCLASS64 {
		return text // the reader says what is wrong
	}
	symbols := file.SectionByType(elf.SHT_SYMTAB)
	if symbols == nil || symbols.Offset > uint64(len(text)) || symbols.Size > uint64(len(text))-symbols.Offset {
		return text
	}
	table := text[symbols.Offset:][:symbols.Size]
	copied := false
	for at := 0; at+size <= len(table); at += size {
		info := table[at+infoAt]
		if elf.ST_BIND(info) != elf.STB_WEAK || elf.ST_TYPE(info) != elf.STT_OBJECT {
			continue
		}
		if !copied {
			text = slices.Clone(text)
			table, copied = text[symbols.Offset:][:symbols.Size], true
		}
		table[at+infoAt] = elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT)
	}
	return text
}

// staticHidden makes functions of hidden visibility static, as the linker of libbpf does: the verifier then follows calls into them
// with what it knows of the arguments, and does not look at them on their own.
func (o *Object) staticHidden(text []byte) {
	file, err := elf.NewFile(bytes.NewReader(text))
	if err != nil {
		return
	}
	symbols, err := file.Symbols()
	if err != nil {
		return
	}
	hidden := map[string]bool{}
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && elf.ST_VISIBILITY(s.Other) == elf.STV_HIDDEN {
			hidden[s.Name] = true
		}
	}
	if len(hidden) == 0 {
		return
	}
	for _, p := range o.Spec.Programs {
		for i, ins := range p.Instructions {
			fn := btf.FuncMetadata(&ins)
			if fn == nil || !hidden[fn.Name] {
				continue
			}
			own := *fn
			own.Linkage = btf.StaticFunc
			p.Instructions[i] = btf.WithFuncMetadata(ins, &own)
		}
	}
}
