//go:build linux && amd64

package translate_test

import (
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
)

// A program that adds to the value which its cookie tells is known as a count; what does anything beside it is not.
func TestACountIsTheProgramThatDoesNothingElse(t *testing.T) {
	layout, err := shm.Lay([]shm.Spec{
		{Name: "own", Kind: shm.PerCPUArray, Key: 4, Value: 16, Entries: 100, Own: true},
		{Name: "cleared", Kind: shm.PerCPUArray, Key: 4, Value: 16, Entries: 100},
		{Name: "one", Kind: shm.Array, Key: 4, Value: 16, Entries: 100},
	}, 2)
	if err != nil {
		t.Fatal(err)
	}
	program := func(change func(asm.Instructions) asm.Instructions, m string) asm.Instructions {
		ins := asm.Instructions{
			asm.FnGetAttachCookie.Call(), asm.StoreMem(asm.R10, -8, asm.R0, asm.DWord), asm.LoadMem(asm.R0, asm.R10, -8, asm.Word), asm.And.Imm(asm.R0, 0xff),
			asm.StoreMem(asm.R10, -32, asm.R0, asm.Word), mapPtr(asm.R1, m), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -32), asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "out"), asm.Mov.Imm(asm.R1, 3), fixed(asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 8)),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
		}
		if change != nil {
			ins = change(ins)
		}
		return ins
	}
	replaced := func(i int, by ...asm.Instruction) func(asm.Instructions) asm.Instructions {
		return func(ins asm.Instructions) asm.Instructions { return concat(ins[:i], by, ins[i+1:]) }
	}
	for name, c := range map[string]struct {
		ins    asm.Instructions
		counts bool
	}{
		"a count":                        {program(nil, "own"), true},
		"values that are set back":       {program(nil, "cleared"), false},
		"a value of all":                 {program(nil, "one"), false},
		"a value that the time tells":    {program(replaced(0, asm.FnKtimeGetNs.Call()), "own"), false},
		"something else that is called":  {program(replaced(12, asm.FnKtimeGetNs.Call(), asm.Mov.Imm(asm.R0, 0).WithSymbol("out")), "own"), false},
		"two counts":                     {program(replaced(11, fixed(asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 8)), fixed(asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0))), "own"), false},
		"half a value":                   {program(replaced(11, fixed(asm.AddAtomic.Mem(asm.R0, asm.R1, asm.Word, 8))), "own"), false},
		"beyond the value":               {program(replaced(11, fixed(asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 16))), "own"), false},
		"a store":                        {program(replaced(11, asm.StoreMem(asm.R0, 8, asm.R1, asm.DWord)), "own"), false},
		"a number of the function's own": {program(replaced(10, asm.Mov.Reg(asm.R1, asm.R0)), "own"), false},
		"a condition":                    {program(replaced(3, asm.JEq.Imm(asm.R0, 7, "out"), asm.And.Imm(asm.R0, 0xff)), "own"), false},
		"a key that is overwritten":      {program(replaced(4, asm.StoreMem(asm.R10, -32, asm.R0, asm.Word), asm.StoreMem(asm.R10, -30, asm.R0, asm.Word)), "own"), false},
		"nothing":                        {asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}, false},
	} {
		count := translate.CountOf(c.ins, layout)
		if (count != nil) != c.counts {
			t.Errorf("%s: %+v", name, count)
		}
		if count == nil {
			continue
		}
		m := layout.Map("own")
		if at, ok := count.Offset(0x1234_0000_0b07); !ok || at != 7*m.Stride+8 || count.By != 3 {
			t.Errorf("%s: %d is added at %d %v", name, count.By, at, ok)
		}
		if at, ok := count.Offset(100); ok {
			t.Errorf("%s: the value behind the last lies at %d", name, at)
		}
	}
}
