package plan

import (
	"math"
	"math/bits"

	"github.com/sonde-project/sonde/event"
)

// Script maps in kernel memory: what codegen stores is what Decoder loads, by the sizes and offsets of this file.
//
// A key is its parts one after the other, each aligned to 8; a map without key has the u64 0. An array (Plan.Array) has
// a u32 instead: the function ID, or 0. A part by its type:
//
//	IntType, FuncType, ProbeType   u64 (signed numbers are extended)
//	StrType                        bytes, NUL-padded to Size
//	BytesType                      u64 length, bytes NUL-padded to Size
//	StackType                      u64 stack ID, u64 thread group; ID 0: no stack
//	UsymType                       u64 code address, u64 thread group
//	TupleType                      its elements
//
// Values are u64s at the offsets of ValueFields; those of AggValue are one part. Maps that aggregate hold a value
// per CPU.

// DefaultText is the size of a string part whose type does not say.
const DefaultText = 64

// PartSize is the number of bytes that a value of type t takes in a key, a tuple, a map value or a variable.
func (t Type) PartSize() int {
	switch t.Kind {
	case StrType:
		return align8(t.TextSize())
	case BytesType:
		return 8 + align8(t.TextSize())
	case StackType, UsymType:
		return 16
	case TupleType:
		size := 0
		for _, elem := range t.Elems {
			size += elem.PartSize()
		}
		return size
	}
	return 8
}

// TextSize is how many bytes of text or data a StrType or BytesType part holds at most.
func (t Type) TextSize() int {
	if t.Size <= 0 {
		return DefaultText
	}
	return t.Size
}

func align8(n int) int { return (n + 7) &^ 7 }

// denseLimit is how many bytes per CPU an array map may take: beyond, a hash table of the functions
// that were really called takes less.
const denseLimit = 1 << 20

// Array reports whether map m is an array: indexed by the function ID if it has a key. An array holds every key; one whose
// count is 0 on all CPUs was never used. So kinds without a count are no arrays.
func (p *Plan) Array(m int) bool {
	desc := &p.Maps[m]
	if desc.Fields().Count < 0 {
		return false
	}
	return len(desc.Keys) == 0 || desc.Dense && len(p.Functions)*desc.ValueSize() <= denseLimit
}

// KeySize is the size of the keys of map m.
func (p *Plan) KeySize(m int) int {
	if p.Array(m) {
		return 4
	}
	_, size := p.Maps[m].KeyLayout()
	return size
}

// KeyLayout gives the offset of each key part and the size of the key, for a map that is no array.
func (m *Map) KeyLayout() (offsets []int, size int) {
	if len(m.Keys) == 0 {
		return nil, 8
	}
	for _, part := range m.Keys {
		offsets = append(offsets, size)
		size += part.PartSize()
	}
	return offsets, size
}

// ValueFields are offsets inside the value of an aggregating map, -1 for what it has not.
type ValueFields struct{ Count, Sum, Min, Max, Buckets int }

// Fields says where the parts of a value are. Min and Max are stored by Map.Order.
func (m *Map) Fields() ValueFields {
	switch m.Kind {
	case event.AggCount:
		return ValueFields{Count: 0, Sum: -1, Min: -1, Max: -1, Buckets: -1}
	case event.AggSum:
		return ValueFields{Count: -1, Sum: 0, Min: -1, Max: -1, Buckets: -1}
	case event.AggAvg, event.AggStats:
		return ValueFields{Count: 0, Sum: 8, Min: -1, Max: -1, Buckets: -1}
	case event.AggMin:
		return ValueFields{Count: 0, Sum: -1, Min: 8, Max: -1, Buckets: -1}
	case event.AggMax:
		return ValueFields{Count: 0, Sum: -1, Min: -1, Max: 8, Buckets: -1}
	case event.AggHist, event.AggLhist:
		return ValueFields{Count: 0, Sum: 8, Min: -1, Max: -1, Buckets: 16}
	case event.AggQuantiles:
		return ValueFields{Count: 0, Sum: 8, Min: 16, Max: 24, Buckets: 32}
	}
	return ValueFields{Count: -1, Sum: -1, Min: -1, Max: -1, Buckets: -1}
}

// ValueSize is the size of one value (of one CPU).
func (m *Map) ValueSize() int {
	fields := m.Fields()
	switch {
	case m.Kind == event.AggValue:
		return m.Value.PartSize()
	case fields.Buckets >= 0:
		return fields.Buckets + 8*m.Buckets()
	case fields.Count >= 0 && (fields.Sum >= 0 || fields.Min >= 0 || fields.Max >= 0):
		return 16
	}
	return 8
}

// Order turns a value of a min or max into the unsigned number that is stored, so that a larger one always replaces a
// smaller one and 0, the fresh value, gives way to all.
func (m *Map) Order(v int64, min bool) uint64 {
	u := uint64(v)
	if m.Value.Signed {
		u ^= 1 << 63
	}
	if min {
		u = ^u
	}
	return u
}

// Unorder gives back the value that Order stored. The largest stored number of all CPUs is the minimum, or maximum, of all.
func (m *Map) Unorder(stored uint64, min bool) int64 {
	if min {
		stored = ^stored
	}
	if m.Value.Signed {
		stored ^= 1 << 63
	}
	return int64(stored)
}

// Buckets grow by powers of two, each cut in 1<<Bits equal parts (hist, quantiles), or by Step (lhist):
//
//	hist, quantiles, Bits 0:  (..,0) [0] [1] [2,4) [4,8) ... [2^top,..)
//	lhist:                    (..,Min) [Min,Min+Step) ... [Max,..)
//
// Values of an unsigned expression beyond the signed range are in the last bucket.
const (
	histTop      = 62 // exponent of the last power of two of hist
	quantilesTop = 43 // of quantiles: 2^44 ns are five hours
	maxBits      = 5
)

// power gives the shape of hist and quantiles: the exponent of the last power of two, and Bits.
func (m *Map) power() (top, cut int) {
	top = histTop
	if m.Kind == event.AggQuantiles {
		top = quantilesTop
	}
	return top, min(max(m.Bits, 0), maxBits)
}

// PowerBuckets gives what the bucket of a value v >= 0 of hist and quantiles is computed from: with e the place of the highest
// bit of v, or cut if that is more, the bucket is (e-cut)<<cut + v>>(e-cut) + 1.
func (m *Map) PowerBuckets() (top, cut int) { return m.power() }

// LinearBuckets gives the bounds of an lhist with impossible ones mended.
func (m *Map) LinearBuckets() (low, high, step int64) {
	return m.Min, max(m.Min, m.Max), max(m.Step, 1)
}

// Buckets is the number of buckets of a value, 0 for kinds that have none.
func (m *Map) Buckets() int {
	switch m.Kind {
	case event.AggHist, event.AggQuantiles:
		top, cut := m.power()
		return (top-cut)<<cut + 2<<cut + 1
	case event.AggLhist:
		low, high, step := m.LinearBuckets()
		span := uint64(high) - uint64(low)
		steps := span / uint64(step)
		if span%uint64(step) != 0 {
			steps++
		}
		return int(min(steps, math.MaxInt32)) + 2
	}
	return 0
}

// BucketOf is the bucket that counts v; v of an unsigned expression is its bits.
func (m *Map) BucketOf(v int64) int {
	last := m.Buckets() - 1
	if v < 0 && !m.Value.Signed {
		return last
	}
	if m.Kind == event.AggLhist {
		low, high, step := m.LinearBuckets()
		switch {
		case v < low:
			return 0
		case v >= high:
			return last
		}
		return int((uint64(v)-uint64(low))/uint64(step)) + 1
	}
	if v < 0 {
		return 0
	}
	_, cut := m.power()
	over := max(bits.Len64(uint64(v))-1-cut, 0)
	return min(over<<cut+int(uint64(v)>>over)+1, last)
}

// BucketRange gives the values low <= v < high of bucket i. The ends of the scale are math.MinInt64 and math.MaxInt64.
func (m *Map) BucketRange(i int) (low, high int64) {
	last := m.Buckets() - 1
	if m.Kind == event.AggLhist {
		low, high = m.linearRange(i)
	} else {
		low, high = m.powerRange(i)
	}
	if i == 0 {
		low = math.MinInt64
	}
	if i == last {
		high = math.MaxInt64
	}
	return low, high
}

func (m *Map) linearRange(i int) (int64, int64) {
	low, high, step := m.LinearBuckets()
	switch i {
	case 0:
		return 0, low
	case m.Buckets() - 1:
		return high, 0
	}
	at := uint64(low) + uint64(i-1)*uint64(step)
	if uint64(high)-at < uint64(step) {
		return int64(at), high
	}
	return int64(at), int64(at + uint64(step))
}

func (m *Map) powerRange(i int) (int64, int64) {
	_, cut := m.power()
	at := i - 1
	if at < 2<<cut {
		return int64(at), int64(at + 1)
	}
	over := at>>cut - 1
	part := at - over<<cut
	return int64(part) << over, int64(part+1) << over
}
