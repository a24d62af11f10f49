package codegen

import (
	"encoding/binary"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/plan"
)

// Text in memory has a fixed size, and is NUL from its end on: two texts of one size are equal if their bytes are.

// textPlace is a text as an operand: in memory, or known.
type textPlace struct {
	place   place
	size    int
	literal *string
}

// textPlace evaluates a string.
func (x *code) textPlace(e plan.Expr) textPlace {
	switch e := e.(type) {
	case *plan.Text:
		return textPlace{size: len(e.S) + 1, literal: &e.S}
	case *plan.VarRef:
		return textPlace{place: x.variable(e.Var), size: e.T.TextSize()}
	}
	size := e.Type().TextSize()
	to := x.alloc(size)
	x.text(e, to, size)
	return textPlace{place: to, size: size}
}

// word is 8 bytes of a text from at on, as a register holds them.
func word(s string, at int) int64 {
	var bytes [8]byte
	if at < len(s) {
		copy(bytes[:], s[at:])
	}
	return int64(binary.LittleEndian.Uint64(bytes[:]))
}

// into evaluates an expression into memory, as plan/mapping.go lays out a part of type t. R0 to R5 are lost.
func (x *code) into(e plan.Expr, to place, t plan.Type) {
	mark := x.used
	defer x.release(mark)
	switch t.Kind {
	case plan.StrType:
		x.text(e, to, t.TextSize())
	case plan.BytesType, plan.UsymType, plan.StackType, plan.TupleType:
		x.compound(e, to, t)
	default:
		x.eval(e)
		x.store(to, asm.R0, asm.DWord)
	}
}

func (x *code) compound(e plan.Expr, to place, t plan.Type) {
	switch e := e.(type) {
	case *plan.VarRef:
		x.copy(to, x.variable(e.Var), t.PartSize())
	case *plan.MapGet:
		x.copyOut(e, func(value place) { x.copy(to, value, t.PartSize()) }, func() { x.zero(to, t.PartSize()) })
	case *plan.Choose:
		x.choose(e, func(arm plan.Expr) { x.into(arm, to, t) })
	case *plan.Buf:
		x.bytes(e, to, t.TextSize())
	case *plan.Saved:
		x.savedBytes(e, to, t.TextSize())
	case *plan.TupleOf:
		x.tuple(e, to, t)
	case *plan.SymOf, *plan.UserStack:
		x.eval(e)
		x.store(to, asm.R0, asm.DWord)
		x.load(asm.R0, x.identity().plus(4), asm.Word)
		x.store(to.plus(8), asm.R0, asm.DWord)
	default:
		if t.Kind == plan.UsymType && isInt(e.Type()) {
			x.compound(&plan.SymOf{X: e}, to, t)
			return
		}
		x.fail("%T has no bytes", e)
	}
}

func (x *code) tuple(e *plan.TupleOf, to place, t plan.Type) {
	if len(e.Elems) != len(t.Elems) {
		x.fail("a tuple of %d where %d elements belong", len(e.Elems), len(t.Elems))
		return
	}
	for i, elem := range e.Elems {
		x.into(elem, to, t.Elems[i])
		to = to.plus(t.Elems[i].PartSize())
	}
}

// text evaluates a string into size bytes, which are rounded up to 8.
func (x *code) text(e plan.Expr, to place, size int) {
	switch e := e.(type) {
	case *plan.Text:
		for at := 0; at < size; at += 8 {
			x.storeImm(to.plus(at), word(e.S[:min(len(e.S), size)], at), asm.DWord)
		}
	case *plan.Value:
		if e.B != plan.Comm {
			x.fail("builtin %d is no text", e.B)
		}
		x.commInto(to, size)
	case *plan.Str:
		x.userText(e, to, size)
	case *plan.Saved:
		x.savedInto(e, to, size)
		if e.UntilNUL {
			x.endAtNUL(to, size)
		}
	case *plan.VarRef:
		x.copyText(to, size, x.variable(e.Var), e.T.TextSize())
	case *plan.MapGet:
		x.copyOut(e, func(value place) { x.copyText(to, size, value, e.T.TextSize()) }, func() { x.zero(to, (size+7)&^7) })
	case *plan.Choose:
		x.choose(e, func(arm plan.Expr) { x.text(arm, to, size) })
	default:
		x.fail("%T is no text", e)
	}
}

// copyText copies a text between sizes.
func (x *code) copyText(to place, size int, from place, have int) {
	n := min(size, have)
	whole := (n + 7) &^ 7
	x.copy(to, from, whole)
	if cut := n % 8; have > size && cut != 0 {
		last := to.plus(whole - 8)
		x.load(asm.R5, last, asm.DWord)
		x.opImm(asm.LSh, asm.R5, int64(64-8*cut))
		x.opImm(asm.RSh, asm.R5, int64(64-8*cut))
		x.store(last, asm.R5, asm.DWord)
	}
	x.zero(to.plus(whole), (size+7)&^7-whole)
}

// comm writes the thread's name, CommSize bytes.
func (x *code) comm(to place) {
	x.addr(asm.R1, to)
	x.imm(asm.R2, plan.CommSize)
	x.call(asm.FnGetCurrentComm)
}

func (x *code) commInto(to place, size int) {
	if size >= plan.CommSize {
		x.comm(to)
		x.zero(to.plus(plan.CommSize), (size+7)&^7-plan.CommSize)
		return
	}
	temp := x.alloc(plan.CommSize)
	x.comm(temp)
	x.copyText(to, size, temp, plan.CommSize)
}

// userText reads a string of the observed process. To tell a text that just fits from one that was cut, one byte more
// than wanted is asked for, and one for the NUL.
func (x *code) userText(e *plan.Str, to place, size int) {
	limit := e.Type().TextSize()
	if e.Len != nil {
		limit = min(limit, size)
		temp := x.alloc(limit)
		x.userBytes(userBytes{e.Addr, e.Len, limit}, temp)
		if e.UntilNUL {
			x.endAtNUL(temp, limit)
		}
		x.copyText(to, size, temp, limit)
		return
	}
	limit = min(limit, size)
	temp := x.alloc(limit + 2)
	none, bad, fine, end := x.label(), x.label(), x.label(), x.label()
	x.eval(e.Addr)
	x.jumpImm(asm.JEq, asm.R0, 0, none)
	x.mov(asm.R3, asm.R0)
	x.readString(temp, limit+2)
	x.jumpImm(asm.JSLT, asm.R0, 0, bad)
	x.jumpImm(asm.JSLE, asm.R0, int64(limit+1), fine)
	x.count(plan.CountTruncated)
	x.storeImm(temp.plus(limit), 0, asm.Byte)
	x.place(fine)
	x.copyText(to, size, temp, limit)
	x.jump(end)
	x.place(bad)
	x.count(plan.CountUnreadable)
	x.place(none)
	x.zero(to, (size+7)&^7)
	x.place(end)
}

// endAtNUL clears what follows the first NUL.
func (x *code) endAtNUL(text place, size int) {
	next, some, done := x.label(), x.label(), x.label()
	x.imm(asm.R1, 0)
	x.imm(asm.R3, 0xff) // what is kept of each byte
	x.place(next)
	x.jumpImm(asm.JGE, asm.R1, int64(size), done)
	x.addr(asm.R2, text)
	x.op(asm.Add, asm.R2, asm.R1)
	x.load(asm.R4, place{asm.R2, 0}, asm.Byte)
	x.jumpImm(asm.JNE, asm.R4, 0, some)
	x.imm(asm.R3, 0)
	x.place(some)
	x.op(asm.And, asm.R4, asm.R3)
	x.store(place{asm.R2, 0}, asm.R4, asm.Byte)
	x.opImm(asm.Add, asm.R1, 1)
	x.jump(next)
	x.place(done)
}

// bytes reads a buffer: its length, then its bytes.
func (x *code) bytes(e *plan.Buf, to place, size int) {
	temp := x.alloc(size)
	x.userBytes(userBytes{e.Addr, e.Len, min(e.Type().TextSize(), size)}, temp)
	x.store(to, asm.R0, asm.DWord)
	x.copyText(to.plus(8), size, temp, min(e.Type().TextSize(), size))
}

// userBytes is memory of the observed process: Len bytes at Addr, at most Max.
type userBytes struct {
	Addr, Len plan.Expr
	Max       int
}

// userBytes reads into NUL-padded memory and leaves the number of bytes in R0, 0 when they could not be read.
func (x *code) userBytes(u userBytes, to place) {
	mark := x.used
	defer x.release(mark)
	n := x.allocStack(8)
	some, end := x.label(), x.label()
	x.zero(to, (u.Max+7)&^7)
	x.length(u)
	x.store(n, asm.R0, asm.DWord)
	x.eval(u.Addr)
	x.mov(asm.R3, asm.R0)
	x.load(asm.R2, n, asm.DWord)
	x.jumpImm(asm.JNE, asm.R2, 0, some)
	x.imm(asm.R0, 0)
	x.jump(end)
	x.place(some)
	x.addr(asm.R1, to)
	x.readUser()
	x.mov(asm.R1, asm.R0)
	x.load(asm.R0, n, asm.DWord)
	x.jumpImm(asm.JEq, asm.R1, 0, end)
	x.count(plan.CountUnreadable)
	x.imm(asm.R0, 0)
	x.place(end)
}

// length leaves the number of bytes to read in R0. A negative length is none: functions that fail return it.
func (x *code) length(u userBytes) {
	if u.Len == nil {
		x.imm(asm.R0, int64(u.Max))
		return
	}
	positive, fits := x.label(), x.label()
	x.eval(u.Len)
	x.jumpImm(asm.JSGE, asm.R0, 0, positive)
	x.imm(asm.R0, 0)
	x.place(positive)
	x.jumpImm(asm.JLE, asm.R0, int64(u.Max), fits)
	x.count(plan.CountTruncated)
	x.imm(asm.R0, int64(u.Max))
	x.place(fits)
}

// savedRange puts where a slot's data is into R3 and its length, at most size, into R2; jumps when there is none.
func (x *code) savedRange(e *plan.Saved, size int, none label) {
	slot := x.saved(e.Slot)
	x.load(asm.R3, slot, asm.Word)
	x.load(asm.R2, slot.plus(4), asm.Word)
	coded := x.label()
	x.imm(asm.R1, plan.SlotSkipped)
	x.jumpReg(asm.JLT, asm.R2, asm.R1, coded)
	x.jump(none)
	x.place(coded)
	x.opImm(asm.And, asm.R2, plan.SlotMaxLen)
	fits := x.label()
	x.jumpImm(asm.JLE, asm.R2, int64(size), fits)
	x.imm(asm.R2, int64(size))
	x.place(fits)
	x.jumpImm(asm.JEq, asm.R2, 0, none)
	x.jumpImm(asm.JGT, asm.R3, int64(x.frame.size-x.frame.record-size), none)
	x.addr(asm.R1, place{regFrame, x.frame.record})
	x.op(asm.Add, asm.R3, asm.R1)
}

// savedInto copies a slot's data into NUL-padded memory; R0 is its length.
func (x *code) savedInto(e *plan.Saved, to place, size int) {
	mark := x.used
	defer x.release(mark)
	n := x.allocStack(8)
	none, end := x.label(), x.label()
	x.zero(to, (size+7)&^7)
	x.savedRange(e, size, none)
	x.store(n, asm.R2, asm.DWord)
	x.addr(asm.R1, to)
	x.call(asm.FnProbeReadKernel)
	x.load(asm.R0, n, asm.DWord)
	x.jump(end)
	x.place(none)
	x.imm(asm.R0, 0)
	x.place(end)
}

func (x *code) savedBytes(e *plan.Saved, to place, size int) {
	x.savedInto(e, to.plus(8), size)
	x.store(to, asm.R0, asm.DWord)
}
