package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
)

// Cells calls fn for every entry of map m of the plan: the key, and the value of each possible CPU, or of each stripe, or one value
// for maps that have neither. Entries of arrays with several that were never written are left out. fn's error ends the walk; the bytes are gone
// when fn returns.
func (s *Session) Cells(m int, fn func(key []byte, values [][]byte) error) error {
	if stripes, ok := s.code.Stripes[m]; ok {
		return s.cellsOf(codegen.MapName(m), func(key []byte, values [][]byte) error { return fn(key, stripes.Split(values[0])) })
	}
	return s.cellsOf(codegen.MapName(m), fn)
}

// cellsOf reads a map by name. One that no program uses is not there, and so is empty.
func (s *Session) cellsOf(name string, fn func(key []byte, values [][]byte) error) error {
	return cellsOfMap(name, s.maps[name], fn)
}

// cellsOfMap reads a map; nil is empty. The name is for errors.
func cellsOfMap(name string, table *ebpf.Map, fn func(key []byte, values [][]byte) error) error {
	if table == nil {
		return nil
	}
	w, err := newWalk(table)
	if err != nil {
		return err
	}
	if err := w.each(bpfMapLookupBatch, fn); err != nil {
		return fmt.Errorf("map %s: %w", name, err)
	}
	return nil
}

// Clear removes all entries of map m of the plan, or sets their values to zero and keeps the keys.
func (s *Session) Clear(m int, zero bool) error {
	table := s.maps[codegen.MapName(m)]
	if table == nil {
		return nil
	}
	if slices.Contains(s.code.HitsFrom, m) {
		hits, err := s.sumCounts(m)
		if err != nil {
			return err
		}
		s.cleared += hits
	}
	w, err := newWalk(table)
	if err != nil {
		return err
	}
	if zero || w.array {
		return w.zero()
	}
	return w.each(bpfMapLookupDelete, func([]byte, [][]byte) error { return nil })
}

// Stack gives the PCs of a stack that a map key names, innermost first.
func (s *Session) Stack(id uint64) []uint64 {
	table := s.maps[codegen.StacksMap]
	if table == nil || id == 0 {
		return nil
	}
	pcs := make([]uint64, table.ValueSize()/8)
	if table.Lookup(id, &pcs) != nil {
		return nil
	}
	if end := slices.Index(pcs, 0); end >= 0 {
		pcs = pcs[:end]
	}
	return pcs
}

// walk goes over a map in batches of bounded size.
type walk struct {
	table    *ebpf.Map
	key      int
	value    int // of one CPU, as the kernel copies it
	cpus     int
	array    bool
	perEntry int
	one      [][]byte // the values handed out
}

// batchBytes bounds the buffer of a batch: a histogram of a machine with many CPUs takes 100 KiB an entry.
const batchBytes = 1 << 20

func newWalk(table *ebpf.Map) (*walk, error) {
	w := &walk{table: table, key: int(table.KeySize()), value: int(table.ValueSize()), cpus: 1}
	switch table.Type() {
	case ebpf.PerCPUHash, ebpf.LRUCPUHash, ebpf.PerCPUArray:
		n, err := ebpf.PossibleCPU()
		if err != nil {
			return nil, err
		}
		w.cpus, w.value = n, (w.value+7)&^7 // copied per CPU in steps of 8: kernel/bpf/hashtab.c
	}
	w.array = table.Type() == ebpf.Array || table.Type() == ebpf.PerCPUArray
	w.perEntry = w.key + w.value*w.cpus
	w.one = make([][]byte, w.cpus)
	return w, nil
}

// each reads the map with cmd, a batch command; where the kernel has none for this kind of map, entry by entry.
func (w *walk) each(cmd int, fn func([]byte, [][]byte) error) error {
	err := w.batches(cmd, fn)
	if errors.Is(err, errNoBatch) {
		return w.singly(cmd == bpfMapLookupDelete, fn)
	}
	return err
}

var errNoBatch = errors.New("no batch operation")

func (w *walk) batches(cmd int, fn func([]byte, [][]byte) error) error {
	entries := max(16, min(batchBytes/w.perEntry, int(w.table.MaxEntries())))
	cursor := max(w.key, 4) // what the kernel keeps its place in: a bucket, or a key
	b := batch{out: make([]byte, cursor)}
	for {
		if len(b.keys) < entries*w.key {
			b.keys, b.values = make([]byte, entries*w.key), make([]byte, entries*w.value*w.cpus)
		}
		b.count = uint32(entries)
		err := lookupBatch(cmd, w.table.FD(), &b)
		switch {
		case err == nil, errors.Is(err, unix.ENOENT):
		case errors.Is(err, unix.ENOSPC) && entries < int(w.table.MaxEntries()): // a hash bucket that does not fit
			entries *= 2
			continue
		case b.in == nil && (errors.Is(err, unix.EINVAL) || errors.Is(err, engine.ErrNotSupp) || errors.Is(err, unix.EOPNOTSUPP)):
			return errNoBatch
		default:
			return err
		}
		for i := range int(b.count) {
			if err := w.hand(b.keys[i*w.key:][:w.key], b.values[i*w.value*w.cpus:][:w.value*w.cpus], fn); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
		if b.in == nil {
			b.in = make([]byte, cursor)
		}
		copy(b.in, b.out)
	}
}

// hand gives one entry to fn.
func (w *walk) hand(key, values []byte, fn func([]byte, [][]byte) error) error {
	if w.array && w.table.MaxEntries() > 1 && allZero(values) {
		return nil
	}
	size := int(w.table.ValueSize())
	for cpu := range w.one {
		w.one[cpu] = values[cpu*w.value:][:size]
	}
	return fn(key, w.one)
}

func allZero(b []byte) bool {
	for len(b) >= 8 {
		if [8]byte(b) != [8]byte{} {
			return false
		}
		b = b[8:]
	}
	return len(bytes.Trim(b, "\x00")) == 0
}

// singly asks for one key after the other. Keys that go away meanwhile are passed over.
func (w *walk) singly(remove bool, fn func([]byte, [][]byte) error) error {
	keys, err := w.keys()
	if err != nil {
		return err
	}
	for _, key := range keys {
		values, err := w.table.LookupBytes(key)
		if err != nil {
			return err
		}
		if values == nil {
			continue
		}
		if remove {
			if err := w.table.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return err
			}
		}
		if err := w.hand(key, values, fn); err != nil {
			return err
		}
	}
	return nil
}

// keys lists the keys that are there now.
func (w *walk) keys() ([][]byte, error) {
	var keys [][]byte
	var last any
	for len(keys) < int(w.table.MaxEntries()) {
		key, err := w.table.NextKeyBytes(last)
		if err != nil || key == nil {
			return keys, err
		}
		keys = append(keys, key)
		last = key
	}
	return keys, nil
}

// zero writes zeros under every key that is there.
func (w *walk) zero() error {
	var keys [][]byte
	err := w.each(bpfMapLookupBatch, func(key []byte, _ [][]byte) error {
		keys = append(keys, slices.Clone(key))
		return nil
	})
	if err != nil {
		return err
	}
	var zeros any = make([]byte, w.table.ValueSize())
	if w.cpus > 1 {
		perCPU := make([][]byte, w.cpus)
		for i := range perCPU {
			perCPU[i] = make([]byte, w.table.ValueSize())
		}
		zeros = perCPU
	}
	for _, key := range keys {
		if err := w.table.Update(key, zeros, ebpf.UpdateExist); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
	}
	return nil
}
