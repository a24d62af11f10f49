package kernel

import (
	"encoding/binary"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/plan"
)

// Counts adds up what programs counted on every CPU, and what the kernel counted about the programs. It may be called at
// any time; after Disarm it is final, and knows the calls that did not end.
func (s *Session) Counts() (engine.Counts, error) {
	var c engine.Counts
	err := s.cellsOf(codegen.StatsMap, func(_ []byte, values [][]byte) error { return addCounters(&c, values) })
	if err != nil {
		return c, err
	}
	if err := s.addDenseHits(&c); err != nil {
		return c, err
	}
	for i, p := range s.progs {
		if s.code.Progs[i].Ends {
			continue // the call's frame stays, and is counted as a return that was missed
		}
		if stats, err := p.Stats(); err == nil {
			c.Nested += stats.RecursionMisses
		}
	}
	if !s.disarmed.Load() {
		return c, nil
	}
	err = s.Unfinished(func(call engine.OpenCall) error {
		c.Open(call)
		return nil
	})
	c.Exited += s.swept.Exited
	return c, err
}

// addDenseHits adds the hits of probes whose map is their only counter.
func (s *Session) addDenseHits(c *engine.Counts) error {
	c.Of[plan.CountHits] += s.cleared
	for _, m := range s.code.HitsFrom {
		n, err := s.sumCounts(m)
		if err != nil {
			return err
		}
		c.Of[plan.CountHits] += n
	}
	return nil
}

// sumCounts adds up the counts of all entries of a map.
func (s *Session) sumCounts(m int) (sum uint64, err error) {
	at := s.plan.Maps[m].Fields().Count
	err = s.Cells(m, func(_ []byte, values [][]byte) error {
		for _, value := range values {
			sum += binary.NativeEndian.Uint64(value[at:])
		}
		return nil
	})
	return sum, err
}

// addCounters adds the counters of every CPU.
func addCounters(c *engine.Counts, values [][]byte) error {
	for _, value := range values {
		for i := range min(len(c.Of), len(value)/8) {
			c.Of[i] += binary.NativeEndian.Uint64(value[8*i:])
		}
	}
	return nil
}
