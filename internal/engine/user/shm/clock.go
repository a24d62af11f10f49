package shm

import (
	"fmt"
	"math/bits"
	"os"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Clock is a line through the time stamp counter and the monotonic clock.
type Clock struct {
	Moment
	// Factor is nanoseconds per count, times 2^32. 0 makes the process ask the kernel each time.
	Factor uint64
}

// Moment is one moment on both clocks.
type Moment struct{ Counter, Nanos uint64 }

// Now reads both clocks as close to each other as it can.
func Now() (Moment, error) {
	var best Moment
	least := ^uint64(0)
	for range 20 {
		var ts unix.Timespec
		before := counter()
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			return Moment{}, fmt.Errorf("monotonic clock: %w", err)
		}
		if took := counter() - before; took < least {
			least, best = took, Moment{before + took/2, uint64(ts.Nano())}
		}
	}
	return best, nil
}

// Until gives the clock that goes through two moments. The second should be some milliseconds after the first: the error of a
// moment is some ten nanoseconds.
func (m Moment) Until(later Moment) Clock {
	counts, nanos := later.Counter-m.Counter, later.Nanos-m.Nanos
	if counts == 0 || nanos>>32 >= counts {
		return Clock{Moment: later}
	}
	factor, _ := bits.Div64(nanos>>32, nanos<<32, counts)
	return Clock{later, factor}
}

// At is the time at a value of the counter, as the process computes it.
func (c Clock) At(counter uint64) uint64 {
	d := int64(counter - c.Counter)
	hi, lo := bits.Mul64(uint64(d), c.Factor)
	if d < 0 {
		hi -= c.Factor
	}
	return c.Nanos + (hi<<32 | lo>>32)
}

// Steer gives the clock that goes on where c is now, without a jump, and meets the time again after a while. begin is a moment long
// before, from which the rate is known better every time.
func (c Clock) Steer(begin, now Moment, within time.Duration) Clock {
	next := begin.Until(now)
	shown := c.At(now.Counter)
	next.Nanos = shown
	late := float64(int64(now.Nanos-shown)) / float64(within)
	const most = 0.001
	late = max(-most, min(most, late))
	next.Factor += uint64(int64(float64(next.Factor) * late))
	return next
}

// Steady reports whether the counter runs at one rate on all CPUs, asleep or not. Where it does not, the process must ask the kernel.
func Steady() bool {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return false
	}
	for _, line := range strings.Split(string(text), "\n") {
		if name, flags, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "flags" {
			flags += " "
			return strings.Contains(flags, " constant_tsc ") && strings.Contains(flags, " nonstop_tsc ")
		}
	}
	return false
}

// SetClock puts a clock in use. The process never sees parts of two.
func SetClock(mem []byte, c Clock) {
	changes := (*uint32)(unsafe.Pointer(&mem[headClock]))
	n := atomic.LoadUint32(changes) + clockSize
	set := headClocks + int(n&clockSize)
	put(mem, set+clockStart, c.Counter)
	put(mem, set+clockNanos, c.Nanos)
	put(mem, set+clockFactor, c.Factor)
	atomic.StoreUint32(changes, n)
}
