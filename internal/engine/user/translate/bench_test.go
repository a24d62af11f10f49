//go:build linux && amd64

package translate_test

import (
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// What the parts of programs cost: each runs b.N times in one loop of machine code.
func BenchmarkParts(b *testing.B) {
	specs := []shm.Spec{
		{Name: codegen.StatsMap, Kind: shm.PerCPUArray, Key: 4, Value: 88, Entries: 1, Own: true},
		{Name: "hash", Kind: shm.Hash, Key: 24, Value: 8, Entries: 1024},
		{Name: "ring", Kind: shm.Ring, Entries: 1 << 12},
	}
	key := asm.Instructions{storeImm(asm.R10, -16, 1, asm.DWord), storeImm(asm.R10, -8, 1, asm.DWord), storeImm(asm.R10, 0-24, 0, asm.DWord)}
	onMap := func(fn asm.BuiltinFunc, name string) asm.Instructions {
		return asm.Instructions{mapPtr(asm.R1, name), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -24), asm.Mov.Reg(asm.R3, asm.R10),
			asm.Add.Imm(asm.R3, -64), asm.Mov.Imm(asm.R4, 0), fn.Call()}
	}
	for _, c := range []struct {
		name string
		body asm.Instructions
	}{
		{"nothing", asm.Instructions{asm.Mov.Imm(asm.R0, 0)}},
		{"count", concat(key, onMap(asm.FnMapLookupElem, codegen.StatsMap), asm.Instructions{asm.Mov.Imm(asm.R1, 1), fixed(asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0))})},
		{"look up", concat(key, onMap(asm.FnMapLookupElem, "hash"))},
		{"insert and remove", concat(key, onMap(asm.FnMapUpdateElem, "hash"), onMap(asm.FnMapDeleteElem, "hash"))},
		{"clock", asm.Instructions{asm.FnKtimeGetNs.Call()}},
		{"identity", asm.Instructions{asm.FnGetCurrentPidTgid.Call()}},
		{"comm", asm.Instructions{asm.Mov.Reg(asm.R1, asm.R10), asm.Add.Imm(asm.R1, -64), asm.Mov.Imm(asm.R2, 16), asm.FnGetCurrentComm.Call()}},
	} {
		b.Run(c.name, func(b *testing.B) {
			ins := asm.Instructions{asm.LoadImm(asm.R6, int64(b.N), asm.DWord)}
			body := concat(c.body)
			body[0] = body[0].WithSymbol("again")
			ins = append(append(ins, body...), asm.Sub.Imm(asm.R6, 1), asm.JNE.Imm(asm.R6, 0, "again"), asm.Mov.Imm(asm.R0, 0), asm.Return())
			p := newPlace(b, specs...)
			begin, err := shm.Now()
			if err != nil {
				b.Fatal(err)
			}
			entry := p.add(b, ins)
			if err := p.space.Seal(); err != nil {
				b.Fatal(err)
			}
			later, err := shm.Now()
			if err != nil {
				b.Fatal(err)
			}
			shm.SetClock(p.mem, begin.Until(later))
			shm.SetPatience(p.mem, 3_000_000)
			b.ResetTimer()
			p.call(entry)
		})
	}
}
