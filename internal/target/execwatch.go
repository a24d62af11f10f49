package target

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ExecWatch is told by the kernel when processes execute programs (perf_event_open(2), PERF_RECORD_COMM), or when their first threads end, which
// they do too when another thread executes one. It costs the processes nothing but at those moments. Its methods are for one goroutine, but for Rouse.
type ExecWatch struct {
	watched map[int]*execRing
	rouse   int // an eventfd
}

type execRing struct {
	mapRing
	told time.Time // when it last executed a program
	over bool
}

// Layout of PERF_RECORD_COMM (include/uapi/linux/perf_event.h): a header, u32 pid, tid, the name, u64 time.
const (
	recordComm   = 3
	commExec     = 1 << 13 // PERF_RECORD_MISC_COMM_EXEC
	execRingSize = 1       // page
)

// NewExecWatch watches nothing yet. Close must be called.
func NewExecWatch() (*ExecWatch, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch for programs: %w", err)
	}
	return &ExecWatch{watched: map[int]*execRing{}, rouse: fd}, nil
}

// Add watches a process, anew if it was watched already. An error says that the kernel does not tell of it.
func (w *ExecWatch) Add(pid int) error {
	w.Drop(pid)
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_DUMMY, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Bits:        unix.PerfBitComm | unix.PerfBitCommExec | unix.PerfBitExcludeKernel | unix.PerfBitSampleIDAll | unix.PerfBitUseClockID | unix.PerfBitWatermark,
		Sample_type: unix.PERF_SAMPLE_TIME, Clockid: unix.CLOCK_MONOTONIC,
		Wakeup: 1, // bytes: Wait is woken by each record
	}
	const anyProcessor = -1
	fd, err := unix.PerfEventOpen(&attr, pid, anyProcessor, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("watch process %d for programs: %w", pid, err)
	}
	area, err := unix.Mmap(fd, 0, (1+execRingSize)*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("watch process %d for programs: %w", pid, err)
	}
	w.watched[pid] = &execRing{mapRing: mapRing{fd, area}}
	return nil
}

// Wait returns when a process may have executed a program, after a time, or when it is roused.
func (w *ExecWatch) Wait(d time.Duration) {
	polled := []unix.PollFd{{Fd: int32(w.rouse), Events: unix.POLLIN}}
	rings := []*execRing{nil}
	for _, r := range w.watched {
		if !r.over {
			polled, rings = append(polled, unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN}), append(rings, r)
		}
	}
	if _, err := unix.Poll(polled, int(d.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
		time.Sleep(d)
	}
	if polled[0].Revents != 0 {
		_, _ = unix.Read(w.rouse, make([]byte, 8))
	}
	for i, r := range rings[1:] {
		r.over = polled[i+1].Revents&unix.POLLHUP != 0
		r.read(func(b []byte) {
			header := binary.LittleEndian.Uint64(b)
			if uint32(header) == recordComm && header>>32&commExec != 0 {
				r.told = moment(binary.LittleEndian.Uint64(b[len(b)-timeSize:]))
			}
		})
	}
}

// Told is when a process executed a program, as far as the kernel has told since it was added; zero: it has not. over reports that it tells no more.
func (w *ExecWatch) Told(pid int) (last time.Time, over bool) {
	r := w.watched[pid]
	if r == nil {
		return time.Time{}, true
	}
	return r.told, r.over
}

// Rouse ends the Wait that runs, or the next one.
func (w *ExecWatch) Rouse() {
	_, _ = unix.Write(w.rouse, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// Drop watches a process no more.
func (w *ExecWatch) Drop(pid int) {
	if r := w.watched[pid]; r != nil {
		r.close()
		delete(w.watched, pid)
	}
}

// Close ends the watch.
func (w *ExecWatch) Close() {
	for pid := range w.watched {
		w.Drop(pid)
	}
	unix.Close(w.rouse)
}

// moment is a time of the monotonic clock.
func moment(t uint64) time.Time {
	now := time.Now()
	return now.Add(-since(t))
}
