package kernel

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// ring reads the records of a BPF ring buffer where the kernel wrote them. Its pages (kernel/bpf/ringbuf.c):
//
//	page 0            consumer position, ours to write
//	page 1            producer position
//	pages 2..         data, a power of two of bytes; a record that reaches over the end goes on at the start
//
// The kernel offers the data twice in a row so that no record is ever split. We map it once, which halves the resident
// memory, and put the split record together ourselves.
//
// A record is a u32 length with two flags in its upper bits, a u32 for the kernel, and the bytes, padded to 8.
type ring struct {
	consumer, rest []byte // mappings
	consumed       *uint64
	produced       *uint64
	data           []byte
	split          []byte // a record that reached over the end
	epoll, wake    int
	pause          time.Duration
}

const (
	recordHeader = 8
	recordBusy   = 1 << 31 // being written
	recordDrop   = 1 << 30 // given up by the program

	// Programs do not wake the reader below a watermark, so it looks by itself: soon while records come, ever
	// less often while none do.
	shortestPause = 2 * time.Millisecond
	longestPause  = 50 * time.Millisecond
	// busyPause is how long a record may take to be written: its program may be taking a page fault.
	busyPause = 100 * time.Microsecond
)

// openRing maps the ring; without one (no plan of records) it can only wait.
func openRing(m *ebpf.Map) (*ring, error) {
	r := &ring{epoll: -1, wake: -1, pause: shortestPause}
	if err := r.open(m); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *ring) open(m *ebpf.Map) (err error) {
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	if err := r.watch(r.wake, unix.EPOLLIN); err != nil || m == nil {
		return err
	}
	if err := r.watch(m.FD(), unix.EPOLLIN|unix.EPOLLET); err != nil {
		return err
	}
	page, size := os.Getpagesize(), int(m.MaxEntries())
	if r.consumer, err = unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("mapping: %w", err)
	}
	if r.rest, err = unix.Mmap(m.FD(), int64(page), page+size, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("mapping: %w", err)
	}
	r.consumed = (*uint64)(unsafe.Pointer(&r.consumer[0]))
	r.produced = (*uint64)(unsafe.Pointer(&r.rest[0]))
	r.data = r.rest[page:]
	return nil
}

func (r *ring) watch(fd int, events uint32) error {
	return unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (r *ring) close() error {
	var errs []error
	for _, mapping := range [][]byte{r.consumer, r.rest} {
		if mapping != nil {
			errs = append(errs, unix.Munmap(mapping))
		}
	}
	for _, fd := range []int{r.epoll, r.wake} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	*r = ring{epoll: -1, wake: -1}
	return errors.Join(errs...)
}

// Read hands every record to fn until the deadline has passed, or until Wake is called; what is in the ring then is read
// to its end first, so a deadline in the past drains it. The record belongs to the kernel: it is gone when fn returns.
func (s *Session) Read(deadline time.Time, fn func(record []byte)) error {
	s.held.heir.glance()
	return s.ring.read(deadline, fn)
}

// Wake makes a Read that runs now, or the next one, return. It may be called from everywhere.
func (s *Session) Wake() {
	one := [8]byte{}
	putUint64(one[:], 1)
	unix.Write(s.ring.wake, one[:])
}

func (r *ring) read(deadline time.Time, fn func([]byte)) error {
	for {
		some, busy := r.drain(fn)
		left := time.Until(deadline)
		switch {
		case busy:
			time.Sleep(busyPause)
			if left > -longestPause {
				continue
			}
			return nil
		case left <= 0:
			return nil
		case some:
			r.pause = shortestPause
		default:
			r.pause = min(2*r.pause, longestPause)
		}
		if r.data != nil {
			left = min(left, r.pause)
		}
		woken, err := r.wait(left)
		if err != nil {
			return err
		}
		if woken {
			deadline = time.Time{} // one more drain
		}
	}
}

// wait sleeps until the kernel or Wake calls, at most for d.
func (r *ring) wait(d time.Duration) (woken bool, err error) {
	var events [2]unix.EpollEvent
	n, err := unix.EpollWait(r.epoll, events[:], int((d+time.Millisecond-1)/time.Millisecond))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return false, fmt.Errorf("waiting for records: %w", err)
	}
	for _, e := range events[:max(n, 0)] {
		if int(e.Fd) == r.wake {
			var count [8]byte
			unix.Read(r.wake, count[:])
			woken = true
		}
	}
	return woken, nil
}

// drain hands over what is complete. It is done with at most the ring's size of bytes, so that it ends while programs go on
// writing, and gives room back in steps: each is a cache line that all CPUs fight for.
func (r *ring) drain(fn func([]byte)) (some, busy bool) {
	if r.data == nil {
		return false, false
	}
	size := uint64(len(r.data))
	at := atomic.LoadUint64(r.consumed)
	end := atomic.LoadUint64(r.produced)
	given := at
	for at < end {
		start := at & (size - 1)
		header := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[start])))
		if header&recordBusy != 0 {
			busy = true
			break
		}
		n := uint64(header &^ (recordBusy | recordDrop))
		if header&recordDrop == 0 {
			fn(r.record((start+recordHeader)&(size-1), n))
		}
		at += (recordHeader + n + 7) &^ 7
		some = true
		if at-given >= size/8 {
			atomic.StoreUint64(r.consumed, at)
			given = at
		}
	}
	if at != given {
		atomic.StoreUint64(r.consumed, at)
	}
	return some, busy
}

// record gives n bytes from start on.
func (r *ring) record(start, n uint64) []byte {
	if size := uint64(len(r.data)); start+n > size {
		r.split = append(append(r.split[:0], r.data[start:]...), r.data[:start+n-size]...)
		return r.split
	}
	return r.data[start:][:n]
}
