package agg

import (
	"cmp"
	"slices"
	"time"

	"github.com/sonde-project/sonde/event"
)

// Sequence puts calls back into the order in which they began. A call arrives when it returns, so what it called arrives
// first; the calls of one thread (or goroutine) are held back until the outermost one ended. To hold back is bounded
// in number and in time, and both bounds cost order only, never a call.
type Sequence struct {
	limit   int           // calls held back at once
	wait    time.Duration // how long a call is held back at most
	threads map[owner]*pending
	held    int
}

// owner is the thread or goroutine whose calls nest in each other.
type owner struct {
	pid       int
	tid       int
	goroutine uint64
}

// pending are the calls of one owner, by time of entry.
type pending struct {
	since time.Time // arrival of the first
	calls []*event.Call
}

// NewSequence holds back at most limit calls, each at most for wait.
func NewSequence(limit int, wait time.Duration) *Sequence {
	return &Sequence{limit: limit, wait: wait, threads: map[owner]*pending{}}
}

// Add takes a call that arrived now and gives the calls that this lets go, in order.
func (s *Sequence) Add(c *event.Call, now time.Time) []*event.Call {
	who := ownerOf(c)
	p := s.threads[who]
	outermost := c.Depth == 0 && c.Outcome != event.Unfinished
	if p == nil && outermost {
		return []*event.Call{c}
	}
	if p == nil {
		p = &pending{since: now}
		s.threads[who] = p
	}
	p.insert(c)
	s.held++
	switch {
	case outermost:
		return s.release(who)
	case s.held >= s.limit:
		return s.Flush()
	}
	return nil
}

// Overdue gives the calls that were held back for too long.
func (s *Sequence) Overdue(now time.Time) []*event.Call {
	return s.flush(func(p *pending) bool { return now.Sub(p.since) >= s.wait })
}

// Flush gives everything that is held back.
func (s *Sequence) Flush() []*event.Call {
	return s.flush(func(*pending) bool { return true })
}

// flush releases the owners that due chooses, the one that began first before the others.
func (s *Sequence) flush(due func(*pending) bool) []*event.Call {
	var owners []owner
	for who, p := range s.threads {
		if due(p) {
			owners = append(owners, who)
		}
	}
	slices.SortFunc(owners, func(a, b owner) int {
		return cmp.Or(s.threads[a].calls[0].Time.Compare(s.threads[b].calls[0].Time), cmp.Compare(a.tid, b.tid),
			cmp.Compare(a.goroutine, b.goroutine), cmp.Compare(a.pid, b.pid))
	})
	var calls []*event.Call
	for _, who := range owners {
		calls = append(calls, s.release(who)...)
	}
	return calls
}

func (s *Sequence) release(who owner) []*event.Call {
	calls := s.threads[who].calls
	delete(s.threads, who)
	s.held -= len(calls)
	return calls
}

// insert keeps calls ascending by time of entry; of two at the same moment the outer one comes first.
func (p *pending) insert(c *event.Call) {
	at := len(p.calls)
	for at > 0 && before(c, p.calls[at-1]) {
		at--
	}
	p.calls = slices.Insert(p.calls, at, c)
}

func before(a, b *event.Call) bool {
	if d := a.Time.Compare(b.Time); d != 0 {
		return d < 0
	}
	return a.Depth < b.Depth
}

// ownerOf prefers the goroutine: it moves between threads.
func ownerOf(c *event.Call) owner {
	if c.Goroutine != 0 {
		return owner{pid: c.PID, goroutine: c.Goroutine}
	}
	return owner{pid: c.PID, tid: c.TID}
}
