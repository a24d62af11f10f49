package interp

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// eval gives the value of a number.
func (x *thread) eval(e plan.Expr) uint64 {
	switch e := e.(type) {
	case *plan.Const:
		return uint64(e.V)
	case *plan.Reg:
		return extend(x.register(e.R), e.T)
	case *plan.Value:
		return x.builtin(e)
	case *plan.Load:
		return x.load(e)
	case *plan.Saved:
		return x.saved(e.Slot).Number
	case *plan.VarRef:
		return number(x.variable(e.Var))
	case *plan.MapGet:
		return number(x.m.tables[e.Map][x.key(e.Map, e.Key)])
	case *plan.MapHas:
		_, there := x.m.tables[e.Map][x.key(e.Map, e.Key)]
		return truth(there || x.m.plan.Array(e.Map)) // an array holds every key
	case *plan.Unary:
		return x.unary(e)
	case *plan.Binary:
		return x.binary(e)
	case *plan.StrCmp:
		return truth(!sameText(x.text(e.X), x.text(e.Y), e.N))
	case *plan.Choose:
		return x.eval(x.choose(e))
	case *plan.Cast:
		return extend(x.eval(e.X), e.T)
	case *plan.SymOf:
		return x.eval(e.X)
	}
	return 0 // resolve makes nothing else where a number belongs
}

func (x *thread) choose(e *plan.Choose) plan.Expr {
	if x.eval(e.C) != 0 {
		return e.X
	}
	return e.Y
}

// number is what 8 bytes hold; none are 0.
func number(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// extend keeps T.Size bytes and extends them by its sign.
func extend(v uint64, t plan.Type) uint64 {
	if t.Kind != plan.IntType || t.Size <= 0 || t.Size >= 8 {
		return v
	}
	shift := 64 - 8*t.Size
	if t.Signed {
		return uint64(int64(v<<shift) >> shift)
	}
	return v << shift >> shift
}

// read gives size bytes, all or none; none are counted.
func (x *thread) read(addr uint64, size int) ([]byte, bool) {
	b := x.bytes(addr, size)
	if len(b) < size {
		x.m.Counts[plan.CountUnreadable]++
		return nil, false
	}
	return b, true
}

func (x *thread) bytes(addr uint64, n int) []byte {
	if x.Memory == nil || n <= 0 {
		return nil
	}
	return x.Memory.Bytes(addr, n)
}

func (x *thread) load(e *plan.Load) uint64 {
	b, ok := x.read(x.eval(e.Addr), e.Size)
	if !ok {
		return 0
	}
	var word [8]byte
	copy(word[:], b)
	return extend(number(word[:]), plan.Type{Kind: plan.IntType, Size: e.Size, Signed: e.T.Signed})
}

// builtin gives what every hit has. What only the kernel knows about a thread (its user, its thread pointer) is 0 here.
func (x *thread) builtin(v *plan.Value) uint64 {
	switch v.B {
	case plan.PID:
		return uint64(x.PID)
	case plan.TID:
		return uint64(x.TID)
	case plan.CPU:
		return uint64(x.CPU)
	case plan.Nsecs:
		return x.Time
	case plan.Elapsed:
		return x.Time - x.m.begun
	case plan.Func:
		return uint64(x.function())
	case plan.ProbeID:
		return uint64(x.probe)
	case plan.Rand:
		return uint64(rand.Uint32())
	case plan.Goroutine:
		return x.goroutine(v.GoidOffset)
	case plan.Duration:
		return x.duration()
	case plan.Depth:
		if x.frame != nil {
			return uint64(x.frame.depth)
		}
	case plan.SP:
		return x.SP
	case plan.PC:
		return x.PC
	}
	return 0
}

func (x *thread) function() int {
	if x.Site == nil {
		return 0
	}
	return x.Site.Function
}

// goroutine reads the goroutine's ID: R14 is g in all Go code (Go's ABIInternal). Nobody counts it where there is none.
func (x *thread) goroutine(offset int64) uint64 {
	if offset == 0 || !x.inGo() {
		return 0
	}
	return number(x.bytes(x.Regs[ctype.R14]+uint64(offset), 8))
}

func (x *thread) duration() uint64 {
	if !x.ends {
		return 0
	}
	return x.Time - x.frame.header.Time
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (x *thread) unary(e *plan.Unary) uint64 {
	v := x.eval(e.X)
	switch e.Op {
	case "-":
		return -v
	case "~":
		return ^v
	}
	return truth(v == 0)
}

func (x *thread) binary(e *plan.Binary) uint64 {
	if e.X.Type().Kind == plan.StrType && (e.Op == "==" || e.Op == "!=") {
		return truth(sameText(x.text(e.X), x.text(e.Y), -1) == (e.Op == "=="))
	}
	left := x.eval(e.X)
	switch e.Op {
	case "&&":
		return truth(left != 0 && x.eval(e.Y) != 0)
	case "||":
		return truth(left != 0 || x.eval(e.Y) != 0)
	}
	right := x.eval(e.Y)
	if e.Signed {
		if v, ok := signed(e.Op, int64(left), int64(right)); ok {
			return v
		}
	}
	return unsigned(e.Op, left, right)
}

// signed computes what depends on the sign. The least number divided by -1 is itself, as in eBPF.
func signed(op string, a, b int64) (uint64, bool) {
	switch op {
	case "<":
		return truth(a < b), true
	case "<=":
		return truth(a <= b), true
	case ">":
		return truth(a > b), true
	case ">=":
		return truth(a >= b), true
	case ">>":
		return uint64(a >> (uint64(b) & 63)), true
	case "/", "%":
		switch {
		case b == 0:
			return 0, true
		case op == "/":
			return uint64(a / b), true
		}
		return uint64(a % b), true
	}
	return 0, false
}

func unsigned(op string, a, b uint64) uint64 {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "&":
		return a & b
	case "|":
		return a | b
	case "^":
		return a ^ b
	case "<<":
		return a << (b & 63)
	case ">>":
		return a >> (b & 63)
	case "==":
		return truth(a == b)
	case "!=":
		return truth(a != b)
	case "<":
		return truth(a < b)
	case "<=":
		return truth(a <= b)
	case ">":
		return truth(a > b)
	case ">=":
		return truth(a >= b)
	case "/", "%":
		switch {
		case b == 0:
			return 0
		case op == "/":
			return a / b
		}
		return a % b
	}
	return 0
}

// sameText compares two texts, or their first n bytes when n >= 0. A text ends as if zeros followed.
func sameText(a, b []byte, n int) bool {
	if n >= 0 {
		a, b = a[:min(n, len(a))], b[:min(n, len(b))]
	}
	return bytes.Equal(bytes.TrimRight(a, "\x00"), bytes.TrimRight(b, "\x00"))
}
