package kernel

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/perf"

	"github.com/sonde-project/sonde/internal/object"
)

// perfPages is the size of a CPU's perf buffer in pages, that of libbpf's tools.
const perfPages = 64

// source is a map of records that is being read: a ring buffer, or the perf buffers of an array.
type source struct {
	ring *ring
	perf *perf.Reader
}

// openSources opens every map of records, in the order of the object's Sources.
func (s *Object) openSources() error {
	for _, src := range s.Object.Sources {
		m := s.loaded.Maps[src.Map]
		var open source
		var err error
		if src.Perf {
			open.perf, err = perf.NewReader(m, perfPages*os.Getpagesize())
		} else {
			open.ring, err = openRing(m)
		}
		if err != nil {
			return fmt.Errorf("map %s: %w", src.Map, err)
		}
		s.sources = append(s.sources, open)
	}
	if s.printk != nil {
		return s.printk.open(s.loaded)
	}
	return nil
}

func (s source) close() error {
	if s.perf != nil {
		return s.perf.Close()
	}
	return s.ring.close()
}

// Read hands every record to fn, behind a header that says where it came from, until the deadline has passed or Wake is called; a
// deadline in the past reads what is there. The record is gone when fn returns.
func (s *Object) Read(deadline time.Time, fn func(record []byte)) error {
	s.held.heir.glance()
	pause := shortestPause
	for {
		before := s.read
		for i, src := range s.sources {
			if err := s.drain(uint32(i), src, fn); err != nil {
				return fmt.Errorf("map %s: %w", s.Object.Sources[i].Map, err)
			}
		}
		if s.printk != nil {
			if err := s.printk.read(func(record []byte) { s.read++; fn(record) }); err != nil {
				return fmt.Errorf("lines of bpf_printk: %w", err)
			}
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil
		}
		if s.read != before {
			pause = shortestPause
		}
		if s.sends() {
			left = min(left, pause)
		}
		if s.wake.Wait(left) {
			deadline = time.Time{} // one more look
		}
		pause = min(2*pause, longestPause)
	}
}

// sends reports whether there is anything that records may come from.
func (s *Object) sends() bool { return len(s.sources) > 0 || s.printk != nil }

// Wake makes a Read that runs now, or the next one, return. It may be called from everywhere.
func (s *Object) Wake() { s.wake.Wake() }

// drain reads what a source holds now.
func (s *Object) drain(index uint32, src source, fn func([]byte)) error {
	give := func(b []byte) {
		s.record = append(s.record[:0], make([]byte, object.Header)...)
		object.PutHeader(s.record, index)
		s.record = append(s.record, b...)
		s.read++
		fn(s.record)
	}
	if src.perf == nil {
		return src.ring.read(time.Now(), give)
	}
	src.perf.SetDeadline(time.Now())
	var r perf.Record
	for {
		switch err := src.perf.ReadInto(&r); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		case r.LostSamples > 0:
			s.lost += r.LostSamples
		default:
			give(r.RawSample)
		}
	}
}
