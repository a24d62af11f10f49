//go:build linux && amd64

package translate_test

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
)

// Bits are counted by the machine's instruction where nothing else of codegen's is read behind them, and right in any case.
func TestBitLengthsAreThoseOfTheMachine(t *testing.T) {
	size := func(ins asm.Instructions) int {
		code, err := translate.Translate(ins, &translate.Env{Base: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return len(code)
	}
	value := asm.Instructions{asm.LoadImm(asm.R1, 1<<40, asm.DWord)}
	left := asm.Instructions{asm.Mov.Reg(asm.R0, asm.R1), asm.Return()}
	read := asm.Instructions{asm.Mov.Reg(asm.R0, asm.R1), asm.Add.Reg(asm.R0, asm.R2), asm.Return()}
	if plain, whole := size(concat(value, codegen.BitLength(), left)), size(concat(value, codegen.BitLength(), read)); plain > 80 || whole < 150 {
		t.Errorf("%d bytes where nothing is read of the steps, %d where it is", plain, whole)
	}
	for _, keep := range []bool{false, true} {
		body := codegen.BitLength()
		if !keep {
			body = append(body, asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R5, 0))
		}
		h := here(t, trial(body))
		for i := range 300 {
			block := make([]byte, blockSize)
			v := rand.Uint64() >> (i % 65)
			binary.LittleEndian.PutUint64(block[8:], v)
			if got := binary.LittleEndian.Uint64(h.run(t, block)[8:]); got != uint64(bits.Len64(v)) {
				t.Fatalf("keep=%v: %#x has %d bits, not %d", keep, v, bits.Len64(v), got)
			}
		}
	}
}

// What nobody reads is not computed, but for loads of maps that are not there, which are refused.
func TestWhatNobodyReadsIsLeftOut(t *testing.T) {
	p := newPlace(t, tallySpec)
	size := func(ins ...asm.Instruction) int {
		code, err := translate.Translate(append(ins, asm.Mov.Imm(asm.R0, 0), asm.Return()), p.env())
		if err != nil {
			t.Fatal(err)
		}
		return len(code)
	}
	plain := size()
	for name, ins := range map[string]asm.Instructions{
		"a number":     {asm.Mov.Imm(asm.R6, 7)},
		"a sum":        {asm.Mov.Imm(asm.R1, 7), asm.Add.Reg(asm.R1, asm.R1)},
		"a load":       {asm.Mov.Reg(asm.R1, asm.R10), asm.LoadMem(asm.R0, asm.R1, -8, asm.DWord)},
		"a map":        {mapPtr(asm.R1, "tally")},
		"on both ways": {asm.Mov.Imm(asm.R1, 7), asm.JEq.Imm(asm.R1, 7, "l"), asm.Mov.Imm(asm.R1, 8), asm.Mov.Imm(asm.R3, 9).WithSymbol("l")},
	} {
		// The jump stays, with the number that it asks for; a register that must be kept is saved.
		if n := size(ins...) - plain; n > 3 && name != "on both ways" || n > 24 {
			t.Errorf("%s takes %d bytes", name, n)
		}
	}
	if n := size(asm.Mov.Imm(asm.R1, 7), asm.StoreMem(asm.R10, -8, asm.R1, asm.DWord)); n <= plain+5 {
		t.Errorf("a number that is stored takes %d bytes", n-plain)
	}
}
