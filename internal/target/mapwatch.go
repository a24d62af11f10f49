package target

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MapWatch is told by the kernel what processes map to run, as they do it: what /proc no longer says once they are gone. It
// costs nothing per call; the records are those of `perf record` (perf_event_open(2), PERF_RECORD_MMAP2).
type MapWatch struct {
	rings []mapRing // one per processor
	lost  bool
	over  int // an eventfd that ends a Wait; 0 none yet
}

type mapRing struct {
	fd   int
	area []byte // a control page, then the ring
}

// MapEvent is a new mapping of executable code, or a fork: then Parent is set, and the child maps what its parent does.
type MapEvent struct {
	PID     int
	Parent  int
	Mapping Mapping
	time    uint64 // the kernel's, one clock for all processors (CLOCK_MONOTONIC)
}

// mapRingPages is the size of a ring without its control page; a power of two. A mapping takes some 130 bytes.
const mapRingPages = 16

// Layout of perf_event_mmap_page and perf_event_header (include/uapi/linux/perf_event.h).
const (
	ringHead       = 1024
	ringTail       = 1032
	recordLost     = 2
	recordFork     = 7
	recordMmap2    = 10
	mmap2NameAt    = 72
	forkRecordSize = 24
	timeSize       = 8
)

// NewMapWatch watches a process and what it starts, or with pid -1 every process. Close must be called.
func NewMapWatch(pid int) (*MapWatch, error) {
	w := &MapWatch{}
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_DUMMY, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Bits: unix.PerfBitMmap | unix.PerfBitMmap2 | unix.PerfBitTask | unix.PerfBitExcludeKernel |
			unix.PerfBitSampleIDAll | unix.PerfBitUseClockID | unix.PerfBitWatermark,
		Sample_type: unix.PERF_SAMPLE_TIME, Clockid: unix.CLOCK_MONOTONIC,
		Wakeup: 1, // bytes: Wait is woken by each record
	}
	if pid >= 0 {
		attr.Bits |= unix.PerfBitInherit
	}
	for cpu := range runtime.NumCPU() {
		if err := w.add(&attr, pid, cpu); err != nil && !errors.Is(err, unix.ENODEV) {
			w.Close()
			return nil, fmt.Errorf("watch mappings: %w", err)
		}
	}
	return w, nil
}

func (w *MapWatch) add(attr *unix.PerfEventAttr, pid, cpu int) error {
	fd, err := unix.PerfEventOpen(attr, pid, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return err
	}
	area, err := unix.Mmap(fd, 0, (1+mapRingPages)*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return err
	}
	w.rings = append(w.rings, mapRing{fd, area})
	return nil
}

// Read hands on what happened since the last call, in its order. A child may run on another processor than the one that made
// it, so rings are read until nothing comes: what an event stands on is then among those read.
func (w *MapWatch) Read(fn func(MapEvent)) {
	const enough = 8
	var events []MapEvent
	for range enough {
		before := len(events)
		for _, r := range w.rings {
			w.lost = r.read(func(b []byte) {
				if e, ok := mapEvent(binary.LittleEndian.Uint32(b), b); ok {
					events = append(events, e)
				}
			}) || w.lost
		}
		if len(events) == before {
			break
		}
	}
	slices.SortStableFunc(events, func(a, b MapEvent) int { return cmp.Compare(a.time, b.time) })
	for _, e := range events {
		fn(e)
	}
}

// Lost reports whether more happened since the last call than the rings hold, so that Read did not hand on all of it.
func (w *MapWatch) Lost() bool {
	lost := w.lost
	w.lost = false
	return lost
}

// Wait returns when something has happened that Read did not hand on, or with the context's error. It is for one goroutine.
func (w *MapWatch) Wait(ctx context.Context) error {
	if w.over == 0 {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			return fmt.Errorf("watch mappings: %w", err)
		}
		w.over = fd
	}
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		_, _ = unix.Write(w.over, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	defer func() {
		if !stop() {
			<-told
		}
	}()
	polled := []unix.PollFd{{Fd: int32(w.over), Events: unix.POLLIN}}
	for _, r := range w.rings {
		polled = append(polled, unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN})
	}
	if _, err := unix.Poll(polled, -1); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("watch mappings: %w", err)
	}
	if slices.ContainsFunc(polled, func(p unix.PollFd) bool { return p.Revents&unix.POLLHUP != 0 }) {
		select { // all that was watched has ended, and the kernel says so at once from now on
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
	return ctx.Err()
}

// Close ends the watch.
func (w *MapWatch) Close() {
	for _, r := range w.rings {
		r.close()
	}
	w.rings = nil
	if w.over != 0 {
		unix.Close(w.over)
		w.over = 0
	}
}

func (r mapRing) close() {
	unix.Munmap(r.area)
	unix.Close(r.fd)
}

// read hands on the records, headers included, and reports whether there were more than the ring holds.
func (r mapRing) read(fn func(record []byte)) (lost bool) {
	data := r.area[os.Getpagesize():]
	head := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.area[ringHead])))
	tail := (*uint64)(unsafe.Pointer(&r.area[ringTail]))
	at := atomic.LoadUint64(tail)
	for head-at >= 8 {
		header := wrapped(data, at, 8)
		size := uint64(binary.LittleEndian.Uint16(header[6:]))
		if size < 8 || size > head-at {
			break
		}
		lost = lost || binary.LittleEndian.Uint32(header) == recordLost
		fn(wrapped(data, at, size))
		at += size
	}
	atomic.StoreUint64(tail, head)
	return lost
}

// wrapped copies size bytes of a ring from a position that only grows.
func wrapped(ring []byte, at, size uint64) []byte {
	out := make([]byte, size)
	n := copy(out, ring[at%uint64(len(ring)):])
	copy(out[n:], ring)
	return out
}

// mapEvent reads a record.
//
//	MMAP2  +8 u32 pid, tid  +16 u64 addr, len, pgoff  +40 u32 maj, min  +48 u64 ino, generation  +64 u32 prot, flags  +72 name
//	FORK   +8 u32 pid, ppid, tid, ptid
//
// Both end with their u64 time, as PERF_SAMPLE_TIME with sample_id_all has it.
func mapEvent(kind uint32, b []byte) (MapEvent, bool) {
	word := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	long := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	switch {
	case kind == recordFork && len(b) >= forkRecordSize+timeSize && word(8) != word(12):
		return MapEvent{PID: int(word(8)), Parent: int(word(12)), time: long(len(b) - timeSize)}, true
	case kind == recordMmap2 && len(b) > mmap2NameAt+timeSize:
		name, _, _ := strings.Cut(string(b[mmap2NameAt:]), "\x00")
		return MapEvent{PID: int(word(8)), time: long(len(b) - timeSize), Mapping: Mapping{
			Start: long(16), End: long(16) + long(24), Offset: long(32), Perms: "r-xp",
			Dev: unix.Mkdev(word(40), word(44)), Ino: long(48), Path: name,
		}}, true
	}
	return MapEvent{}, false
}

// Age is how long ago it happened.
func (e MapEvent) Age() time.Duration { return since(e.time) }

// since is how long ago a time of the monotonic clock was.
func since(t uint64) time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0
	}
	return time.Duration(uint64(now.Nano()) - t)
}

// Object finds the file of the mapping. Of a process that is gone it is taken for a program where it is not called a library.
func (e MapEvent) Object() (Object, bool) {
	p, err := Open(e.PID)
	if exe := fileID(procPath(e.PID, "exe")); err == nil && exe.ino != 0 {
		o := p.object(e.Mapping)
		o.Program = exe.ino == e.Mapping.Ino
		return o, true
	}
	o, ok := ObjectAt(e.Mapping)
	o.Program = !e.Mapping.Library()
	return o, ok
}

// Library tells a library by its name.
func (m Mapping) Library() bool {
	base := filepath.Base(m.Path)
	return strings.HasSuffix(base, ".so") || strings.Contains(base, ".so.")
}

// ObjectAt finds the file that a mapping of a process that is gone showed, in our mount namespace.
func ObjectAt(m Mapping) (Object, bool) {
	if !m.File() || fileID(m.Path).ino != m.Ino {
		return Object{}, false
	}
	return Object{Path: m.Path, Open: m.Path, Dev: m.Dev, Ino: m.Ino}, true
}
