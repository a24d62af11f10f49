package sonde

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// decoding turns what an engine hands out into events.
type decoding interface {
	Record(record []byte) (event.Event, error)
	Map(m int, cells plan.Cells, stack func(id uint64) []uint64) (event.Map, error)
}
