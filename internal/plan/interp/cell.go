package interp

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// key builds the key of an entry as plan/mapping.go draws it.
func (x *thread) key(m int, parts []plan.Expr) string {
	desc := &x.m.plan.Maps[m]
	if x.m.plan.Array(m) {
		id := uint32(0)
		if len(parts) > 0 {
			id = uint32(x.eval(parts[0]))
		}
		return string(binary.LittleEndian.AppendUint32(nil, id))
	}
	_, size := desc.KeyLayout()
	key := make([]byte, 0, size)
	for i, part := range parts {
		key = append(key, x.part(part, desc.Keys[i])...)
	}
	return string(append(key, make([]byte, size-len(key))...))
}

// cell gives the value under a key, made new where there is none; nil when there is no room.
func (x *thread) cell(m int, key string) []byte {
	table := x.m.tables[m]
	if value, ok := table[key]; ok {
		return value
	}
	if !x.m.plan.Array(m) && len(table) >= limit(x.m.plan.Limits.Keys, plan.DefaultLimits().Keys) {
		x.m.Counts[plan.CountLostMap]++
		return nil
	}
	value := make([]byte, x.m.plan.Maps[m].ValueSize())
	table[key] = value
	return value
}

func (x *thread) mapSet(s *plan.MapSet) {
	value := x.part(s.X, x.m.plan.Maps[s.Map].Value)
	if cell := x.cell(s.Map, x.key(s.Map, s.Key)); cell != nil {
		copy(cell, value)
	}
}

func (x *thread) mapAdd(s *plan.MapAdd) {
	amount := x.eval(s.X)
	if cell := x.cell(s.Map, x.key(s.Map, s.Key)); cell != nil {
		putNumber(cell, 0, number(cell)+amount)
	}
}

// aggregate feeds a number to a map.
func (x *thread) aggregate(s *plan.MapAggregate) {
	desc := &x.m.plan.Maps[s.Map]
	fields := desc.Fields()
	v := uint64(0)
	if s.X != nil && desc.Kind != event.AggCount {
		v = x.eval(s.X)
	}
	cell := x.cell(s.Map, x.key(s.Map, s.Key))
	if cell == nil {
		return
	}
	add := func(at int, amount uint64) {
		if at >= 0 {
			putNumber(cell, at, number(cell[at:])+amount)
		}
	}
	raise := func(at int, stored uint64) {
		if at >= 0 {
			putNumber(cell, at, max(number(cell[at:]), stored))
		}
	}
	add(fields.Count, 1)
	add(fields.Sum, v)
	if fields.Buckets >= 0 {
		add(fields.Buckets+8*desc.BucketOf(int64(v)), 1)
	}
	raise(fields.Min, desc.Order(int64(v), true))
	raise(fields.Max, desc.Order(int64(v), false))
}

// Cells calls fn for every entry of a map, in the order of their keys. The bytes are the machine's own.
func (m *Machine) Cells(at int, fn func(key []byte, values [][]byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(m.tables[at])) {
		if err := fn([]byte(key), [][]byte{m.tables[at][key]}); err != nil {
			return err
		}
	}
	return nil
}

// Clear removes all entries of a map, or sets their values to zero and keeps the keys.
func (m *Machine) Clear(at int, zero bool) {
	if !zero {
		clear(m.tables[at])
		return
	}
	for _, value := range m.tables[at] {
		clear(value)
	}
}
