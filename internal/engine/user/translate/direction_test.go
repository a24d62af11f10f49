//go:build linux && amd64

package translate_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// A thread may be hit while it copies downwards: routines work upwards all the same, and leave the flag as it is.
func TestRoutinesWorkUpwardsWhereThreadsCopyDownwards(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const direction, room = 1 << 10, 4096
	text := anonymous(t, room)
	copy(text[room-600:], bytes.Repeat([]byte("text"), 149))
	block := shm.Spec{Name: "big", Kind: shm.Array, Key: 4, Value: room, Entries: 1}
	long := shm.Spec{Name: "long", Kind: shm.Hash, Key: 8, Value: 600, Entries: 16}
	to := func(dst asm.Register, off int64) asm.Instruction {
		return asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: dst, Src: asm.PseudoMapValue, Constant: off << 32}.WithReference("big")
	}
	from := func(at uint64) asm.Instruction { return asm.LoadImm(asm.R3, int64(at), asm.DWord) }
	for name, body := range map[string]asm.Instructions{
		"a short name":     {to(asm.R1, 0), asm.Mov.Imm(asm.R2, 5), asm.FnGetCurrentComm.Call()},
		"a long name":      {to(asm.R1, 0), asm.Mov.Imm(asm.R2, 32), asm.FnGetCurrentComm.Call()},
		"memory":           {to(asm.R1, 0), asm.Mov.Imm(asm.R2, 600), from(address(text) + room - 600), asm.FnProbeReadUser.Call()},
		"no memory":        {to(asm.R1, 0), asm.Mov.Imm(asm.R2, 600), from(8), asm.FnProbeReadUser.Call()},
		"text":             {to(asm.R1, 0), asm.Mov.Imm(asm.R2, 700), from(address(text) + room - 600), asm.FnProbeReadUserStr.Call()},
		"no text":          {to(asm.R1, 0), asm.Mov.Imm(asm.R2, 700), from(8), asm.FnProbeReadUserStr.Call()},
		"memory of ours":   {to(asm.R1, 0), asm.Mov.Imm(asm.R2, 600), to(asm.R3, 2048), asm.FnProbeReadKernel.Call()},
		"a stack":          {to(asm.R2, 0), asm.Mov.Imm(asm.R3, 1016), asm.Mov.Imm(asm.R4, 1<<8), asm.FnGetStack.Call()},
		"no stack":         {to(asm.R2, 0), asm.Mov.Imm(asm.R3, 1016), asm.Mov.Imm(asm.R4, 0), asm.FnGetStack.Call()},
		"values of a hash": {storeImm(asm.R10, -16, 5, asm.DWord), mapPtr(asm.R1, "long"), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -16), to(asm.R3, 2048), asm.Mov.Imm(asm.R4, 0), asm.FnMapUpdateElem.Call()},
	} {
		p := newPlace(t, block, long)
		entry := p.add(t, append(body, asm.Return()))
		downwards, err := p.space.Put(func(c *x86.Code) {
			c.Raw(0xfd) // std
			c.CallTo(entry)
			c.Pushf()
			c.Pop(x86.RCX)
			c.Cld()
			c.OpImm(x86.And, x86.Quad, x86.RCX, direction)
			c.ShiftImm(x86.Shl, x86.Quad, x86.RAX, 32)
			c.Op(x86.Or, x86.Quad, x86.RAX, x86.RCX)
			c.Ret()
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.space.Seal(); err != nil {
			t.Fatal(err)
		}
		binary.LittleEndian.PutUint64(p.context[shm.ContextRIP:], 0x4711)
		mem := p.mem[p.layout.Map("big").Data:][:room]
		run := func(entry uint64) (uint64, []byte) {
			for i := range mem {
				mem[i] = byte(i / 3)
			}
			got := p.call(entry)
			return got, bytes.Clone(p.mem)
		}
		up, first := run(entry)
		down, then := run(downwards)
		if uint32(down) != direction || down>>32 != uint64(uint32(up)) {
			t.Errorf("%s: %#x, upwards %#x", name, down, up)
		}
		if !bytes.Equal(mem, first[p.layout.Map("big").Data:][:room]) || name == "values of a hash" && !bytes.Equal(then, first) {
			t.Errorf("%s: the memory is another one", name)
		}
	}
}
