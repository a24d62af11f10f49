package mixed

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/plan"
)

// No engine can wait for the other's records, so they are asked in turns: soon while records come, ever less often while none do.
const (
	shortestTurn = 500 * time.Microsecond
	longestTurn  = 10 * time.Millisecond
)

// queue is the records that another engine's may have to go before.
type queue []record

type record struct {
	time  uint64
	bytes []byte
}

// Read hands every record to fn until the deadline has passed, or until Wake is called; what the rings hold then is read to its end first, so a
// deadline in the past drains them.
func (s *Session) Read(deadline time.Time, fn func(record []byte)) error {
	if len(s.parts) == 1 {
		return s.parts[0].Read(deadline, fn)
	}
	turn := shortestTurn
	for {
		before := len(s.queue)
		if s.woken.Swap(false) {
			deadline = time.Time{} // one more turn
		}
		wait := max(0, time.Until(deadline))
		if s.sends() {
			wait = min(wait, turn)
		}
		complete, err := s.collect(wait)
		if err != nil {
			return err
		}
		turn = min(2*turn, longestTurn)
		if len(s.queue) > before {
			turn = shortestTurn
		}
		over := !time.Now().Before(deadline)
		if over && s.closed.Load() {
			complete = ^uint64(0)
		}
		s.queue = s.queue.give(complete, fn)
		if over {
			return nil
		}
	}
}

// sends reports whether the plan has anything that records come from.
func (s *Session) sends() bool {
	return slices.ContainsFunc(s.parts, func(p part) bool { return len(p.plan.Emissions) > 0 })
}

// Wake makes a Read that runs now, or the next one, return. It may be called from everywhere.
func (s *Session) Wake() {
	s.woken.Store(true)
	s.parts[len(s.parts)-1].Wake()
}

// collect reads both rings, the last as long as a turn. No record older than complete, on the monotonic clock, is missing.
func (s *Session) collect(turn time.Duration) (complete uint64, err error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0, err
	}
	take := func(b []byte) {
		s.queue = append(s.queue, record{binary.LittleEndian.Uint64(b[plan.RecordTime:]), slices.Clone(b)})
	}
	last := len(s.parts) - 1
	for _, p := range s.parts[:last] {
		if err := p.Read(time.Time{}, take); err != nil {
			return 0, err
		}
	}
	return uint64(now.Nano()), s.parts[last].Read(time.Now().Add(turn), take)
}

// give hands on what is older than a time, oldest first, and keeps the rest.
func (q queue) give(before uint64, fn func([]byte)) queue {
	slices.SortStableFunc(q, func(a, b record) int { return cmp.Compare(a.time, b.time) })
	n := 0
	for n < len(q) && q[n].time < before {
		fn(q[n].bytes)
		n++
	}
	return slices.Delete(q, 0, n)
}
