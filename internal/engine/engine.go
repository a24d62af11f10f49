// Package engine is the vocabulary that all engines share: how a run accounts for itself, and calls that have not ended.
//
// In: the counters that programs keep and those the kernel keeps about programs. Out: event.Stats. Invariant: nothing is
// dropped on the way: every counter ends in a field of event.Stats, but for that of returns, which hits imply. It must not know
// how probes are armed.
package engine

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// Counts is what an engine counted, summed over all CPUs.
type Counts struct {
	Of [plan.Counters]uint64
	// Nested counts hits for which the kernel did not run the program because another one ran on that CPU.
	Nested uint64
	// Unfinished counts calls that had begun and not ended, Exited those whose thread or process ended first.
	Unfinished, Exited uint64
}

// Open counts a call that has begun and not ended.
func (c *Counts) Open(call OpenCall) {
	switch {
	case call.Gone:
		c.Exited++
	default:
		c.Unfinished++
	}
}

// Hits are those that passed the process filter, whether their program ran or not.
func (c *Counts) Hits() uint64 { return c.Of[plan.CountHits] + c.Nested }

// Add puts the counts of another part of a run in.
func (c *Counts) Add(other Counts) {
	for i, n := range other.Of {
		c.Of[i] += n
	}
	c.Nested += other.Nested
	c.Unfinished += other.Unfinished
	c.Exited += other.Exited
}

// Stats names the counts. Cost and Elapsed are not known here.
func (c *Counts) Stats() event.Stats {
	s := event.Stats{
		Hits:       c.Hits(),
		Filtered:   c.Of[plan.CountFiltered],
		Events:     c.Of[plan.CountEvents],
		Unfinished: c.Unfinished,
		Truncated:  c.Of[plan.CountTruncated],
		Unreadable: c.Of[plan.CountUnreadable],
	}
	for cause, n := range map[event.LostCause]uint64{
		event.LostRing:    c.Of[plan.CountLostRing],
		event.LostFrames:  c.Of[plan.CountLostFrames],
		event.LostMap:     c.Of[plan.CountLostMap],
		event.LostScratch: c.Of[plan.CountLostScratch],
		event.LostNested:  c.Nested,
	} {
		if n > 0 {
			s.LostBy = with(s.LostBy, cause, n)
			s.Lost += n
		}
	}
	for cause, n := range map[event.MissCause]uint64{
		event.MissedUnwound: c.Of[plan.CountMissedUnwound],
		event.MissedExit:    c.Exited,
		event.MissedTail:    c.Of[plan.CountMissedTail],
		event.MissedKernel:  c.Of[plan.CountMissedKernel],
	} {
		if n > 0 {
			s.MissedBy = with(s.MissedBy, cause, n)
			s.MissedReturns += n
		}
	}
	return s
}

func with[K comparable](m map[K]uint64, key K, n uint64) map[K]uint64 {
	if m == nil {
		m = map[K]uint64{}
	}
	m[key] = n
	return m
}
