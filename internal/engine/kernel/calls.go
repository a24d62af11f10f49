package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
)

// Unfinished calls fn for every open call. To be called after Disarm.
func (s *Session) Unfinished(fn func(engine.OpenCall) error) error {
	alive := s.living()
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

// Sweep forgets the calls whose thread or process has ended and hands them to fn. The maps of open calls are bounded: a run
// that watches many processes die inside calls needs it every few seconds.
func (s *Session) Sweep(fn func(engine.OpenCall)) error {
	alive := s.living()
	for _, frames := range s.code.Frames {
		err := s.sweep(frames.Name, alive.Has, func(value []byte) {
			call := engine.Opened(frames, value, true)
			s.swept.Open(call)
			fn(call)
		})
		if err != nil {
			return err
		}
	}
	return s.sweep(codegen.DepthMap, alive.Has, func([]byte) {})
}

// Forget removes from map m of the plan what is of processes that have ended: keys begin with their number.
func (s *Session) Forget(m int) error {
	if s.plan.Array(m) {
		return nil
	}
	alive := s.living()
	return s.sweep(codegen.MapName(m), func(key []byte) bool { return alive.Process(binary.NativeEndian.Uint32(key)) }, func([]byte) {})
}

// sweep removes the entries of dead owners from a map.
func (s *Session) sweep(name string, alive func(key []byte) bool, fn func(value []byte)) error {
	table := s.maps[name]
	if table == nil || s.foreign {
		return nil
	}
	w, err := newWalk(table)
	if err != nil {
		return err
	}
	keys, err := w.keys()
	if err != nil {
		return fmt.Errorf("map %s: %w", name, err)
	}
	for _, key := range keys {
		if alive(key) {
			continue
		}
		value, err := table.LookupBytes(key)
		if err != nil {
			return fmt.Errorf("map %s: %w", name, err)
		}
		if value == nil {
			continue
		}
		if err := table.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("map %s: %w", name, err)
		}
		fn(value)
	}
	return nil
}

func (s *Session) living() *engine.Living { return engine.NewLiving(s.foreign) }
