package interp

import (
	"bytes"
	"encoding/binary"

	"github.com/sonde-project/sonde/internal/plan"
)

// text gives the value of a string.
func (x *thread) text(e plan.Expr) []byte {
	switch e := e.(type) {
	case *plan.Text:
		return []byte(e.S)
	case *plan.Value:
		return []byte(x.Comm)
	case *plan.Str:
		return x.userText(e)
	case *plan.Saved:
		return untilNUL(x.saved(e.Slot).Bytes, e.UntilNUL)
	case *plan.VarRef:
		return bytes.TrimRight(x.variable(e.Var), "\x00")
	case *plan.MapGet:
		return bytes.TrimRight(x.m.tables[e.Map][x.key(e.Map, e.Key)], "\x00")
	case *plan.Choose:
		return x.text(x.choose(e))
	}
	return nil
}

// untilNUL ends text at its first NUL if it is to end there.
func untilNUL(text []byte, wanted bool) []byte {
	if end := bytes.IndexByte(text, 0); end >= 0 && wanted {
		return text[:end]
	}
	return text
}

// userText reads a string of the observed process; a null pointer is "" and no failure.
func (x *thread) userText(e *plan.Str) []byte {
	if e.Len != nil {
		text := x.userBytes(e.Addr, e.Len, e.Type().TextSize())
		return untilNUL(text, e.UntilNUL)
	}
	addr := x.eval(e.Addr)
	if addr == 0 {
		return nil
	}
	text, cut, ok := x.untilNUL(addr, e.Type().TextSize())
	x.countText(cut, ok)
	return text
}

func (x *thread) countText(cut, ok bool) {
	switch {
	case !ok:
		x.m.Counts[plan.CountUnreadable]++
	case cut:
		x.m.Counts[plan.CountTruncated]++
	}
}

// untilNUL reads text of at most size bytes; cut says that no NUL ended it there. A text that runs into memory that cannot be read
// is unreadable.
func (x *thread) untilNUL(addr uint64, size int) (text []byte, cut, ok bool) {
	b := x.bytes(addr, size+1)
	if end := bytes.IndexByte(b, 0); end >= 0 {
		return b[:end], false, true
	}
	if len(b) <= size {
		return nil, false, false
	}
	return b[:size], true, true
}

// userBytes reads as many bytes as a length says, at most most. A negative length is none: functions that fail return it.
func (x *thread) userBytes(addr, length plan.Expr, most int) []byte {
	n := most
	if length != nil {
		wanted := int64(x.eval(length))
		n = int(max(min(wanted, int64(most)), 0))
		if wanted > int64(most) {
			x.m.Counts[plan.CountTruncated]++
		}
	}
	at := x.eval(addr)
	if n == 0 {
		return nil
	}
	b, _ := x.read(at, n)
	return b
}

// part evaluates an expression into the bytes that plan/mapping.go lays out for type t.
func (x *thread) part(e plan.Expr, t plan.Type) []byte {
	out := make([]byte, t.PartSize())
	switch t.Kind {
	case plan.StrType:
		copy(out[:t.TextSize()], x.text(e))
	case plan.BytesType:
		x.bytesPart(out, e, t)
	case plan.TupleType:
		x.tuplePart(out, e, t)
	case plan.UsymType:
		if whole, ok := x.stored(e); ok {
			copy(out, whole)
			break
		}
		binary.LittleEndian.PutUint64(out, x.eval(e))
		binary.LittleEndian.PutUint64(out[8:], uint64(x.PID))
	default:
		binary.LittleEndian.PutUint64(out, x.eval(e))
	}
	return out
}

// stored gives the bytes of a value that is kept as a whole.
func (x *thread) stored(e plan.Expr) ([]byte, bool) {
	switch e := e.(type) {
	case *plan.VarRef:
		return x.variable(e.Var), true
	case *plan.MapGet:
		return x.m.tables[e.Map][x.key(e.Map, e.Key)], true
	case *plan.Choose:
		return x.stored(x.choose(e))
	}
	return nil, false
}

func (x *thread) bytesPart(out []byte, e plan.Expr, t plan.Type) {
	var data []byte
	switch e := e.(type) {
	case *plan.Buf:
		data = x.userBytes(e.Addr, e.Len, min(e.Type().TextSize(), t.TextSize()))
	case *plan.Saved:
		data = x.saved(e.Slot).Bytes
	case *plan.Choose:
		x.bytesPart(out, x.choose(e), t)
		return
	default:
		whole, _ := x.stored(e)
		copy(out, whole)
		return
	}
	data = data[:min(len(data), t.TextSize())]
	binary.LittleEndian.PutUint64(out, uint64(len(data)))
	copy(out[8:], data)
}

func (x *thread) tuplePart(out []byte, e plan.Expr, t plan.Type) {
	if c, ok := e.(*plan.Choose); ok {
		e = x.choose(c)
	}
	tuple, ok := e.(*plan.TupleOf)
	if !ok {
		whole, _ := x.stored(e)
		copy(out, whole)
		return
	}
	for i, elem := range tuple.Elems {
		copy(out, x.part(elem, t.Elems[i]))
		out = out[t.Elems[i].PartSize():]
	}
}

// variable gives the bytes of a $variable; one that was not set is zeros.
func (x *thread) variable(i int) []byte {
	if b, ok := x.vars[i]; ok {
		return b
	}
	return make([]byte, x.m.plan.Vars[i].Type.PartSize())
}
