// Package shm is the memory that an observed process and its observer share: where maps lie in it, the machine code that works on
// them inside the process, and the Go code that does outside.
//
// In: descriptions of maps; a mapping of the memory. Out: a layout, machine code routines, records, cells. Invariant: whatever a thread of the
// process was doing when it stopped, was killed or forked, every cell is whole and nobody waits for it for ever. It must not know how
// memory and code get into the process, or what records and cells mean.
//
// The memory holds distances only, no addresses: each process maps it where it can.
//
//	page 0     header: clock (header.go), bell (bell.go)
//	then       the maps, each from a page on: a head of its own, and its data
//
// Beside it each thread has a slot: private memory that the process does not share with anybody (slot.go).
package shm

import (
	"fmt"
	"math/bits"
)

// Kind is a type of map, numbered as the kernel does (enum bpf_map_type).
type Kind uint32

const (
	Hash        Kind = 1
	Array       Kind = 2
	PerCPUArray Kind = 6
	Ring        Kind = 27
	Storage     Kind = 29 // memory of the thread, in its slot
)

// Spec describes a map, as an ebpf.MapSpec does.
type Spec struct {
	Name       string
	Kind       Kind
	Key, Value int // bytes
	Entries    int // of a ring: bytes
	// Own says that nobody outside sets the values of a PerCPUArray back: a slot that has values for itself changes them without locking.
	Own bool
	// Nest says that the keys of a hash nest: each thread keeps its latest entries for itself (front.go).
	Nest *Nest
}

// Map is where a map lies in the memory.
type Map struct {
	Spec
	Off    int // of its head
	Data   int // of values; of a hash, its nodes; of a ring, its records
	Stride int // between values, or nodes
	// PerCPU is the distance between the values that an entry of a PerCPUArray has for each of Copies threads: see SlotStripe.
	PerCPU, Copies int
	// Buckets of a hash are a power of two, from the offset Heads on; ValueOff is where a node has its value.
	Buckets, Heads, ValueOff int
	// Fronts is where the fronts of a hash begin whose keys nest, of FrontSize bytes each; FrontDepth is how many entries they hold, of
	// FrontStride bytes. A depth of 0: there are none, as values are too large or too few.
	Fronts, FrontSize, FrontStride, FrontDepth int
	// InSlot is where slots have the address of their front, or of their values of a PerCPUArray; 0 as long as they have none.
	InSlot int
}

// Layout is where everything lies.
type Layout struct {
	CPUs int
	Maps []Map
	Size int // of the memory
	// Storage is the size of the memory that a slot must have for the thread.
	Storage int
	slot    int // bytes of a slot
}

const (
	pageSize = 4096
	line     = 64 // of the cache

	// fewestOwn is how many slots have values of their own in arrays at least. Memory that nobody touches costs nothing.
	fewestOwn = 32
)

func align(n, to int) int { return (n + to - 1) &^ (to - 1) }

// Bounds of maps: the kernel's, and what offsets of 32 bits reach.
const (
	maxKey     = 512
	maxValue   = 1 << 20
	maxEntries = 1 << 26
	maxPerCPU  = 1<<31 - 1<<12 // what a multiplication takes as a constant
	maxSize    = 1 << 40
)

// Lay gives every map its place.
func Lay(specs []Spec, cpus int) (*Layout, error) {
	l := &Layout{CPUs: max(cpus, 1), Size: pageSize}
	for _, spec := range specs {
		if spec.Entries <= 0 || spec.Entries > maxEntries || spec.Key > maxKey || spec.Value > maxValue || spec.Key < 0 || spec.Value < 0 {
			return nil, fmt.Errorf("map %s: %d entries of %d+%d bytes", spec.Name, spec.Entries, spec.Key, spec.Value)
		}
		m := Map{Spec: spec, Off: l.Size, Copies: 1}
		end, err := l.place(&m)
		if err != nil {
			return nil, fmt.Errorf("map %s: %w", spec.Name, err)
		}
		l.Maps = append(l.Maps, m)
		l.Size = align(end, pageSize)
		if l.Size > maxSize {
			return nil, fmt.Errorf("map %s: the shared memory would have %d bytes", spec.Name, l.Size)
		}
	}
	l.slot = SlotStorage + l.Storage
	for i := range l.Maps {
		if m := &l.Maps[i]; m.FrontDepth > 0 || m.Kind == PerCPUArray {
			m.InSlot = l.slot
			l.slot += 8
		}
	}
	return l, nil
}

// own is how many slots have values of their own, a power of two. As many values again are for those that come later.
func (l *Layout) own() int { return 1 << bits.Len(uint(max(l.CPUs, fewestOwn)-1)) }

func (l *Layout) place(m *Map) (end int, err error) {
	switch m.Kind {
	case Array, PerCPUArray:
		if m.Key != 4 {
			return 0, fmt.Errorf("keys of %d bytes", m.Key)
		}
		m.Data, m.Stride = m.Off, align(max(m.Value, 1), 8)
		m.PerCPU = m.Stride * m.Entries
		if m.PerCPU > maxPerCPU {
			return 0, fmt.Errorf("%d bytes", m.PerCPU)
		}
		if m.Kind == Array {
			return m.Data + m.PerCPU, nil
		}
		m.PerCPU = align(m.PerCPU, 2*line) // CPUs fetch lines in pairs
		m.Copies = 2 * l.own()
		return m.Data + m.PerCPU*m.Copies, nil
	case Hash:
		if end = m.placeHash(); m.Nest != nil {
			return m.placeFronts(end)
		}
		return end, nil
	case Ring:
		if m.Entries&(m.Entries-1) != 0 || m.Entries < pageSize {
			return 0, fmt.Errorf("a ring of %d bytes", m.Entries)
		}
		m.Data = m.Off + pageSize
		return m.Data + m.Entries, nil
	case Storage:
		if l.Storage != 0 {
			return 0, fmt.Errorf("a second memory of threads")
		}
		l.Storage = align(m.Value, 8)
		return m.Off, nil
	}
	return 0, fmt.Errorf("type %d is not offered", m.Kind)
}

// placeHash: head, buckets, nodes.
func (m *Map) placeHash() (end int) {
	m.Buckets = 1 << bits.Len(uint(m.Entries-1))
	m.Heads = m.Off + pageSize
	m.Data = align(m.Heads+8*m.Buckets, pageSize)
	m.ValueOff = nodeKey + align(m.Key, 8)
	m.Stride = m.ValueOff + align(max(m.Value, 1), 8)
	if m.Stride > line/2 {
		m.Stride = align(m.Stride, line)
	}
	return m.Data + m.Stride*m.Entries
}

// Map finds a map by name.
func (l *Layout) Map(name string) *Map {
	for i := range l.Maps {
		if l.Maps[i].Name == name {
			return &l.Maps[i]
		}
	}
	return nil
}
