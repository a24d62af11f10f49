package user

import (
	"fmt"
	"os"
	"time"
)

// The reader looks by itself, soon while records come, ever less often while none do: the process wakes nobody. Where the plan sends no
// records there is nothing to look at.
const (
	shortestPause = 200 * time.Microsecond
	longestPause  = 20 * time.Millisecond
	// patience is how long a record may be written at the end of the run, when no thread runs our code any more.
	patience = 100 * time.Millisecond
)

// Wake makes a Read that runs now, or the next one, return. It may be called from everywhere.
func (s *Session) Wake() { s.wake.Wake() }

// Read hands every record to fn until the deadline has passed, or until Wake is called; what is in the ring then is read to its end first,
// so a deadline in the past drains it. The record is gone when fn returns.
func (s *Session) Read(deadline time.Time, fn func(record []byte)) error {
	for {
		if err := s.clock.keep(s.memory); err != nil {
			return err
		}
		some, busy := s.drain(fn)
		left := time.Until(deadline)
		switch {
		case busy && s.disarmed:
			s.finishRings(fn)
			return nil
		case left <= 0:
			return nil
		case some || busy:
			s.pause = shortestPause
		default:
			s.pause = min(max(2*s.pause, shortestPause), longestPause)
		}
		if len(s.rings) > 0 {
			left = min(left, s.pause)
		}
		if s.wake.Wait(left) {
			deadline = time.Time{} // one more drain
		}
	}
}

func (s *Session) drain(fn func([]byte)) (some, busy bool) {
	for i := range s.rings {
		wrote, writes := s.rings[i].drain(fn)
		some, busy = some || wrote, busy || writes
	}
	return some, busy
}

func (r *ring) drain(fn func([]byte)) (some, busy bool) {
	if r.form == nil {
		return r.Drain(fn)
	}
	return r.Drain(func(record []byte) {
		if b := r.form(record); b != nil {
			fn(b)
		}
	})
}

// finishRings passes the records that were never finished: their threads have ended in the middle.
func (s *Session) finishRings(fn func([]byte)) {
	until := time.Now().Add(patience)
	for i := range s.rings {
		s.torn += s.rings[i].finish(until, fn)
	}
}

// finish says how many records were passed.
func (r *ring) finish(until time.Time, fn func([]byte)) (torn uint64) {
	for {
		_, busy := r.drain(fn)
		switch {
		case !busy:
			return torn
		case r.Skip(threadExists, time.Now().After(until)):
			torn++
		case time.Now().After(until):
			return torn
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

// threadExists looks a thread up.
func threadExists(tid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", tid))
	return err == nil
}
