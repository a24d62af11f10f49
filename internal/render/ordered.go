package render

import (
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
)

const (
	// heldCalls and heldFor bound what is kept back so that calls read in the order in which they began.
	heldCalls = 4096
	heldFor   = 300 * time.Millisecond
)

// ordered puts calls into the order in which they began before they are written.
type ordered struct {
	Stream
	calls *agg.Sequence
}

// Ordered writes calls to a stream in the order in which they began, as text wants them.
func Ordered(to Stream) Stream {
	return &ordered{Stream: to, calls: agg.NewSequence(heldCalls, heldFor)}
}

func (o *ordered) Event(e event.Event) error {
	if c, ok := e.(*event.Call); ok {
		return o.write(o.calls.Add(c, time.Now()))
	}
	if m, ok := e.(*event.MapPrint); ok && m.Final {
		if err := o.write(o.calls.Flush()); err != nil {
			return err
		}
	}
	return o.Stream.Event(e)
}

func (o *ordered) Flush() error {
	if err := o.write(o.calls.Overdue(time.Now())); err != nil {
		return err
	}
	return o.Stream.Flush()
}

func (o *ordered) End(s event.Stats) error {
	if err := o.write(o.calls.Flush()); err != nil {
		return err
	}
	return o.Stream.End(s)
}

func (o *ordered) write(calls []*event.Call) error {
	for _, c := range calls {
		if err := o.Stream.Event(c); err != nil {
			return err
		}
	}
	return nil
}
