package shm

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// The header of the memory.
const (
	// The clock: two sets of three words, one in use, the other free to be changed.
	headClock   = 64  // u32 number of changes times clockSize, whose lowest bit says which set is in use
	headClocks  = 128 // two sets, clockSize apart
	clockStart  = 0   // u64 time stamp counter
	clockNanos  = 8   // u64 monotonic clock then
	clockFactor = 16  // u64 nanoseconds per count, times 2^32; 0: ask the kernel
	clockSize   = 64
	headSlow    = 256 // u64 counts after which what a slot remembers of its thread is asked for anew

	headSlots = 264 // u32 slots that have been given values of arrays
)

// What of a process's memory never goes away, in memory that belongs to one program in one process.
const (
	knownStack = 0  // u64 lowest address of the stack that the process began with, u64 the one behind its highest
	knownGo    = 16 // u64, not 0: each thread has the address of its goroutine's descriptor at goTLS from its FS base
	// Ranges of addresses that can be read as long as the process lives: pairs of u64 start and end, up to one whose end is 0.
	knownRanges = 32
	maxRanges   = 64

	// KnownSize is how much it takes.
	KnownSize = knownRanges + 16*(maxRanges+1)
)

// Range is memory from Start to before End.
type Range struct{ Start, End uint64 }

// SetRanges says in memory of KnownSize bytes what of the process never goes away: the program's own segments. It is for before the first hit.
func SetRanges(mem []byte, ranges []Range) error {
	if len(ranges) > maxRanges {
		return fmt.Errorf("shared memory: %d ranges, more than %d", len(ranges), maxRanges)
	}
	for i, r := range ranges {
		put(mem, knownRanges+16*i, r.Start)
		put(mem, knownRanges+16*i+8, r.End)
	}
	return nil
}

// SetStack says where the stack is that the process began with: it is there from the stack pointer on, whenever that lies in it. Start may be
// as low as the stack may grow.
func SetStack(mem []byte, r Range) {
	put(mem, knownStack, r.Start)
	put(mem, knownStack+8, r.End)
}

// What Go keeps for a thread, in a program that has no other thread-local storage: the address of runtime.g, of which at least so many
// bytes are there (runtime2.go).
const (
	goTLS  = -8
	goSize = 256
)

// SetGo says that the process runs a Go program, whose threads have their goroutines just below the FS base.
func SetGo(mem []byte) { put(mem, knownGo, 1) }

// MaxRanges is how many SetRanges takes.
const MaxRanges = maxRanges

// SetPatience says for how many counts of the time stamp counter a slot remembers the name and the user of its thread. 0 is not at all.
func SetPatience(mem []byte, counts uint64) { put(mem, headSlow, counts) }

func put(mem []byte, off int, v uint64) { atomic.StoreUint64((*uint64)(unsafe.Pointer(&mem[off])), v) }

// Known gives what SetStack and SetRanges said.
func Known(mem []byte) (stack Range, ranges []Range) {
	get := func(off int) uint64 { return atomic.LoadUint64((*uint64)(unsafe.Pointer(&mem[off]))) }
	for i := range maxRanges {
		if end := get(knownRanges + 16*i + 8); end != 0 {
			ranges = append(ranges, Range{get(knownRanges + 16*i), end})
		}
	}
	return Range{get(knownStack), get(knownStack + 8)}, ranges
}
