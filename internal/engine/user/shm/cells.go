package shm

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
)

// putArray stores a value at an index, for all CPUs.
func (t *Table) putArray(key, value []byte) error {
	i := int(binary.LittleEndian.Uint32(key))
	if t.Kind != Array && t.Kind != PerCPUArray || i >= t.Entries {
		return fmt.Errorf("map %s: nothing can be stored at %d", t.Name, i)
	}
	for cpu := range t.Copies {
		copy(t.mem[t.at(cpu, i):], value)
	}
	return nil
}

// used is how many of an entry's values some slot has been given.
func (t *Table) used() int {
	given := int(atomic.LoadUint32(t.word(headSlots)))
	return max(1, min(given, t.Copies))
}

// at is where an entry of an array has its value.
func (t *Table) at(cpu, i int) int { return t.Data + cpu*t.PerCPU + i*t.Stride }

// Cells calls fn for every entry of a hash or array: the key, and its values or the only one. Entries of arrays with several
// that are all zeros are left out. fn's error ends the walk; the bytes are gone when fn returns.
func (t *Table) Cells(fn func(key []byte, values [][]byte) error) error {
	switch t.Kind {
	case Hash:
		one := make([][]byte, 1)
		only := func(key, value []byte) error {
			one[0] = value
			return fn(key, one)
		}
		if err := t.fronts(func(at int) error { return t.eachInFront(at, only) }); err != nil {
			return err
		}
		return t.eachNode(only)
	case Array, PerCPUArray:
		return t.eachEntry(fn)
	}
	return fmt.Errorf("map %s has no cells", t.Name)
}

func (t *Table) eachEntry(fn func(key []byte, values [][]byte) error) error {
	key, values := make([]byte, 4), make([][]byte, t.used())
	for cpu := range values {
		values[cpu] = make([]byte, t.Value)
	}
	for i := range t.Entries {
		binary.LittleEndian.PutUint32(key, uint32(i))
		some := t.Entries == 1
		for cpu := range values {
			t.load(values[cpu], t.at(cpu, i))
			some = some || !allZero(values[cpu])
		}
		if !some {
			continue
		}
		if err := fn(key, values); err != nil {
			return err
		}
	}
	return nil
}

// load copies a value word by word, so that no count is half of one and half of the next.
func (t *Table) load(to []byte, at int) {
	for len(to) >= 8 {
		binary.LittleEndian.PutUint64(to, atomic.LoadUint64(t.quad(at)))
		to, at = to[8:], at+8
	}
	copy(to, t.mem[at:])
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// Get copies the only value under a key; false if there is none.
func (t *Table) Get(key []byte) ([]byte, bool) {
	value := make([]byte, t.Value)
	if t.Kind == Array && len(key) == 4 && int(binary.LittleEndian.Uint32(key)) < t.Entries {
		t.load(value, t.at(0, int(binary.LittleEndian.Uint32(key))))
		return value, true
	}
	if t.Kind != Hash || len(key) != t.Key {
		return nil, false
	}
	hash := t.hash(key)
	bucket := t.bucket(hash)
	first, err := t.hold(bucket)
	if err != nil {
		return nil, false
	}
	defer t.release(bucket, first)
	n, _ := t.find(first, hash, key)
	if n == 0 {
		return nil, false
	}
	t.load(value, t.node(n)+t.ValueOff)
	return value, true
}

// Zero sets all values to zero and leaves the keys.
func (t *Table) Zero() {
	switch t.Kind {
	case Hash:
		for n := uint32(1); n <= t.touched(); n++ {
			if at := t.node(n); atomic.LoadUint32(t.word(at+nodeState))&stateMask == stateLive {
				t.wipe(at + t.ValueOff)
			}
		}
	case Array, PerCPUArray:
		for cpu := range t.used() {
			for i := range t.Entries {
				t.wipe(t.at(cpu, i))
			}
		}
	}
}

// wipe clears a value and what pads it.
func (t *Table) wipe(at int) {
	for off := 0; off < align(t.Value, 8); off += 8 {
		atomic.StoreUint64(t.quad(at+off), 0)
	}
}

// Empty removes all keys of a hash; an array is set to zero.
func (t *Table) Empty() error {
	if t.Kind != Hash {
		t.Zero()
		return nil
	}
	var keys [][]byte
	if err := t.eachNode(func(key, _ []byte) error {
		keys = append(keys, append([]byte(nil), key...))
		return nil
	}); err != nil {
		return err
	}
	for _, key := range keys {
		if _, err := t.Delete(key); err != nil {
			return err
		}
	}
	return nil
}
