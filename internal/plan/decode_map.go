package plan

import (
	"encoding/binary"
	"fmt"

	"github.com/sonde-project/sonde/event"
)

// Cells calls fn for every cell of a map: its key, and its value on every CPU or the one value that it has. The bytes are
// fn's only during the call.
type Cells func(fn func(key []byte, values [][]byte) error) error

// Map reads map i. Stack gives the PCs of a stack ID (nil: none are kept). A cell of an array that was never used is no
// entry, but for the single count of a map without key: 0.
func (d *Decoder) Map(i int, cells Cells, stack func(id uint64) []uint64) (event.Map, error) {
	if i < 0 || i >= len(d.plan.Maps) {
		return event.Map{}, fmt.Errorf("map %d: the plan has %d", i, len(d.plan.Maps))
	}
	m := &d.plan.Maps[i]
	out := event.Map{Name: m.Name, Kind: m.Kind, Keys: m.Part}
	err := cells(func(key []byte, values [][]byte) error {
		if len(key) < d.plan.KeySize(i) {
			return fmt.Errorf("map @%s: a key of %d bytes, not %d", m.Name, len(key), d.plan.KeySize(i))
		}
		for _, v := range values {
			if len(v) < m.ValueSize() {
				return fmt.Errorf("map @%s: a value of %d bytes, not %d", m.Name, len(v), m.ValueSize())
			}
		}
		entry := event.Entry{Agg: d.aggregate(m, values)}
		if unused := d.plan.Array(i) && entry.Agg.Count == 0; unused && (len(m.Keys) > 0 || m.Kind != event.AggCount) {
			return nil
		}
		d.key(&entry, i, key, stack)
		out.Entries = append(out.Entries, entry)
		return nil
	})
	return out, err
}

// key decodes the parts of a key. That of an array is the function ID.
func (d *Decoder) key(entry *event.Entry, i int, key []byte, stack func(uint64) []uint64) {
	m := &d.plan.Maps[i]
	if d.plan.Array(i) && len(m.Keys) > 0 {
		var wide [8]byte
		copy(wide[:], key[:4])
		key = wide[:]
	}
	for j, t := range m.Keys {
		if j == 0 && t.Kind == FuncType {
			entry.Function = d.functionRef(binary.LittleEndian.Uint64(key))
		}
		size := t.PartSize()
		if len(key) < size {
			return
		}
		entry.Key = append(entry.Key, d.keyPart(t, key[:size], stack))
		key = key[size:]
	}
}

func (d *Decoder) functionRef(id uint64) *event.FunctionRef {
	if id >= uint64(len(d.plan.Functions)) {
		return nil
	}
	f := &d.plan.Functions[id]
	r := record{d: d}
	return &event.FunctionRef{Target: r.object(f), Function: f.Name, Language: f.Lang}
}

func (d *Decoder) keyPart(t Type, b []byte, stack func(uint64) []uint64) event.Value {
	if t.Kind != StackType {
		return d.part(t, b, 0)
	}
	v := event.Value{Kind: event.KindStack}
	id, pid := binary.LittleEndian.Uint64(b), int(binary.LittleEndian.Uint64(b[8:]))
	if id == 0 || stack == nil {
		return v
	}
	for i, pc := range stack(id) {
		if pc == 0 {
			break
		}
		v.Frames = append(v.Frames, d.frames(pid, pc, i > 0)...)
	}
	return v
}

// aggregate puts together what the CPUs gathered.
func (d *Decoder) aggregate(m *Map, values [][]byte) event.Aggregate {
	agg := event.Aggregate{Kind: m.Kind, Signed: m.Value.Signed}
	if m.Kind == event.AggValue {
		if len(values) > 0 {
			agg.Value = d.keyPart(m.Value, values[0], nil)
		}
		return agg
	}
	fields := m.Fields()
	var low, high uint64
	counts := make([]uint64, m.Buckets())
	for _, v := range values {
		word := func(at int) uint64 {
			if at < 0 {
				return 0
			}
			return binary.LittleEndian.Uint64(v[at:])
		}
		agg.Count += word(fields.Count)
		agg.Sum += int64(word(fields.Sum))
		low, high = max(low, word(fields.Min)), max(high, word(fields.Max))
		for i := range counts {
			counts[i] += word(fields.Buckets + 8*i)
		}
	}
	if used := agg.Count > 0; used && fields.Min >= 0 {
		agg.Min = m.Unorder(low, true)
	}
	if used := agg.Count > 0; used && fields.Max >= 0 {
		agg.Max = m.Unorder(high, false)
	}
	agg.Buckets = m.buckets(counts)
	return agg
}

// buckets leaves out the empty ones at both ends.
func (m *Map) buckets(counts []uint64) []event.Bucket {
	first, last := 0, len(counts)-1
	for first <= last && counts[first] == 0 {
		first++
	}
	for last >= first && counts[last] == 0 {
		last--
	}
	var out []event.Bucket
	for i := first; i <= last; i++ {
		low, high := m.BucketRange(i)
		out = append(out, event.Bucket{Low: low, High: high, Count: counts[i]})
	}
	return out
}
