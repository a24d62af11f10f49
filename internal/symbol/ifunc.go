package symbol

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// Implementations gives what an indirect function may turn out to be. The symbol's address is a resolver, which the dynamic linker
// calls once; it picks one of several functions by what the processor can. They are the code addresses that the resolver's
// instructions make. All of them are candidates: which one is chosen is only known at run time.
//
// A candidate without a symbol is called by the indirect function's name and its own address, "strlen@0x15ed60". A resolver that picks a
// function of another object (glibc's time takes the kernel's vDSO) only shows what it falls back to.
func (f *File) Implementations(fn *Function) []*Function {
	if !fn.IFunc {
		return nil
	}
	addresses, next := f.pointersIn(fn)
	for _, callee := range next {
		if len(addresses) > 0 {
			break
		}
		// The symbol is a stub: what it jumps to or calls is the resolver.
		if inner, offset, ok := f.At(callee); ok && offset == 0 {
			addresses, _ = f.pointersIn(inner)
		} else {
			addresses, _ = f.pointersIn(&Function{Addr: callee})
		}
	}
	slices.Sort(addresses)
	var all []*Function
	for _, addr := range slices.Compact(addresses) {
		if addr != fn.Addr {
			all = append(all, f.implementation(fn, addr))
		}
	}
	return all
}

// implementation gives the function at an address, or makes one of what .eh_frame knows.
func (f *File) implementation(of *Function, addr Addr) *Function {
	if found, offset, ok := f.At(addr); ok && offset == 0 {
		return found
	}
	made := &Function{Addr: addr, Name: fmt.Sprintf("%s@%v", of.Name, addr), Lang: of.Lang, Local: true, Source: "ifunc"}
	if frame, ok := f.frameAt(addr); ok && frame.from == uint64(addr) {
		made.Size = frame.to - frame.from
	}
	return made
}

// maxResolver bounds what is read as a resolver: glibc's longest has 300 bytes.
const maxResolver = 4096

// pointersIn disassembles a resolver: the code addresses outside of it that its instructions make, and those that it calls or
// jumps to.
func (f *File) pointersIn(fn *Function) (pointers, callees []Addr) {
	code, err := f.Code(fn)
	if err != nil {
		return nil, nil
	}
	code = code[:min(len(code), maxResolver)]
	inside := span{uint64(fn.Addr), uint64(fn.Addr) + uint64(len(code))}
	for at := 0; at < len(code); {
		if strings.HasPrefix(string(code[at:min(at+4, len(code))]), endbr64) {
			at += len(endbr64)
			continue
		}
		instruction, err := x86asm.Decode(code[at:], 64)
		if err != nil {
			break
		}
		at += instruction.Len
		next := inside.from + uint64(at)
		if fn.Size == 0 && instruction.Op == x86asm.RET && len(pointers) > 0 {
			break // nothing says that what follows is still the resolver
		}
		target, calls := f.codeTarget(instruction, next)
		if target == 0 || target >= inside.from && target < inside.to || !f.text(target) {
			continue
		}
		if calls {
			callees = append(callees, Addr(target))
		} else {
			pointers = append(pointers, Addr(target))
		}
	}
	return pointers, callees
}

// endbr64 is decoded by x86asm as a prefix of one byte.
const endbr64 = "\xf3\x0f\x1e\xfa"

// codeTarget gives the address that an instruction computes, loads from memory, or goes to; 0 for none.
func (f *File) codeTarget(in x86asm.Inst, next uint64) (target uint64, calls bool) {
	for i, arg := range in.Args {
		switch a := arg.(type) {
		case x86asm.Rel:
			return next + uint64(int64(a)), true
		case x86asm.Mem:
			if a.Base != x86asm.RIP || i == 0 {
				continue
			}
			place := next + uint64(int64(int32(a.Disp))) // x86asm does not extend the sign
			if in.Op == x86asm.LEA {
				return place, false
			}
			return f.word(place), false // a pointer kept in the global offset table
		case x86asm.Imm:
			if in.Op == x86asm.MOV && f.image.Type == elf.ET_EXEC {
				return uint64(a), false
			}
		}
	}
	return 0, false
}

// text reports whether an address is code that a compiler made: not the linker's own call stubs, and not constants that share
// a segment with code.
func (f *File) text(addr uint64) bool {
	if !f.image.executable(addr) {
		return false
	}
	if len(f.image.Sections) == 0 {
		return true
	}
	for _, s := range f.image.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && addr >= s.Addr && addr-s.Addr < s.Size && s.Type != elf.SHT_NOBITS {
			return s.Flags&elf.SHF_EXECINSTR != 0 && !strings.HasPrefix(s.Name, ".plt")
		}
	}
	return false
}
