package user

import (
	"cmp"
	"encoding/binary"
	"slices"

	"golang.org/x/arch/x86/x86asm"

	"github.com/sonde-project/sonde/internal/engine/user/relocate"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// What relocate knows of a function is the function itself. Three dangers lie outside of it: functions written in assembler jump into
// each other, what a moved instruction does to a pointer to nowhere is looked up by its address, and so is whether a sequence was interrupted.

// maxText bounds how much code of one object is searched.
const maxText = 512 << 20

// short is how far the short form of a jump reaches.
const short = 130

// start is where a window begins in the file.
type start struct {
	addr  symbol.Addr
	aside bool // nothing but the instruction before may lead there
}

// jumpedInto reports of places, in their order, whether another function jumps into what a jump there would overwrite.
func (f *file) jumpedInto(starts []start) []bool {
	f.lock.Lock()
	defer f.lock.Unlock()
	var fresh []start
	for _, s := range starts {
		if _, known := f.entered[s]; !known {
			fresh = append(fresh, s)
		}
	}
	f.enter(fresh)
	out := make([]bool, len(starts))
	for i, s := range starts {
		out[i] = f.entered[s]
	}
	return out
}

// enter finds out which places another function jumps into.
func (f *file) enter(starts []start) {
	inside := map[symbol.Addr]start{}
	for _, s := range starts {
		f.entered[s] = false
		if s.aside {
			inside[s.addr] = s
		}
		for n := symbol.Addr(1); n < relocate.JumpLen; n++ {
			inside[s.addr+n] = s
		}
	}
	if len(inside) == 0 {
		return
	}
	hit := func(to symbol.Addr) {
		if s, ok := inside[to]; ok {
			f.entered[s] = true
		}
	}
	f.longJumps(hit)
	f.neighbours(starts, hit)
}

// longJumps gives where all calls and jumps of the object lead that have four bytes for the distance, and what else looks like one.
func (f *file) longJumps(hit func(symbol.Addr)) {
	const longest = 6
	buf := make([]byte, 256<<10)
	for _, s := range f.Segments() {
		if !s.Exec || s.Filesz > maxText {
			continue
		}
		for from := uint64(0); from+longest <= s.Filesz; from += uint64(len(buf) - longest + 1) {
			text, at := buf[:min(uint64(len(buf)), s.Filesz-from)], s.Addr+symbol.Addr(from)
			if f.ReadAt(at, text) != nil {
				break
			}
			for i := 0; i+longest <= len(text); i++ {
				switch b := text[i]; {
				case b == 0xe8 || b == 0xe9:
					hit(at + symbol.Addr(int64(i)+5+int64(int32(binary.LittleEndian.Uint32(text[i+1:])))))
				case b == 0x0f && text[i+1]&0xf0 == 0x80:
					hit(at + symbol.Addr(int64(i)+6+int64(int32(binary.LittleEndian.Uint32(text[i+2:])))))
				}
			}
		}
	}
}

// neighbours gives where the functions near the windows jump. What leads to a function's own windows relocate knows.
func (f *file) neighbours(starts []start, hit func(symbol.Addr)) {
	starts = slices.SortedFunc(slices.Values(starts), func(a, b start) int { return cmp.Compare(a.addr, b.addr) })
	at := symbol.Addr(0)
	for _, s := range starts {
		for at = max(at, s.addr-min(s.addr, short)); at < s.addr+short+relocate.JumpLen; {
			fn, _, ok := f.Enclosing(at)
			if !ok {
				at += max(1, symbol.Addr(f.Free(at, 2*short)))
				continue
			}
			out := f.leaps(fn)
			for _, to := range out.to {
				hit(to)
			}
			at = max(at+1, min(fn.Addr+symbol.Addr(out.size), f.NextAfter(at)))
		}
	}
}

// leaps are the jumps that lead out of a function.
type leaps struct {
	size uint64 // of the function
	to   []symbol.Addr
}

func (f *file) leaps(fn *symbol.Function) leaps {
	if known, ok := f.left[fn.Addr]; ok {
		return known
	}
	code, err := f.Code(fn)
	if err != nil {
		code = nil
	}
	f.insts, _ = site.DecodeTo(f.insts[:0], code)
	insts := f.insts
	return f.leave(fn, code, insts)
}

// leave remembers the leaps of a function whose instructions are known. Others may begin in the middle of it.
func (f *file) leave(fn *symbol.Function, code []byte, insts []site.Inst) leaps {
	out := leaps{size: uint64(len(code))}
	own := out.size
	all := f.Functions()
	next, _ := slices.BinarySearchFunc(all, fn.Addr+1, func(g symbol.Function, at symbol.Addr) int { return cmp.Compare(g.Addr, at) })
	if next < len(all) {
		own = min(own, uint64(all[next].Addr-fn.Addr))
	}
	for _, in := range insts {
		if (in.Flow == site.Jump || in.Flow == site.CondJump) && uint64(in.Target) >= own {
			out.to = append(out.to, fn.Addr+symbol.Addr(in.Target))
		}
	}
	f.left[fn.Addr] = out
	return out
}

// rseqMark is how many bytes before a restartable sequence's abort handler the kernel looks for a signature.
const rseqMark = 4

// restarts reports whether a window has a part of a restartable sequence, or of where one is left to by the kernel.
func (f *file) restarts(w *relocate.Window) bool {
	from, to := symbol.Addr(w.Addr), symbol.Addr(max(w.End(), w.Addr+relocate.JumpLen))
	return slices.ContainsFunc(f.Restartables(), func(s symbol.Restartable) bool {
		return from < s.To && to > s.From || from < s.Abort && to > s.Abort-rseqMark
	})
}

// unmovable says of a window's instructions why they must stay where they are.
func unmovable(code []byte) string {
	if faults(code) {
		return "an instruction that may fault would have to be moved, and who handles the fault would not know its address"
	}
	return ""
}

// faults reports whether one of the instructions may fault on what the program gives it: memory at a pointer, or a division.
func faults(code []byte) bool {
	insts, err := site.Decode(code)
	if err != nil {
		return true
	}
	for _, in := range insts {
		one, err := x86asm.Decode(in.Bytes(), 64)
		if err != nil || one.Op == x86asm.DIV || one.Op == x86asm.IDIV {
			return true
		}
		if one.Op == x86asm.LEA || one.Op == x86asm.NOP {
			continue
		}
		for _, arg := range one.Args {
			if m, ok := arg.(x86asm.Mem); ok && m.Base != x86asm.RSP && m.Base != x86asm.RBP && m.Base != x86asm.RIP {
				return true
			}
		}
	}
	return false
}
