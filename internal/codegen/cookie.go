package codegen

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// A cookie is what the kernel hands to a program about the site that was hit:
//
//	bits  0 to 21  function ID
//	bits 22 to 43  at a tail jump the function ID of the callee + 1, 0 unknown; before a ret the frame's size in words
//	               (bits 22 to 33) and plan.Site.Way (above); else 0
//	bits 44 to 55  body
//	bit  56        the function is Go's
//	bits 57 to 61  condition of the site + 1 (the lower half of its opcode), 0 always
//	bits 62 to 63  event.Outcome, as far as returns have one
const (
	cookieCallee    = 22
	cookieFrame     = 22
	cookieWay       = 34
	cookieBody      = 44
	cookieGo        = 56
	cookieCondition = 57
	cookieOutcome   = 62

	maxFunctions = 1<<22 - 1
	maxBodies    = 1 << 12

	cookieFuncMask      = maxFunctions
	cookieFrameMask     = 1<<(cookieWay-cookieFrame) - 1
	cookieWayMask       = 1<<(cookieBody-cookieWay) - 1
	cookieBodyMask      = maxBodies - 1
	cookieConditionMask = 1<<5 - 1
)

// Cookie is the attach cookie of a site of probe kind kind.
func Cookie(p *plan.Plan, kind plan.ProbeKind, s *plan.Site) uint64 {
	cookie := uint64(s.Function)&cookieFuncMask | uint64(s.Body)<<cookieBody
	if p.Functions[s.Function].Lang == event.LangGo {
		cookie |= 1 << cookieGo
	}
	if PartOf(kind, s.Role) == EntryPart {
		return cookie
	}
	outcome := event.Returned
	switch s.Role {
	case site.TailJump:
		outcome = event.TailCalled
		cookie |= uint64(s.Callee+1) & cookieFuncMask << cookieCallee
	case site.BeforeRet:
		cookie |= uint64(s.Before.Frame/8)<<cookieFrame | uint64(s.Way)<<cookieWay
	case site.DeferReturn:
		outcome = event.Recovered
	}
	if s.Cond != 0 {
		cookie |= uint64(s.Cond&15+1) << cookieCondition
	}
	return cookie | uint64(outcome)<<cookieOutcome
}

// Flags of the processor, and where struct pt_regs has them. Source: Intel SDM volume 1, 3.4.3.
const (
	flagsRegister = 144
	carryFlag     = 0
	parityFlag    = 2
	zeroFlag      = 6
	signFlag      = 7
	overflowFlag  = 11
)

// jumpsOut leaves at out where the site has a condition that does not hold: the call does not end there. The eight
// conditions (Intel SDM volume 2, appendix B.1.4.7) are computed side by side, a bit each, and the lowest bit of the opcode
// is for their opposites:
//
//	0 OF   1 CF   2 ZF   3 CF|ZF   4 SF   5 PF   6 SF^OF   7 ZF|(SF^OF)
func jumpsOut(e *emitter, out label) {
	always := e.label()
	e.load(asm.R1, cookiePlace(), asm.DWord)
	e.opImm(asm.RSh, asm.R1, cookieCondition)
	e.opImm(asm.And, asm.R1, cookieConditionMask)
	e.jumpImm(asm.JEq, asm.R1, 0, always)
	e.opImm(asm.Sub, asm.R1, 1)
	e.imm(asm.R0, 0)
	set := func(bit int64, flags ...int64) {
		e.imm(asm.R3, 0)
		for _, flag := range flags {
			e.load(asm.R2, place{regCtx, flagsRegister}, asm.DWord)
			e.opImm(asm.RSh, asm.R2, flag)
			e.op(asm.Xor, asm.R3, asm.R2)
		}
		e.opImm(asm.And, asm.R3, 1)
		e.opImm(asm.LSh, asm.R3, bit)
		e.op(asm.Or, asm.R0, asm.R3)
	}
	set(0, overflowFlag)
	set(1, carryFlag)
	set(2, zeroFlag)
	set(3, carryFlag)
	set(3, zeroFlag)
	set(4, signFlag)
	set(5, parityFlag)
	set(6, signFlag, overflowFlag)
	set(7, zeroFlag)
	set(7, signFlag, overflowFlag)
	e.mov(asm.R2, asm.R1)
	e.opImm(asm.RSh, asm.R2, 1)
	e.op(asm.RSh, asm.R0, asm.R2)
	e.op(asm.Xor, asm.R0, asm.R1)
	e.opImm(asm.And, asm.R0, 1)
	e.jumpImm(asm.JEq, asm.R0, 0, out)
	e.place(always)
}
