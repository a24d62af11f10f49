package translate_test

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
)

// What was not verified is refused, with the reason.
func TestWhatIsNotKnownIsRefused(t *testing.T) {
	zero := asm.Mov.Imm(asm.R0, 0)
	for name, c := range map[string]struct {
		ins  asm.Instructions
		want string
	}{
		"nothing":                 {nil, "empty"},
		"no end":                  {asm.Instructions{zero}, "runs over its end"},
		"a jump behind the end":   {asm.Instructions{zero, {OpCode: asm.Ja.Op(asm.ImmSource), Offset: 1}, asm.Return()}, "out of the program"},
		"a jump to nowhere":       {asm.Instructions{zero, asm.Ja.Label("x"), asm.Return()}, "nowhere"},
		"a jump into a load":      {asm.Instructions{{OpCode: asm.Ja.Op(asm.ImmSource), Offset: 1}, asm.LoadImm(asm.R0, 1<<40, asm.DWord), asm.Return()}, "out of the program"},
		"a jump before the start": {asm.Instructions{zero, {OpCode: asm.Ja.Op(asm.ImmSource), Offset: -3}, asm.Return()}, "out of the program"},
		"a register not set":      {asm.Instructions{asm.Mov.Reg(asm.R0, asm.R3), asm.Return()}, "r3 is read"},
		"a result not set":        {asm.Instructions{asm.Return()}, "r0 is read"},
		"set on one way only": {asm.Instructions{asm.Mov.Imm(asm.R2, 1), asm.JEq.Imm(asm.R1, 0, "l"), asm.Mov.Imm(asm.R3, 1),
			asm.Mov.Reg(asm.R0, asm.R3).WithSymbol("l"), asm.Return()}, "r3 is read"},
		"below the stack":              {asm.Instructions{asm.StoreMem(asm.R10, -520, asm.R1, asm.DWord), zero, asm.Return()}, "beyond the stack"},
		"above the stack":              {asm.Instructions{asm.StoreMem(asm.R10, -4, asm.R1, asm.DWord), zero, asm.Return()}, "beyond the stack"},
		"below it by a copy":           {asm.Instructions{asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -512), asm.StoreMem(asm.R2, -1, asm.R1, asm.Byte), zero, asm.Return()}, "beyond the stack"},
		"beyond the context":           {asm.Instructions{asm.LoadMem(asm.R2, asm.R1, shm.ContextCookie, asm.DWord), zero, asm.Return()}, "context"},
		"before the context":           {asm.Instructions{asm.LoadMem(asm.R2, asm.R1, -8, asm.DWord), zero, asm.Return()}, "context"},
		"a store in it":                {asm.Instructions{asm.StoreMem(asm.R1, 0, asm.R1, asm.DWord), zero, asm.Return()}, "context"},
		"the frame pointer":            {asm.Instructions{asm.Mov.Imm(asm.R10, 0), zero, asm.Return()}, "frame pointer"},
		"register 11":                  {asm.Instructions{asm.Mov.Imm(asm.Register(11), 0), zero, asm.Return()}, "register"},
		"a division by 0":              {asm.Instructions{zero, asm.Div.Imm(asm.R0, 0), asm.Return()}, "constant 0"},
		"a shift by 64":                {asm.Instructions{zero, asm.LSh.Imm(asm.R0, 64), asm.Return()}, "shift"},
		"a shift by 32":                {asm.Instructions{zero, asm.LSh.Imm32(asm.R0, 32), asm.Return()}, "shift"},
		"an operation":                 {asm.Instructions{zero, {OpCode: asm.OpCode(asm.ALU64Class) | 0xe0}, asm.Return()}, "unknown"},
		"a jump":                       {asm.Instructions{zero, {OpCode: asm.OpCode(asm.JumpClass) | 0xf0}, asm.Return()}, "unknown"},
		"a packet load":                {asm.Instructions{asm.LoadAbs(0, asm.Word), asm.Return()}, "unknown"},
		"an atomic byte":               {asm.Instructions{zero, {OpCode: asm.StoreMemOp(asm.Byte).SetMode(asm.AtomicMode), Dst: asm.R10, Src: asm.R0, Offset: -8}, asm.Return()}, "unknown"},
		"a function that calls itself": {asm.Instructions{asm.Call.Label("f"), asm.Return(), asm.Call.Label("f").WithSymbol("f"), asm.Return()}, "deep"},
		"a function without end":       {asm.Instructions{asm.Call.Label("f"), asm.Return(), zero.WithSymbol("f")}, "runs over its end"},
		"a jump out of a function":     {asm.Instructions{asm.Call.Label("f"), asm.Return().WithSymbol("m"), zero.WithSymbol("f"), asm.Ja.Label("m")}, "way out"},
		"a kernel function":            {asm.Instructions{{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: 77}, asm.Return()}, "function"},
		"a helper not offered":         {asm.Instructions{asm.FnGetCurrentCgroupId.Call(), asm.Return()}, "helper"},
		"a map that is not there":      {asm.Instructions{asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R1, Src: asm.PseudoMapFD}.WithReference("m"), zero, asm.Return()}, "no map"},
	} {
		_, err := translate.Translate(c.ins, &translate.Env{Base: 4096})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
