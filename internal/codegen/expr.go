package codegen

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/symbol"
)

// eval leaves an integer in R0. R1 to R5 are lost.
func (x *code) eval(e plan.Expr) {
	if simple(e) {
		x.evalTo(e, asm.R0)
		return
	}
	switch e := e.(type) {
	case *plan.Value:
		x.ask(e)
	case *plan.Load:
		x.loadUser(e)
	case *plan.MapGet:
		x.mapGet(e)
	case *plan.MapHas:
		x.mapHas(e)
	case *plan.Unary:
		x.unary(e)
	case *plan.Binary:
		x.binary(e)
	case *plan.StrCmp:
		x.truth(e)
	case *plan.Choose:
		x.choose(e, func(arm plan.Expr) { x.eval(arm) })
	case *plan.Cast:
		x.eval(e.X)
		x.extend(asm.R0, e.T)
	case *plan.SymOf:
		x.eval(e.X)
	case *plan.UserStack:
		x.stackID(e)
	default:
		x.fail("%T is no number", e)
	}
}

// simple reports whether evalTo serves: the value is had without a call and without a second register.
func simple(e plan.Expr) bool {
	switch e := e.(type) {
	case *plan.Const, *plan.Reg:
		return true
	case *plan.Saved, *plan.VarRef:
		return isInt(e.Type())
	case *plan.Cast:
		return simple(e.X)
	case *plan.SymOf:
		return simple(e.X)
	case *plan.Value:
		switch e.B {
		case plan.PID, plan.TID, plan.Nsecs, plan.Func, plan.ProbeID, plan.Duration, plan.Depth, plan.SP:
			return true
		}
	}
	return false
}

// isInt reports whether values of the type are in a register.
func isInt(t plan.Type) bool {
	return t.Kind == plan.IntType || t.Kind == plan.FuncType || t.Kind == plan.ProbeType
}

// evalTo puts a simple expression in a register; all others but R5 keep their values.
func (x *code) evalTo(e plan.Expr, dst asm.Register) {
	switch e := e.(type) {
	case *plan.Const:
		x.imm(dst, e.V)
	case *plan.Reg:
		x.register(dst, e.R)
		x.extend(dst, e.T)
	case *plan.Saved:
		x.load(dst, x.saved(e.Slot), asm.DWord)
	case *plan.VarRef:
		x.load(dst, x.variable(e.Var), asm.DWord)
	case *plan.Cast:
		x.evalTo(e.X, dst)
		x.extend(dst, e.T)
	case *plan.SymOf:
		x.evalTo(e.X, dst)
	case *plan.Value:
		x.have(e, dst)
	}
}

// registerOffsets is where struct pt_regs of amd64 (arch/x86/include/asm/ptrace.h) has the registers, in DWARF order.
var registerOffsets = [...]int{
	ctype.RAX: 80, ctype.RDX: 96, ctype.RCX: 88, ctype.RBX: 40, ctype.RSI: 104, ctype.RDI: 112, ctype.RBP: 32, ctype.RSP: 152,
	ctype.R8: 72, ctype.R9: 64, ctype.R10: 56, ctype.R11: 48, ctype.R12: 24, ctype.R13: 16, ctype.R14: 8, ctype.R15: 0,
}

const instructionPointer = 128

// register reads a register of the hit, as it is.
func (x *code) register(dst asm.Register, r ctype.Register) {
	switch {
	case int(r) >= len(registerOffsets):
		x.fail("register %d is none that a program sees", r)
	case x.u.part == RunPart:
		x.imm(dst, 0)
	case r == ctype.RAX && len(x.u.ways) > 0:
		x.load(dst, resultPlace(), asm.DWord)
	case r == ctype.RSP && len(x.u.ways) > 0:
		x.load(dst, leavingPlace(), asm.DWord)
	default:
		x.load(dst, place{regCtx, registerOffsets[r]}, asm.DWord)
	}
}

// extend cuts a register to the size of a type and extends it by its sign.
func (x *code) extend(dst asm.Register, t plan.Type) {
	if t.Kind != plan.IntType || t.Size <= 0 || t.Size >= 8 {
		return
	}
	if t.Size == 4 && !t.Signed {
		x.emit(asm.Mov.Reg32(dst, dst))
		return
	}
	right := asm.RSh
	if t.Signed {
		right = asm.ArSh
	}
	unused := int64(64 - 8*t.Size)
	x.opImm(asm.LSh, dst, unused)
	x.opImm(right, dst, unused)
}

// have reads what a hit has at hand.
func (x *code) have(v *plan.Value, dst asm.Register) {
	switch v.B {
	case plan.PID:
		x.load(dst, x.identity().plus(4), asm.Word)
	case plan.TID:
		x.load(dst, x.identity(), asm.Word)
	case plan.Nsecs:
		x.load(dst, x.now(), asm.DWord)
	case plan.Func:
		x.function(dst)
	case plan.ProbeID:
		x.imm(dst, int64(x.u.probe))
	case plan.SP:
		x.entrySP(dst)
	case plan.Duration:
		if x.returns() {
			x.load(dst, x.duration, asm.DWord)
		} else {
			x.imm(dst, 0)
		}
	case plan.Depth:
		if x.frame != nil && x.frame.depth >= 0 && x.entered {
			x.load(dst, place{regFrame, x.frame.depth}, asm.Word)
		} else {
			x.imm(dst, 0)
		}
	}
}

// returns reports whether the code runs at the end of a call whose beginning is known.
func (x *code) returns() bool { return x.frame != nil && x.u.part != EntryPart }

// function reads the function ID.
func (x *code) function(dst asm.Register) {
	if x.u.part == RunPart {
		x.imm(dst, 0)
		return
	}
	x.load(dst, x.cookie(), asm.Word)
	x.opImm(asm.And, dst, cookieFuncMask)
}

// entrySP computes the stack pointer that the function was entered with: the trampoline runs after the return
// address was taken off.
func (x *code) entrySP(dst asm.Register) {
	x.register(dst, ctype.RSP)
	if x.u.part == TrampolinePart {
		x.opImm(asm.Sub, dst, 8)
	}
}

// ask gets what takes a call or more into R0.
func (x *code) ask(v *plan.Value) {
	switch v.B {
	case plan.UID:
		x.call(asm.FnGetCurrentUidGid)
		x.emit(asm.Mov.Reg32(asm.R0, asm.R0))
	case plan.GID:
		x.call(asm.FnGetCurrentUidGid)
		x.opImm(asm.RSh, asm.R0, 32)
	case plan.CPU:
		x.call(asm.FnGetSmpProcessorId)
	case plan.Rand:
		x.call(asm.FnGetPrandomU32)
	case plan.Cgroup:
		x.call(asm.FnGetCurrentCgroupId)
	case plan.Elapsed:
		x.mapValue(asm.R1, x.c.use(RunMap))
		x.load(asm.R1, place{asm.R1, 0}, asm.DWord)
		x.load(asm.R0, x.now(), asm.DWord)
		x.op(asm.Sub, asm.R0, asm.R1)
	case plan.PC:
		x.siteAddress()
	case plan.Goroutine:
		x.goid(v.GoidOffset)
	case plan.ThreadPointer:
		x.threadPointer()
	default:
		x.fail("builtin %d is no number", v.B)
	}
}

// threadPointer leaves the FS base in R0. The kernel keeps the one that a thread was given when it was made (arch_prctl, clone),
// and C libraries never set another.
func (x *code) threadPointer() {
	if x.c.f.Task.FSBase == 0 || x.u.part == RunPart {
		x.imm(asm.R0, 0)
		return
	}
	mark := x.used
	defer x.release(mark)
	to := x.allocStack(8)
	x.storeImm(to, 0, asm.DWord)
	x.call(asm.FnGetCurrentTask)
	x.mov(asm.R3, asm.R0)
	x.opImm(asm.Add, asm.R3, int64(x.c.f.Task.FSBase))
	x.addr(asm.R1, to)
	x.imm(asm.R2, 8)
	x.call(asm.FnProbeReadKernel)
	x.load(asm.R0, to, asm.DWord)
}

// siteAddress leaves the address of the probed instruction in R0. In a trampoline the instruction pointer is the
// return address already.
func (x *code) siteAddress() {
	switch {
	case x.u.part == RunPart:
		x.imm(asm.R0, 0)
	case x.u.part == TrampolinePart && x.c.f.Multi:
		x.mov(asm.R1, regCtx)
		x.call(asm.FnGetFuncIp)
	default:
		x.load(asm.R0, place{regCtx, instructionPointer}, asm.DWord)
	}
	if x.c.f.Moved && x.u.part != RunPart {
		x.original()
	}
}

// original turns the address of an armed instruction in R0 into that of the one that it stands for.
func (x *code) original() {
	mark := x.used
	defer x.release(mark)
	at := x.allocStack(8)
	unknown, end := x.label(), x.label()
	x.store(at, asm.R0, asm.DWord)
	x.lookup(PlacesMap, at)
	x.jumpImm(asm.JEq, asm.R0, 0, unknown)
	x.load(asm.R0, place{asm.R0, 0}, asm.DWord)
	x.jump(end)
	x.place(unknown)
	x.load(asm.R0, at, asm.DWord)
	x.place(end)
}

// goid leaves the goroutine ID in R0, 0 where there is none. R14 is g in all Go code (Go's ABIInternal).
func (x *code) goid(offset int64) {
	if offset == 0 || x.u.part == RunPart {
		x.imm(asm.R0, 0)
		return
	}
	x.ifGo(func() { x.readG(offset) }, func() { x.imm(asm.R0, 0) })
}

// readG reads 8 bytes of the running goroutine's descriptor, which is in use and thus in memory: no need to sleep.
func (x *code) readG(offset int64) {
	mark := x.used
	to := x.allocStack(8)
	x.addr(asm.R1, to)
	x.imm(asm.R2, 8)
	x.register(asm.R3, ctype.R14)
	x.opImm(asm.Add, asm.R3, offset)
	x.call(asm.FnProbeReadUser)
	x.load(asm.R0, to, asm.DWord)
	x.release(mark)
}

// choose evaluates one of two expressions.
func (x *code) choose(e *plan.Choose, arm func(plan.Expr)) {
	otherwise, end := x.label(), x.label()
	x.branch(e.C, otherwise, false)
	arm(e.X)
	x.jump(end)
	x.place(otherwise)
	arm(e.Y)
	x.place(end)
}

// PlaceOfIP is where struct pt_regs has the instruction pointer.
const PlaceOfIP = instructionPointer

// RegisterPlace gives where struct pt_regs has the registers that an argument of a static probe is found by; one that it does not use is 0.
func RegisterPlace(a symbol.USDTArg) (base, index int, ok bool) {
	if a.HasReg {
		if int(a.Reg) >= len(registerOffsets) {
			return 0, 0, false
		}
		base = registerOffsets[a.Reg]
	}
	if a.HasIndex {
		if int(a.Index) >= len(registerOffsets) {
			return 0, 0, false
		}
		index = registerOffsets[a.Index]
	}
	return base, index, true
}
