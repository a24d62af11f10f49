package user

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// The reader looks by itself, soon while many records come, less often while few do; where none come it sleeps until one does.
const (
	shortestPause = 200 * time.Microsecond
	longestPause  = 4 * time.Millisecond // the fastest program fills a fifth of a ring of the usual size meanwhile
	// many is the part of a ring whose being full says that many come.
	many = 64
	// patience is how long a record may be written at the end of the run, when no thread runs our code any more.
	patience = 100 * time.Millisecond
)

// Wake makes a Read that runs now, or the next one, return. It may be called from everywhere.
func (s *Session) Wake() {
	s.wake.Wake()
	s.sleeper.Rouse()
}

// Read hands every record to fn until the deadline has passed, or until Wake is called; what is in the ring then is read to its end first,
// so a deadline in the past drains it. The record is gone when fn returns.
func (s *Session) Read(deadline time.Time, fn func(record []byte)) error {
	for {
		if err := s.clock.keep(s.memory); err != nil {
			return err
		}
		s.glance()
		much := s.wait(many)
		some, busy := s.drain(fn)
		left := time.Until(deadline)
		rests := len(s.rings) == 0 || !some && !busy && s.pause == longestPause
		switch {
		case busy && s.disarmed.Load():
			s.finishRings(fn)
			return nil
		case left <= 0:
			return nil
		case much || busy:
			s.pause = shortestPause
		default:
			s.pause = min(max(2*s.pause, shortestPause), longestPause)
		}
		if rests && s.sleep(left) || !rests && s.wake.Wait(min(left, s.pause)) {
			deadline = time.Time{} // one more drain
		}
	}
}

// wait reports whether so great a part of a ring waits to be read, 1 in part.
func (s *Session) wait(part int) bool {
	return slices.ContainsFunc(s.rings, func(r ring) bool { return r.Waiting() > r.Size()/part })
}

// sleep sleeps until a record is made, as long as said at most, and reports whether Wake was called.
func (s *Session) sleep(d time.Duration) (woken bool) {
	if len(s.rings) == 0 {
		return s.wake.Wait(d)
	}
	s.sleeper.Lie()
	defer s.sleeper.Rise()
	if s.wake.Called() {
		return true
	}
	if slices.ContainsFunc(s.rings, func(r ring) bool { return r.Waiting() > 0 }) { // it came just now, or the process has damaged the ring
		return s.wake.Wait(min(d, s.pause))
	}
	s.sleeper.Sleep(d)
	return s.wake.Called()
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
