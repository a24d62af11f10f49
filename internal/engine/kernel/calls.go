package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"

	"github.com/sonde-project/sonde/internal/codegen"
)

// OpenCall is a call that has begun and not ended.
type OpenCall struct {
	Probe int
	// Record is the call's record as far as the entry filled it in, nil when the plan keeps none. It is gone when the
	// function that was given it returns.
	Record []byte
	Gone   bool // its thread or process has ended, so it never will
}

// Unfinished calls fn for every open call. To be called after Disarm.
func (s *Session) Unfinished(fn func(OpenCall) error) error {
	alive := s.living()
	for _, frames := range s.code.Frames {
		err := s.cellsOf(frames.Name, func(key []byte, values [][]byte) error {
			return fn(openCall(frames, values[0], !alive.has(key)))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func openCall(frames codegen.FrameMap, value []byte, gone bool) OpenCall {
	call := OpenCall{Probe: frames.Probe, Gone: gone}
	if record, ok := frames.Unfinished(value); ok {
		call.Record = record
	}
	return call
}

// Sweep forgets the calls whose thread or process has ended and hands them to fn. The maps of open calls are bounded: a run
// that watches many processes die inside calls needs it every few seconds.
func (s *Session) Sweep(fn func(OpenCall)) error {
	alive := s.living()
	for _, frames := range s.code.Frames {
		err := s.sweep(frames.Name, alive, func(value []byte) {
			s.swept++
			fn(openCall(frames, value, true))
		})
		if err != nil {
			return err
		}
	}
	return s.sweep(codegen.DepthMap, alive, func([]byte) {})
}

// sweep removes the entries of dead owners from a map.
func (s *Session) sweep(name string, alive *living, fn func(value []byte)) error {
	table := s.maps[name]
	if table == nil || alive.all {
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
		if alive.has(key) {
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

// living looks up which owners of calls are there. Keys begin with the owner, a thread group and thread, or in Go a goroutine's
// address; at codegen.FrameTGID follows the thread group.
type living struct {
	all  bool // nothing is known about processes of other PID namespaces
	seen map[[codegen.FrameTGID + 4]byte]bool
}

func (s *Session) living() *living {
	return &living{all: s.foreign, seen: map[[codegen.FrameTGID + 4]byte]bool{}}
}

func (l *living) has(key []byte) bool {
	if l.all || len(key) < codegen.FrameTGID+4 {
		return true
	}
	owner := [codegen.FrameTGID + 4]byte(key)
	there, known := l.seen[owner]
	if !known {
		there = exists(owner)
		l.seen[owner] = there
	}
	return there
}

func exists(owner [codegen.FrameTGID + 4]byte) bool {
	who, group := binary.NativeEndian.Uint64(owner[:]), binary.NativeEndian.Uint32(owner[codegen.FrameTGID:])
	path := fmt.Sprintf("/proc/%d", group)
	if uint32(who>>32) == group {
		path = fmt.Sprintf("%s/task/%d", path, uint32(who))
	}
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
