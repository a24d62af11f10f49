package inject

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// A goroutine that was preempted has the place it goes on at on its own stack, close above the stack pointer that the scheduler kept: that of
// the call which the runtime made it seem to have made (runtime.asyncPreempt).
//
// struct g of Go's runtime (runtime2.go), unchanged since Go 1.5: stack.hi at +8, sched.sp at +56.
const (
	gStackHigh, gSchedSP, gSize = 8, 56, 64
	gTLS                        = 8 // the running thread's, below its FS base
	preemptedDepth              = 2 << 10
	maxGoroutines               = 1 << 20
	// batch is how many pieces of memory the kernel copies at once (IOV_MAX).
	batch = 1024
)

// goroutines gives what lies on top of the stacks of all goroutines.
func (h *hold) goroutines(see func(addr uint64)) {
	if h.golang.goroutines == 0 {
		return
	}
	var slice [16]byte
	if h.read(h.golang.goroutines, slice[:]) != nil {
		return
	}
	count := binary.LittleEndian.Uint64(slice[8:])
	if count > maxGoroutines {
		return
	}
	pointers := make([]byte, 8*count)
	if count == 0 || h.read(binary.LittleEndian.Uint64(slice[:]), pointers) != nil {
		return
	}
	var gs []Span
	for ; len(pointers) > 0; pointers = pointers[8:] {
		g := binary.LittleEndian.Uint64(pointers)
		gs = append(gs, Span{g, g + gSize})
	}
	var tops []Span
	h.gather(gs, func(g []byte) {
		sp, high := binary.LittleEndian.Uint64(g[gSchedSP:]), binary.LittleEndian.Uint64(g[gStackHigh:])
		if sp != 0 && sp < high {
			tops = append(tops, Span{sp, min(high, sp+preemptedDepth)})
		}
	})
	h.gather(tops, func(stack []byte) {
		for ; len(stack) >= 8; stack = stack[8:] {
			see(binary.LittleEndian.Uint64(stack))
		}
	})
}

// goStackEnd is where the stack ends that a thread of a Go program is on; 0: not known. What lies behind it are others' stacks, in the same mapping, with what
// signals have left there.
func (h *hold) goStackEnd(t *stoppedThread) uint64 {
	var at [8]byte
	var g [gStackHigh + 8]byte
	if !h.golang.is || h.read(t.regs.Fs_base-gTLS, at[:]) != nil || h.read(binary.LittleEndian.Uint64(at[:]), g[:]) != nil {
		return 0
	}
	low, high := binary.LittleEndian.Uint64(g[:]), binary.LittleEndian.Uint64(g[gStackHigh:])
	if t.regs.Rsp < low || t.regs.Rsp >= high {
		return 0 // the kernel has just sent it to the stack of signals
	}
	return high
}

// gather reads pieces of memory, many at a time.
func (h *hold) gather(spans []Span, each func([]byte)) {
	for len(spans) > 0 {
		n := min(len(spans), batch)
		size := 0
		remote := make([]unix.RemoteIovec, n)
		for i, s := range spans[:n] {
			remote[i] = unix.RemoteIovec{Base: uintptr(s.Start), Len: int(s.End - s.Start)}
			size += remote[i].Len
		}
		buf := make([]byte, size)
		local := []unix.Iovec{{Base: &buf[0], Len: uint64(size)}}
		if got, err := unix.ProcessVMReadv(h.PID, local, remote, 0); err == nil && got == size {
			for _, r := range remote {
				each(buf[:r.Len])
				buf = buf[r.Len:]
			}
		}
		spans = spans[n:]
	}
}
