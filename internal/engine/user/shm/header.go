package shm

// The header of the memory.
const (
	// The clock: a set of three words is in use, by its number; the other one is free to be changed.
	headClock   = 64  // u32 0 or 1: the set in use
	headClocks  = 128 // two sets, clockSize apart
	clockStart  = 0   // u64 time stamp counter
	clockNanos  = 8   // u64 monotonic clock then
	clockFactor = 16  // u64 nanoseconds per count, times 2^32; 0: ask the kernel
	clockSize   = 64
	headSlow    = 256 // u64 counts after which what a slot remembers of a thread is asked for anew

	// Ranges of addresses that can be read as long as the process lives: pairs of u64 start and end.
	headRanges = 512
	maxRanges  = 64
)

const nodeKey = 16
