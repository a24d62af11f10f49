package target

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Watch tells when processes have ended. It holds on to the processes themselves and not to their numbers, which the
// kernel gives to others later.
type Watch struct {
	pids  []int
	fds   []int    // pidfd per process, -1 for one that has ended
	start []uint64 // start times, where the kernel has no pidfds
	wake  [2]int   // a pipe that ends a Wait when its context does
}

// NewWatch begins to watch processes. One that has ended already counts as gone. Close must be called.
func NewWatch(pids []int) (*Watch, error) {
	w := &Watch{pids: pids}
	if err := unix.Pipe2(w.wake[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("watch processes: %w", err)
	}
	for _, pid := range pids {
		s, _ := readStat(pid)
		w.start = append(w.start, s.start)
		fd, err := unix.PidfdOpen(pid, 0)
		switch {
		case err == nil:
		case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL): // EINVAL: a thread or nothing
			fd = -1
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
			fd = noPidfd
		default:
			w.Close()
			return nil, fmt.Errorf("watch process %d: %w", pid, err)
		}
		w.fds = append(w.fds, fd)
	}
	return w, nil
}

// noPidfd stands for a process that is looked at from time to time: kernels before 5.3.
const noPidfd = -2

// lookEvery is how often such processes are looked at.
const lookEvery = 200 * time.Millisecond

// Wait returns when all processes have ended, or with the context's error. It is for one goroutine.
func (w *Watch) Wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _, _ = unix.Write(w.wake[1], []byte{0}) })
	defer stop()
	for {
		polled := []unix.PollFd{{Fd: int32(w.wake[0]), Events: unix.POLLIN}}
		timeout := -1
		for i, fd := range w.fds {
			switch {
			case fd == noPidfd && w.gone(i):
				w.fds[i] = -1
			case fd == noPidfd:
				timeout = int(lookEvery.Milliseconds())
			case fd >= 0:
				polled = append(polled, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(polled) == 1 && timeout < 0 {
			return nil
		}
		if _, err := unix.Poll(polled, timeout); err != nil && err != unix.EINTR {
			return fmt.Errorf("watch processes: %w", err)
		}
		w.drop(polled[1:])
	}
}

// drop closes what has ended.
func (w *Watch) drop(polled []unix.PollFd) {
	for _, p := range polled {
		if p.Revents == 0 {
			continue
		}
		for i, fd := range w.fds {
			if fd == int(p.Fd) {
				_ = unix.Close(fd)
				w.fds[i] = -1
			}
		}
	}
}

func (w *Watch) gone(i int) bool {
	s, err := readStat(w.pids[i])
	return err != nil || s.start != w.start[i] || s.dead() && survivor(w.pids[i]) == 0
}

// Close gives back what the watch holds. No Wait may be running.
func (w *Watch) Close() {
	for i, fd := range w.fds {
		if fd >= 0 {
			_ = unix.Close(fd)
			w.fds[i] = -1
		}
	}
	_ = unix.Close(w.wake[0])
	_ = unix.Close(w.wake[1])
}
