package relocate

import (
	"encoding/binary"

	"github.com/sonde-project/sonde/internal/site"
)

// maxTable bounds how many entries of one jump table are read.
const maxTable = 4096

// findTargets notes every place that the function's own instructions lead to: branches, addresses that it takes of its own code,
// and the tables of its switches.
func (p *planner) findTargets() {
	computed, tables := 0, 0
	for _, one := range p.parts {
		for _, in := range one.insts {
			switch {
			case in.Flow == site.Jump || in.Flow == site.CondJump || in.Flow == site.Call:
				p.targets[one.start+in.Target] = true
			case in.Flow == site.JumpIndirect:
				n, known := p.absoluteTable(in)
				tables += n
				if !known {
					computed++
				}
			}
			if at, ok := takesAddress(in); ok {
				at += one.start
				if p.inside(at) {
					p.targets[at] = true
				} else {
					tables += p.table(p.f.Addr + uint64(at))
				}
			}
		}
	}
	p.computed = computed > tables
}

func (p *planner) inside(at int64) bool {
	for _, one := range p.parts {
		if at >= one.start && at < one.start+int64(len(one.code)) {
			return true
		}
	}
	return false
}

// takesAddress recognises lea disp(%rip),reg; at counts from the start of the instruction's part.
func takesAddress(in site.Inst) (at int64, ok bool) {
	off, n := in.Relative()
	if in.Flow != site.Next || n != 4 || off < 2 || in.Bytes()[off-2] != 0x8d {
		return 0, false
	}
	return int64(in.End()) + int64(int32(binary.LittleEndian.Uint32(in.Bytes()[off:]))), true
}

// table reads a jump table, which holds distances from itself or addresses; what lies outside the function ends it. It gives 1 when
// there is one.
func (p *planner) table(addr uint64) int {
	distances := p.entries(addr, 4, func(b []byte) uint64 { return addr + uint64(int64(int32(binary.LittleEndian.Uint32(b)))) })
	addresses := p.entries(addr, 8, binary.LittleEndian.Uint64)
	return min(1, distances+addresses)
}

func (p *planner) entries(addr uint64, size int, to func([]byte) uint64) int {
	var entry [8]byte
	for n := range maxTable {
		if p.f.Read == nil || !p.f.Read(addr+uint64(n*size), entry[:size]) {
			return n
		}
		at := int64(to(entry[:size]) - p.f.Addr)
		if !p.inside(at) {
			return n
		}
		p.targets[at] = true
	}
	return maxTable
}

// absoluteTable judges an indirect jump by its own operand: jmp *table(,index,8) names its table; jmp *disp(%rip) goes through a pointer
// to another function.
func (p *planner) absoluteTable(in site.Inst) (tables int, known bool) {
	if _, n := in.Relative(); n > 0 {
		return 0, true
	}
	code := in.Bytes()
	if n := len(code); n >= 7 && code[n-7] == 0xff && code[n-6] == 0x24 && code[n-5]&7 == 5 {
		return 0, p.table(uint64(binary.LittleEndian.Uint32(code[n-4:]))) > 0
	}
	return 0, false
}

// takesDown recognises what an epilogue is made of: pop, leave, add $n,%rsp, lea n(...),%rsp. No switch leads to what follows one.
func takesDown(in site.Inst) bool {
	code := in.Bytes()
	wide := code[0] == 0x48
	switch {
	case code[0] >= 0x58 && code[0] <= 0x5f, code[0] == 0xc9:
		return true
	case len(code) == 2 && code[0] == 0x41 && code[1] >= 0x58 && code[1] <= 0x5f:
		return true
	case wide && len(code) > 2 && (code[1] == 0x83 || code[1] == 0x81) && code[2] == 0xc4:
		return true
	case wide && len(code) > 2 && code[1] == 0x8d && code[2]&0x38 == 0x20:
		return true
	}
	return false
}

// filler recognises padding: nops of any length and int3.
func filler(in site.Inst) bool {
	code := in.Bytes()
	if code[0] == 0xcc {
		return true
	}
	for len(code) > 1 && (code[0] == 0x66 || code[0] == 0x2e) {
		code = code[1:]
	}
	return code[0] == 0x90 || len(code) > 2 && code[0] == opTwo && code[1] == 0x1f
}
