package user

import (
	"encoding/binary"

	"golang.org/x/arch/x86/x86asm"

	"github.com/sonde-project/sonde/internal/engine/user/relocate"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// What relocate knows of a function is the function itself. Two dangers lie outside of it: functions written in assembler jump into
// each other, and what a moved instruction does to a pointer to nowhere is looked up by its address.

// maxText bounds how much code of one object is searched.
const maxText = 512 << 20

// short is how far the short form of a jump reaches.
const short = 130

// start is where a window begins in the file.
type start struct {
	addr  symbol.Addr
	aside bool // nothing but the instruction before may lead there
}

// entered finds the windows of an object into whose overwritten bytes another function jumps, as places in the list.
func entered(file *symbol.File, starts []start) map[int]bool {
	inside := map[symbol.Addr]int{}
	for i, s := range starts {
		if s.aside {
			inside[s.addr] = i
		}
		for n := symbol.Addr(1); n < relocate.JumpLen; n++ {
			inside[s.addr+n] = i
		}
	}
	out := map[int]bool{}
	hit := func(to symbol.Addr) {
		if i, ok := inside[to]; ok {
			out[i] = true
		}
	}
	for _, s := range file.Segments() {
		if !s.Exec || s.Filesz > maxText {
			continue
		}
		text := make([]byte, s.Filesz)
		if file.ReadAt(s.Addr, text) != nil {
			continue
		}
		for i := 0; i+6 <= len(text); i++ {
			switch b := text[i]; {
			case b == 0xe8 || b == 0xe9:
				hit(s.Addr + symbol.Addr(int64(i)+5+int64(int32(binary.LittleEndian.Uint32(text[i+1:])))))
			case b == 0x0f && text[i+1]&0xf0 == 0x80:
				hit(s.Addr + symbol.Addr(int64(i)+6+int64(int32(binary.LittleEndian.Uint32(text[i+2:])))))
			}
		}
	}
	neighbours(file, starts, hit)
	return out
}

// neighbours gives where the functions near the windows jump.
func neighbours(file *symbol.File, starts []start, hit func(symbol.Addr)) {
	seen := map[symbol.Addr]bool{}
	for _, s := range starts {
		own, _, _ := file.Enclosing(s.addr)
		for at := s.addr - short; at < s.addr+short+relocate.JumpLen; {
			fn, into, ok := file.Enclosing(at)
			if !ok {
				at++
				continue
			}
			code, err := file.Code(fn)
			if err != nil || len(code) == 0 || uint64(len(code)) <= into {
				at++
				continue
			}
			at += symbol.Addr(uint64(len(code)) - into)
			if seen[fn.Addr] || own != nil && fn.Addr == own.Addr {
				continue
			}
			seen[fn.Addr] = true
			insts, _ := site.Decode(code)
			for _, in := range insts {
				if in.Flow == site.Jump || in.Flow == site.CondJump {
					hit(fn.Addr + symbol.Addr(in.Target))
				}
			}
		}
	}
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
