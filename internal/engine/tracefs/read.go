package tracefs

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/interp"
)

// cpu is the ring of one.
type cpu struct {
	number int
	fd     int
	page   []byte
}

// raw is an event as it came.
type raw struct {
	time   uint64
	cpu    int
	record []byte
}

func (s *Session) openRings() error {
	list, err := os.ReadDir(s.inside.path("per_cpu"))
	if err != nil {
		return err
	}
	for _, entry := range list {
		n, err := strconv.Atoi(strings.TrimPrefix(entry.Name(), "cpu"))
		if err != nil {
			continue
		}
		path := s.inside.path("per_cpu", entry.Name(), "trace_pipe_raw")
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		s.cpus = append(s.cpus, &cpu{number: n, fd: fd, page: make([]byte, os.Getpagesize())})
	}
	return nil
}

// drain reads what is in the ring.
func (c *cpu) drain(fn func(raw)) error {
	for {
		n, err := unix.Read(c.fd, c.page)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN) || err == nil && n == 0:
			return nil
		case err != nil:
			return fmt.Errorf("ring of CPU %d: %w", c.number, err)
		}
		err = eachEvent(c.page[:n], func(time uint64, record []byte) {
			fn(raw{time, c.number, slices.Clone(record)})
		})
		if err != nil {
			return err
		}
	}
}

// restEvery is how long a read sleeps while events wait for their turn.
const restEvery = 5 * time.Millisecond

// lookEvery is how long a read sleeps otherwise: the kernel wakes nobody before a quarter of a ring is full.
const lookEvery = 20 * time.Millisecond

// Read hands records to fn until the deadline, or until Wake is called. A record is gone when fn returns.
func (s *Session) Read(deadline time.Time, fn func(record []byte)) error {
	for {
		records, err := s.take()
		for _, r := range records {
			fn(r)
		}
		left := time.Until(deadline)
		if err != nil || left <= 0 {
			return err
		}
		s.wait(min(left, lookEvery))
		if s.woken.Swap(false) {
			deadline = time.Time{} // one more look
		}
	}
}

// Wake makes a Read that runs now, or the next one, return soon. It may be called from everywhere.
func (s *Session) Wake() { s.woken.Store(true) }

func (s *Session) take() ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.collect()
	records := s.pending
	s.pending = nil
	return records, err
}

// wait sleeps until something comes, at most as long as said.
func (s *Session) wait(left time.Duration) {
	s.mu.Lock()
	busy := len(s.waiting) > 0
	fds := make([]unix.PollFd, 0, len(s.cpus))
	for _, c := range s.cpus {
		fds = append(fds, unix.PollFd{Fd: int32(c.fd), Events: unix.POLLIN})
	}
	s.mu.Unlock()
	if busy {
		time.Sleep(min(left, restEvery))
		return
	}
	_, _ = unix.Poll(fds, int(left.Milliseconds())+1)
}

// collect reads all rings and works off the events that are in order for sure: those older than the round before this one began. By
// then whatever was being written has been written.
func (s *Session) collect() error {
	if len(s.cpus) == 0 {
		return nil
	}
	began := now()
	for _, c := range s.cpus {
		if err := c.drain(func(r raw) { s.waiting = append(s.waiting, r) }); err != nil {
			return err
		}
	}
	horizon := s.horizon
	s.horizon = began
	if s.ended {
		horizon = math.MaxUint64
	}
	slices.SortStableFunc(s.waiting, func(a, b raw) int { return cmp.Compare(a.time, b.time) })
	n, _ := slices.BinarySearchFunc(s.waiting, horizon, func(r raw, h uint64) int { return cmp.Compare(r.time, h) })
	for _, r := range s.waiting[:n] {
		s.work(r)
	}
	s.waiting = slices.Delete(s.waiting, 0, n)
	return nil
}

// work does what one event asks for.
func (s *Session) work(r raw) {
	if len(r.record) < 8 {
		return
	}
	id := field{0, 2}.number(r.record)
	if uint16(id) == s.fork.id {
		f := s.fork.fields
		s.tasks.begins(int(f["common_pid"].number(r.record)), int(f["pid"].number(r.record)), f["clone_flags"].number(r.record))
		return
	}
	e := s.byID[uint16(id)]
	if e == nil {
		return
	}
	number := e.shape.site.number(r.record)
	if number >= uint64(len(s.places)) {
		return
	}
	h := e.hit(r.record, s.places[number].site)
	pid, known := s.tasks.of(h.TID)
	if !known {
		s.seen.nobody++
		return
	}
	if !s.tasks.observes(pid) {
		return
	}
	h.PID, h.CPU, h.Time = pid, r.cpu, r.time
	paired := s.plan.Probes[e.probe].Bodies[e.body].Frame != nil
	if e.counts {
		s.seen.of(e, paired)
		s.machine.Filtered(e.probe, h)
		return
	}
	memory := e.memory(r.record, h, s.pages)
	memory.pid = pid
	h.Memory = memory
	if s.filtered(e, h, paired) {
		return
	}
	s.seen.of(e, paired)
	s.machine.Hit(e.probe, h)
}

// filtered reports whether a thread's name is none of those observed. A return needs no look at it where the entry had one.
func (s *Session) filtered(e *event, h *interp.Hit, paired bool) bool {
	name := s.plan.Filter.Comm
	if name == "" || paired && e.part != entries {
		return false
	}
	return h.Comm != name[:min(len(name), plan.CommSize-1)]
}
