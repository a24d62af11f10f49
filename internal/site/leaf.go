package site

import "golang.org/x/arch/x86/x86asm"

// Leaf reports whether a function neither calls nor jumps to another: nothing can be left through it, and nothing it does
// goes on elsewhere. A jump through a table is taken for one that leaves.
func Leaf(code []byte) bool {
	insts, err := Decode(code)
	if err != nil {
		return false
	}
	for _, in := range insts {
		switch in.Flow {
		case Call, CallIndirect, JumpIndirect:
			return false
		case Jump, CondJump:
			if in.Target < 0 || in.Target >= int64(len(code)) {
				return false
			}
		}
	}
	return true
}

// Callees lists where a function's direct calls and jumps out of it go, relative to its start; 0 is the function itself, called.
func Callees(code []byte) []int64 {
	insts, _ := Decode(code)
	var out []int64
	for _, in := range insts {
		away := in.Target < 0 || in.Target >= int64(len(code))
		if in.Flow == Call || away && (in.Flow == Jump || in.Flow == CondJump) {
			out = append(out, in.Target)
		}
	}
	return out
}

// mayLoadStack matches what a load of %rsp looks like: mov memory or register to %rsp, xchg with it, after a REX.W prefix (not looked at). Most of
// what matches is something else, or a function putting its own %rsp back.
func mayLoadStack(b []byte) bool {
	switch reg, rm := b[2]>>3&7, b[2]&7; b[1] {
	case 0x94:
		return true
	case 0x8b:
		return reg == 4
	case 0x89:
		return b[2]>>6 == 3 && rm == 4
	case 0x87:
		return reg == 4 || b[2]>>6 == 3 && rm == 4
	}
	return false
}

// StackLoads lists where the bytes hold what may be loads of %rsp.
func StackLoads(text []byte) []int {
	var out []int
	for at := 0; at+3 <= len(text); at++ {
		if text[at]&0xf8 == 0x48 && mayLoadStack(text[at:]) {
			out = append(out, at)
		}
	}
	return out
}

// SwitchesStacks reports whether a function goes on on another stack: it loads %rsp from a register that did not get it from
// %rsp in the same function (that is how blocks with arrays of variable length end), or from memory not addressed by %rbp
// (where compilers spill it).
func SwitchesStacks(code []byte) bool {
	insts, _ := Decode(code)
	saved := map[x86asm.Reg]bool{x86asm.RBP: true}
	for _, in := range insts {
		inst, ok := in.asm()
		if !ok || inst.Op != x86asm.MOV && inst.Op != x86asm.XCHG && inst.Op != x86asm.LEA {
			continue
		}
		to, toReg := inst.Args[0].(x86asm.Reg)
		from, fromReg := inst.Args[1].(x86asm.Reg)
		mem, fromMem := inst.Args[1].(x86asm.Mem)
		switch {
		case inst.Op == x86asm.XCHG:
			if toReg && to == x86asm.RSP || fromReg && from == x86asm.RSP {
				return true
			}
		case toReg && to == x86asm.RSP && inst.Op == x86asm.MOV:
			if fromReg && !saved[from] || fromMem && mem.Base != x86asm.RBP {
				return true
			}
		case toReg && (fromReg && from == x86asm.RSP || fromMem && inst.Op == x86asm.LEA && mem.Base == x86asm.RSP):
			saved[to] = true
		}
	}
	return false
}
