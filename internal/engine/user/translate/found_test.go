//go:build linux && amd64

package translate_test

import (
	"testing"

	"github.com/cilium/ebpf/asm"
)

// What was found by a key is taken out by the key as it is then, whatever has been done meanwhile to the key and to the table.
func TestWhatWasFoundIsTakenOutByItsKey(t *testing.T) {
	const key, value, spill, place = -176, -200, -152, -176 + nestPlace
	on := func(fn asm.BuiltinFunc) asm.Instructions {
		return asm.Instructions{mapPtr(asm.R1, "calls"), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, key),
			asm.Mov.Reg(asm.R3, asm.R10), asm.Add.Imm(asm.R3, value), asm.Mov.Imm(asm.R4, 0), fn.Call()}
	}
	at := func(n int64) asm.Instruction { return storeImm(asm.R10, place, n, asm.DWord) }
	hidden := asm.Instructions{asm.Mov.Reg(asm.R8, asm.R10), asm.StoreMem(asm.R10, spill, asm.R8, asm.DWord), asm.LoadMem(asm.R8, asm.R10, spill, asm.DWord)}
	ask := asm.Instructions{asm.JEq.Imm(asm.R7, 0, "none"), asm.Mov.Imm(asm.R0, 0).WithSymbol("none")}
	for name, between := range map[string]asm.Instructions{
		"nothing":                     nil,
		"another key":                 {at(80)},
		"another key, and back":       {at(80), at(96)},
		"half of another key":         {storeImm(asm.R10, place+4, 1, asm.Word)},
		"a key that is not looked at": {storeImm(asm.R10, spill, 1, asm.DWord)},
		"by another pointer":          append(hidden, storeImm(asm.R8, place, 80, asm.Byte)),
		"one more call":               concat(asm.Instructions{at(80)}, on(asm.FnMapUpdateElem)),
		"one more call, and back":     concat(asm.Instructions{at(80)}, on(asm.FnMapUpdateElem), asm.Instructions{at(96)}),
		"taken out":                   on(asm.FnMapDeleteElem),
		"taken out, and another":      concat(on(asm.FnMapDeleteElem), asm.Instructions{at(80)}, on(asm.FnMapUpdateElem)),
		"taken out, and put back":     concat(on(asm.FnMapDeleteElem), on(asm.FnMapUpdateElem)),
		"found anew, by another":      concat(asm.Instructions{at(112)}, on(asm.FnMapLookupElem), asm.Instructions{asm.Mov.Reg(asm.R7, asm.R0)}),
		"by one of two":               {asm.JEq.Imm(asm.R5, 0, "same"), at(112), asm.Mov.Imm(asm.R0, 0).WithSymbol("same")},
		"asked whether there is":      ask,
	} {
		sum := asm.Instructions{asm.Mul.Imm(asm.R6, 31), asm.MovSX32.Reg(asm.R0, asm.R0), asm.Xor.Reg(asm.R6, asm.R0)}
		has := func(n int64) asm.Instructions {
			return concat(asm.Instructions{at(n)}, on(asm.FnMapLookupElem), asm.Instructions{asm.JEq.Imm(asm.R0, 0, name+string(rune(n))), asm.Mov.Imm(asm.R0, 1)},
				asm.Instructions{asm.Mul.Imm(asm.R6, 2).WithSymbol(name + string(rune(n))), asm.Xor.Reg(asm.R6, asm.R0)})
		}
		ins := trial(concat(
			asm.Instructions{asm.Mov.Imm(asm.R6, 1), storeImm(asm.R10, key+nestOwner, 1<<31-1, asm.DWord), storeImm(asm.R10, key+nestWhat, 7, asm.DWord), storeImm(asm.R10, value, 5, asm.DWord),
				storeImm(asm.R10, spill, 0, asm.DWord), at(112)},
			on(asm.FnMapUpdateElem), asm.Instructions{at(96)}, on(asm.FnMapUpdateElem), on(asm.FnMapLookupElem),
			asm.Instructions{asm.Mov.Reg(asm.R7, asm.R0), asm.LoadMem(asm.R5, asm.R9, 0, asm.DWord)}, between, on(asm.FnMapDeleteElem), sum, has(112), has(96), has(80),
			asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Mov.Imm(asm.R7, 0), asm.Mov.Imm(asm.R8, 0)}, forget()))
		tables := nested()[:1]
		k, h := inKernel(t, ins, tables...), here(t, ins, tables...)
		for range 3 { // the first time the slot has no front yet
			block := make([]byte, blockSize)
			differ(t, name, k.run(t, block), h.run(t, block))
			sameTables(t, tables, k, h)
		}
		if t.Failed() {
			return
		}
	}
}
