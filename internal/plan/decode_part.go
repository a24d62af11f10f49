package plan

import (
	"encoding/binary"

	"github.com/sonde-project/sonde/event"
)

// part decodes a value as it lies in a key, a tuple or a map value.
func (d *Decoder) part(t Type, b []byte, pid int) event.Value {
	if len(b) < t.PartSize() {
		return event.Missing(event.Lost, 0)
	}
	if t.Shown != ShownPlain {
		return d.shown(t, b)
	}
	switch t.Kind {
	case StrType:
		text := beforeNUL(b[:t.TextSize()])
		return event.Value{Kind: event.KindString, Str: string(text), Len: uint64(len(text))}
	case TupleType:
		v := event.Value{Kind: event.KindTuple}
		for _, elem := range t.Elems {
			v.Fields = append(v.Fields, event.Field{Value: d.part(elem, b, pid)})
			b = b[elem.PartSize():]
		}
		return v
	}
	return d.word(t, b, pid)
}

// word decodes the parts that begin with a number.
func (d *Decoder) word(t Type, b []byte, pid int) event.Value {
	word := binary.LittleEndian.Uint64(b)
	switch t.Kind {
	case FuncType:
		if word < uint64(len(d.plan.Functions)) {
			return event.String(d.plan.Functions[word].Name)
		}
		return event.String("")
	case ProbeType:
		id, fn := word&(1<<32-1), word>>32
		switch {
		case id >= uint64(len(d.plan.Probes)):
			return event.String("")
		case fn > 0 && fn <= uint64(len(d.plan.Functions)):
			return event.String(d.plan.Probes[id].Prefix + d.plan.Functions[fn-1].Name)
		default:
			return event.String(d.plan.Probes[id].Name)
		}
	case BytesType:
		size := min(word, uint64(t.TextSize()))
		return event.Value{Kind: event.KindBytes, Str: string(b[8 : 8+size]), Len: word, Truncated: word > size}
	case UsymType:
		r := record{d: d, pid: int(binary.LittleEndian.Uint64(b[8:]))}
		return r.codeName(word)
	}
	n := Node{Type: t.C, T: t}
	r := record{d: d, pid: pid, left: valueBudget}
	blk := &block{node: &n, bytes: b[:8]}
	if t.C == nil {
		return blk.integer(t)
	}
	return r.value(t.C, blk, 0, 0)
}
