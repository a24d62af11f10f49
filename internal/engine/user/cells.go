package user

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/plan"
)

// table is a map by name, nil when no program uses it.
func (s *Session) table(name string) (*shm.Table, error) {
	if s.layout.Map(name) == nil {
		return nil, nil
	}
	return s.layout.Table(s.memory, name)
}

// Cells calls fn for every entry of map m of the plan: the key, and the value of each possible CPU, or of each stripe, or one value
// for maps that have neither. Entries of arrays with several that were never written are left out. fn's error ends the walk; the bytes are
// gone when fn returns.
func (s *Session) Cells(m int, fn func(key []byte, values [][]byte) error) error {
	if stripes, ok := s.code.Stripes[m]; ok {
		return s.cellsOf(codegen.MapName(m), func(key []byte, values [][]byte) error { return fn(key, stripes.Split(values[0])) })
	}
	return s.cellsOf(codegen.MapName(m), fn)
}

func (s *Session) cellsOf(name string, fn func(key []byte, values [][]byte) error) error {
	t, err := s.table(name)
	if t == nil || err != nil {
		return err
	}
	return t.Cells(fn)
}

// Clear removes all entries of map m of the plan, or sets their values to zero and keeps the keys.
func (s *Session) Clear(m int, zero bool) error {
	t, err := s.table(codegen.MapName(m))
	if t == nil || err != nil {
		return err
	}
	if slices.Contains(s.code.HitsFrom, m) {
		hits, err := s.sumCounts(m)
		if err != nil {
			return err
		}
		s.cleared += hits
	}
	if zero {
		t.Zero()
		return nil
	}
	return t.Empty()
}

// Stack gives the PCs of a stack that a map key names, innermost first.
func (s *Session) Stack(id uint64) []uint64 {
	t, err := s.table(codegen.StacksMap)
	if t == nil || err != nil || id == 0 {
		return nil
	}
	value, ok := t.Get(binary.NativeEndian.AppendUint64(nil, id))
	if !ok {
		return nil
	}
	var pcs []uint64
	for ; len(value) >= 8; value = value[8:] {
		pc := binary.NativeEndian.Uint64(value)
		if pc == 0 {
			break
		}
		pcs = append(pcs, pc)
	}
	return pcs
}

// Counts adds up what programs counted on every CPU, and what the gates counted about them. It may be called at any time; after
// Disarm it is final, and knows the calls that did not end.
func (s *Session) Counts() (engine.Counts, error) {
	var c engine.Counts
	err := s.cellsOf(codegen.StatsMap, func(_ []byte, values [][]byte) error {
		for _, value := range values {
			for i := range min(len(c.Of), len(value)/8) {
				c.Of[i] += binary.NativeEndian.Uint64(value[8*i:])
			}
		}
		return nil
	})
	if err != nil {
		return c, err
	}
	c.Of[plan.CountHits] += s.cleared
	for _, m := range s.code.HitsFrom {
		n, err := s.sumCounts(m)
		if err != nil {
			return c, err
		}
		c.Of[plan.CountHits] += n
	}
	c.Nested = s.gateCounter(gateNested)
	full := s.gateCounter(gateFull)
	c.Of[plan.CountHits] += full
	c.Of[plan.CountLostScratch] += full
	if !s.disarmed.Load() {
		return c, nil
	}
	c.Of[plan.CountLostRing] += s.torn
	s.takeEnded(func(engine.OpenCall) {}) // they are among those that were swept
	err = s.Unfinished(func(call engine.OpenCall) error {
		c.Open(call)
		return nil
	})
	c.Exited += s.swept
	return c, err
}

func (s *Session) gateCounter(at int) uint64 {
	return binary.NativeEndian.Uint64(s.data.Data.Local[s.layout.Size+at:])
}

// sumCounts adds up the counts of all entries of a map.
func (s *Session) sumCounts(m int) (sum uint64, err error) {
	at := s.plan.Maps[m].Fields().Count
	err = s.Cells(m, func(_ []byte, values [][]byte) error {
		for _, value := range values {
			sum += binary.NativeEndian.Uint64(value[at:])
		}
		return nil
	})
	return sum, err
}

// Unfinished calls fn for every open call. To be called after Disarm.
func (s *Session) Unfinished(fn func(engine.OpenCall) error) error {
	var err error
	s.takeEnded(func(c engine.OpenCall) { err = errors.Join(err, fn(c)) })
	if err != nil {
		return err
	}
	alive := engine.NewLiving(false)
	for _, frames := range s.code.Frames {
		err := s.cellsOf(frames.Name, func(key []byte, values [][]byte) error {
			return fn(engine.Opened(frames, values[0], !alive.Has(key)))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Sweep forgets the calls whose thread or process has ended and hands them to fn: the maps of open calls are bounded. What such a
// thread held in the shared memory is given back.
func (s *Session) Sweep(fn func(engine.OpenCall)) error {
	s.takeEnded(fn)
	alive := engine.NewLiving(false)
	dead := func(key []byte) bool { return !alive.Has(key) }
	for _, m := range s.layout.Maps {
		if m.Kind != shm.Hash {
			continue
		}
		t, err := s.table(m.Name)
		if err != nil {
			return err
		}
		t.Recover(threadExists)
	}
	for _, frames := range s.code.Frames {
		err := s.sweep(frames.Name, dead, func(value []byte) {
			s.swept++
			fn(engine.Opened(frames, value, true))
		})
		if err != nil {
			return err
		}
	}
	return s.sweep(codegen.DepthMap, dead, func([]byte) {})
}

// ownedBy tells the keys of a process's calls.
func ownedBy(pid int) func(key []byte) bool {
	return func(key []byte) bool { return binary.NativeEndian.Uint32(key[codegen.FrameTGID:]) == uint32(pid) }
}

// sweep removes the entries of dead owners from a map.
func (s *Session) sweep(name string, gone func(key []byte) bool, fn func(value []byte)) error {
	t, err := s.table(name)
	if t == nil || err != nil {
		return err
	}
	type entry struct{ key, value []byte }
	var dead []entry
	err = t.Cells(func(key []byte, values [][]byte) error {
		if gone(key) {
			dead = append(dead, entry{slices.Clone(key), slices.Clone(values[0])})
		}
		return nil
	})
	for _, e := range dead {
		there, err := t.Delete(e.key)
		if err != nil {
			return fmt.Errorf("map %s: %w", name, err)
		}
		if there {
			fn(e.value)
		}
	}
	return err
}
