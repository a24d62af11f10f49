//go:build linux && amd64

package translate_test

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// A program uses every register and leaves those of its caller as they were.
func TestRegistersOfTheCallerAreKept(t *testing.T) {
	ins := asm.Instructions{asm.FnGetCurrentTask.Call()} // wants the slot
	for r := asm.R0; r <= asm.R9; r++ {
		ins = append(ins, asm.Mov.Imm(r, 77))
	}
	for r := asm.R1; r <= asm.R9; r++ {
		ins = append(ins, asm.Add.Reg(asm.R0, r))
	}
	ins = append(ins, asm.Return())
	p := newPlace(t, shm.Spec{Name: blockMap, Kind: shm.Array, Key: 4, Value: blockSize, Entries: 1})
	program := p.add(t, ins)
	kept := []x86.Reg{x86.RBX, x86.RBP, x86.R12, x86.R13, x86.R14, x86.R15}
	caller, err := p.space.Put(func(c *x86.Code) {
		c.Push(x86.RDI)
		c.MovImm(x86.RDI, address(p.context))
		for i, r := range kept {
			c.MovImm(r, uint64(1000+i))
		}
		c.CallTo(program)
		c.Pop(x86.RDI)
		for i, r := range kept {
			c.Store(x86.Quad, x86.At(x86.RDI, int32(8*i)), r)
		}
		c.Ret()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	if got := p.space.Call(p.stack, caller, address(p.mem)); uint32(got) != 770 {
		t.Errorf("the program returns %d", uint32(got))
	}
	for i, r := range kept {
		if got := binary.LittleEndian.Uint64(p.mem[8*i:]); got != uint64(1000+i) {
			t.Errorf("register %d is %d", r, got)
		}
	}
}

// A loop that never ends by itself is left when its rounds are used up.
func TestLoopsEnd(t *testing.T) {
	mayGoto := asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.JCOND), Offset: 2}
	ins := asm.Instructions{
		asm.Mov.Imm(asm.R0, 0),
		mayGoto,
		asm.Add.Imm(asm.R0, 1),
		{OpCode: asm.Ja.Op(asm.ImmSource), Offset: -3},
		asm.Return(),
	}
	p := newPlace(t, shm.Spec{Name: blockMap, Kind: shm.Array, Key: 4, Value: blockSize, Entries: 1})
	program := p.add(t, ins)
	if err := p.space.Seal(); err != nil {
		t.Fatal(err)
	}
	if got := p.space.Call(p.stack, program, 0); uint32(got) != 8<<20 {
		t.Errorf("%d rounds, want %d", uint32(got), 8<<20)
	}
}
