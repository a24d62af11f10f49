package sonde

import (
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/plan"
)

// running is a plan that an engine runs, by what the session asks of it.
type running interface {
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
	Read(deadline time.Time, fn func(record []byte)) error
	remembering
}

// remembering is about calls that have begun and not ended.
type remembering interface {
	Unfinished(fn func(engine.OpenCall) error) error
	Sweep(fn func(engine.OpenCall)) error
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
	Counts() (engine.Counts, error)
}

// decoding turns what an engine hands out into events.
type decoding interface {
	Record(record []byte) (event.Event, error)
	Map(m int, cells plan.Cells, stack func(id uint64) []uint64) (event.Map, error)
}
