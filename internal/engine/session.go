package engine

import (
	"time"

	"github.com/sonde-project/sonde/internal/plan"
)

// Session is a plan that an engine has loaded. Its order is Run (BEGIN), Arm, Read as long as it lasts, Disarm, Read once more, Run (END),
// Cells, Close.
type Session interface {
	arming
	reading
	keeping
}

// arming is the life of the probes.
type arming interface {
	Arm() ([]plan.Refusal, error)
	Disarm()
	Close() error
}

// reading is what programs send, and the programs that run by themselves.
type reading interface {
	Run(probe int) error
	waiting
	remembering
}

// waiting is about records. Read hands on what comes until its deadline has passed or Wake is called, and what is there then; Wake may be
// called from everywhere as long as the session is not closed.
type waiting interface {
	Read(deadline time.Time, fn func(record []byte)) error
	Wake()
}

// remembering is about calls that have begun and not ended.
type remembering interface {
	Unfinished(fn func(OpenCall) error) error
	Sweep(fn func(OpenCall)) error
}

// keeping is what programs keep.
type keeping interface {
	Cells(m int, fn func(key []byte, values [][]byte) error) error
	Clear(m int, zero bool) error
	tally
}

// tally is what engines know beside maps.
type tally interface {
	Stack(id uint64) []uint64
	Counts() (Counts, error)
}

// Stopping is an engine that lets processes stand still for moments.
type Stopping interface{ Stops() Stops }

// Stops are such moments: how long the longest was, and how many there were.
type Stops struct {
	Longest time.Duration
	Number  int
}

// Add adds further ones.
func (s *Stops) Add(more Stops) {
	s.Longest, s.Number = max(s.Longest, more.Longest), s.Number+more.Number
}
