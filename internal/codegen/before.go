package codegen

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// Programs that serve sites before a ret have two more fixed places, for what %rax and %rsp hold at the ret:
//
//	-32  result
//	-40  stack pointer
const beforeFixed = 16

func resultPlace() place  { return place{asm.R10, -stackFixed - 8} }
func leavingPlace() place { return place{asm.R10, -stackFixed - 16} }

// general is the register that instructions have a number for.
func general(n uint8) ctype.Register {
	if n >= 8 {
		return ctype.R8 + ctype.Register(n-8)
	}
	return [...]ctype.Register{ctype.RAX, ctype.RCX, ctype.RDX, ctype.RBX, ctype.RSP, ctype.RBP, ctype.RSI, ctype.RDI}[n]
}

// waysOf lists which of the plan's ways the sites of a probe have.
func waysOf(probe *plan.Probe) []int {
	var list []int
	for i := range probe.Sites {
		if way := probe.Sites[i].Way; way != 0 && !slices.Contains(list, way) {
			list = append(list, way)
		}
	}
	return list
}

// leaving fills in the two places: at a ret from its registers, before one by the site's way. It leaves at out where the call does not end.
func (c *compiler) leaving(e *emitter, ways []int, out label) {
	end := e.label()
	load := func(dst asm.Register, n uint8) {
		e.load(dst, place{regCtx, registerOffsets[general(n)]}, asm.DWord)
	}
	const numberRAX, numberRSP, numberRBP = 0, 4, 5
	load(asm.R0, numberRAX)
	load(asm.R1, numberRSP)
	e.store(resultPlace(), asm.R0, asm.DWord)
	e.store(leavingPlace(), asm.R1, asm.DWord)
	e.load(asm.R2, cookiePlace(), asm.DWord)
	e.mov(asm.R3, asm.R2)
	e.opImm(asm.RSh, asm.R3, cookieOutcome)
	e.jumpImm(asm.JEq, asm.R3, int64(event.TailCalled), end)
	e.mov(asm.R3, asm.R2)
	e.opImm(asm.RSh, asm.R3, cookieWay)
	e.opImm(asm.And, asm.R3, cookieWayMask)
	e.opImm(asm.RSh, asm.R2, cookieFrame)
	e.opImm(asm.And, asm.R2, cookieFrameMask)
	e.opImm(asm.LSh, asm.R2, 3)
	found := e.label()
	for _, n := range ways {
		other, b := e.label(), c.p.Ways[n-1]
		e.jumpImm(asm.JNE, asm.R3, int64(n), other)
		if b.Switch.Cases != 0 {
			load(asm.R3, b.Switch.Reg)
			e.emit(asm.Mov.Reg32(asm.R3, asm.R3))
			e.jumpImm(asm.JGT, asm.R3, 63, out)
			e.imm(asm.R4, int64(b.Switch.Cases))
			e.op(asm.RSh, asm.R4, asm.R3)
			e.opImm(asm.And, asm.R4, 1)
			e.jumpImm(asm.JEq, asm.R4, 0, out)
		}
		if b.ByRBP {
			load(asm.R1, numberRBP)
		}
		if v := b.Result; v.Kind == site.Fixed {
			e.imm(asm.R0, v.Fixed)
		} else if v.Kind != site.Unknown {
			load(asm.R0, v.Reg)
			if v.Kind == site.Half {
				e.emit(asm.Mov.Reg32(asm.R0, asm.R0))
			} else if v.Kind == site.Byte {
				e.opImm(asm.And, asm.R0, 0xff)
			}
		}
		e.jump(found)
		e.place(other)
	}
	e.jump(end)
	e.place(found)
	e.store(resultPlace(), asm.R0, asm.DWord)
	e.op(asm.Add, asm.R1, asm.R2)
	e.store(leavingPlace(), asm.R1, asm.DWord)
	e.place(end)
}
