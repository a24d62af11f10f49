package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

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

// Opened reads a value of a map of open calls.
func Opened(frames codegen.FrameMap, value []byte, gone bool) OpenCall {
	call := OpenCall{Probe: frames.Probe, Gone: gone}
	if record, ok := frames.Unfinished(value); ok {
		call.Record = record
	}
	return call
}

// Living looks up which owners of calls are there. Keys begin with the owner, a thread group and thread, or in Go a goroutine's
// address; at codegen.FrameTGID follows the thread group.
type Living struct {
	all  bool // nothing is known about processes of other PID namespaces
	seen map[[codegen.FrameTGID + 4]byte]bool
}

// NewLiving looks owners up once each. Foreign says that process IDs are not all ours to look up: everybody counts as alive then.
func NewLiving(foreign bool) *Living {
	return &Living{all: foreign, seen: map[[codegen.FrameTGID + 4]byte]bool{}}
}

// Foreign reports whether nobody is known to be dead.
func (l *Living) Foreign() bool { return l.all }

// Has reports whether the owner that a key begins with is alive.
func (l *Living) Has(key []byte) bool {
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

// Process reports whether a process is alive.
func (l *Living) Process(pid uint32) bool {
	if l.all {
		return true
	}
	var owner [codegen.FrameTGID + 4]byte
	binary.NativeEndian.PutUint32(owner[codegen.FrameTGID:], pid)
	return l.Has(owner[:])
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
