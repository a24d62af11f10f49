package engine

import (
	"reflect"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

func TestEveryCounterEndsInTheStats(t *testing.T) {
	for c := range plan.Counters {
		var counts Counts
		counts.Of[c] = 7
		if empty := reflect.DeepEqual(counts.Stats(), event.Stats{}); empty != (c == plan.CountReturns) {
			t.Errorf("counter %d: %+v", c, counts.Stats())
		}
	}
}

func TestLossesAndMissesAddUpByCause(t *testing.T) {
	c := Counts{Nested: 1, Unfinished: 2, Exited: 3}
	c.Of[plan.CountHits], c.Of[plan.CountFiltered], c.Of[plan.CountEvents] = 100, 10, 60
	c.Of[plan.CountLostRing], c.Of[plan.CountLostFrames], c.Of[plan.CountLostMap], c.Of[plan.CountLostScratch] = 4, 5, 6, 7
	c.Of[plan.CountMissedUnwound], c.Of[plan.CountMissedKernel] = 8, 10
	want := event.Stats{
		Hits: 101, Filtered: 10, Events: 60, Unfinished: 2, Lost: 23, MissedReturns: 21,
		LostBy: map[event.LostCause]uint64{
			event.LostRing: 4, event.LostFrames: 5, event.LostMap: 6, event.LostScratch: 7, event.LostNested: 1,
		},
		MissedBy: map[event.MissCause]uint64{event.MissedUnwound: 8, event.MissedExit: 3, event.MissedKernel: 10},
	}
	if got := c.Stats(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPartsOfARunAddUp(t *testing.T) {
	one := Counts{Nested: 1, Unfinished: 2, Exited: 3}
	for c := range plan.Counters {
		one.Of[c] = uint64(c) + 1
	}
	sum := one
	sum.Add(one)
	want := Counts{Nested: 2, Unfinished: 4, Exited: 6}
	for c := range plan.Counters {
		want.Of[c] = 2 * (uint64(c) + 1)
	}
	if sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
}
