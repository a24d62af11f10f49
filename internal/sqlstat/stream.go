package sqlstat

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/event"
)

// Options say what is shown of statements.
type Options struct {
	// Slow hands on each statement that took at least so long; 0: none.
	Slow time.Duration
	// Literals shows statements and messages as they are; false: without the values in them.
	Literals bool
	// Gone tells that a process is no more; nil: none ever is. It is asked now and then, so that nothing is kept of processes that came
	// and went.
	Gone func(pid int) bool
}

// Gone tells that a process of this machine is no more.
func Gone(pid int) bool { return errors.Is(unix.Kill(pid, 0), unix.ESRCH) }

// Sink is where statements and tables go.
type Sink interface {
	Event(e event.Event) error
	Flush() error
	End(s event.Stats) error
}

// Stream takes the events of a run, hands on slow statements as they end, and one event.Query for each digest at the end. Queries
// and Transactions may be called from any goroutine while events come.
type Stream struct {
	to      Sink
	o       Options
	mu      sync.Mutex
	pairing *pairing
	table   *table
	err     error // of the sink, while records were taken
	swept   time.Time
	dying   map[int]bool // were gone when last looked at, but the ring may have held records of theirs
}

// NewStream makes a stream in front of a sink.
func NewStream(to Sink, o Options) *Stream {
	s := &Stream{to: to, o: o, table: newTable(o.Literals)}
	s.pairing = newPairing(s.ended)
	s.pairing.left = s.table.tx.leave
	return s
}

// Event takes a record of the script; what else the script prints is not shown.
func (s *Stream) Event(e event.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := e.(*event.Print); ok {
		s.pairing.add(p)
		s.sweep(p.Time)
	}
	return s.err
}

// sweepEvery is how often processes that are gone are looked for.
const sweepEvery = 5 * time.Second

// sweep forgets processes that were gone at the last look already.
func (s *Stream) sweep(now time.Time) {
	if s.o.Gone == nil || now.Sub(s.swept) < sweepEvery {
		return
	}
	s.swept = now
	known, dying := map[int]bool{}, map[int]bool{}
	gone := func(o owner) bool {
		is, asked := known[o.pid]
		if !asked {
			is = s.o.Gone(o.pid)
			known[o.pid] = is
		}
		dying[o.pid] = is
		return is && s.dying[o.pid]
	}
	s.pairing.forget(gone)
	drop(s.table.tx.open, gone)
	s.dying = dying
}

// kept is how long an ended statement waits for what is told of it later.
const kept = 200 * time.Millisecond

// Flush hands on what waited long enough.
func (s *Stream) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pairing.settle(time.Now().Add(-kept))
	if s.err != nil {
		return s.err
	}
	return s.to.Flush()
}

func (s *Stream) ended(x *execution) {
	s.table.add(x)
	if s.o.Slow > 0 && x.Duration >= s.o.Slow && s.err == nil {
		s.err = s.to.Event(s.table.shown(x))
	}
}

// Queries is the table as it stands, the largest total time first.
func (s *Stream) Queries() []*event.Query {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.queries()
}

// Transactions are those of each system as they stand.
func (s *Stream) Transactions() []*event.Transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.transactions()
}

// Open is how many statements have begun and not ended.
func (s *Stream) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pairing.open()
}

// End hands on the table.
func (s *Stream) End(stats event.Stats) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pairing.settle(time.Now().Add(time.Hour))
	for _, q := range s.table.queries() {
		if s.err == nil {
			s.err = s.to.Event(q)
		}
	}
	for _, t := range s.table.transactions() {
		if s.err == nil {
			s.err = s.to.Event(t)
		}
	}
	if s.err != nil {
		return s.err
	}
	return s.to.End(stats)
}
