package codegen_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/kernel"
	"github.com/sonde-project/sonde/internal/plan"
)

// cell is what a map holds under one key, put together from all CPUs.
type cell struct {
	count, sum int64
	min, max   int64
	buckets    []uint64
}

// cells reads an aggregating map with a number as key (or none).
func cells(t testing.TB, s *kernel.Session, p *plan.Plan, m int) map[int64]cell {
	t.Helper()
	desc := &p.Maps[m]
	fields := desc.Fields()
	word := func(b []byte, at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
	got := map[int64]cell{}
	err := s.Cells(m, func(key []byte, values [][]byte) error {
		k := int64(0)
		if len(key) >= 8 {
			k = int64(word(key, 0))
		} else {
			k = int64(binary.NativeEndian.Uint32(key))
		}
		c := cell{buckets: make([]uint64, desc.Buckets())}
		var least, most uint64
		for _, v := range values {
			if fields.Count >= 0 {
				c.count += int64(word(v, fields.Count))
			}
			if fields.Sum >= 0 {
				c.sum += int64(word(v, fields.Sum))
			}
			if fields.Min >= 0 {
				least = max(least, word(v, fields.Min))
			}
			if fields.Max >= 0 {
				most = max(most, word(v, fields.Max))
			}
			for i := range c.buckets {
				c.buckets[i] += word(v, fields.Buckets+8*i)
			}
		}
		if fields.Min >= 0 {
			c.min = desc.Unorder(least, true)
		}
		if fields.Max >= 0 {
			c.max = desc.Unorder(most, false)
		}
		got[k] = c
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// fed is what a cell holds when it was fed the numbers.
func fed(m *plan.Map, numbers []int64) cell {
	c := cell{buckets: make([]uint64, m.Buckets())}
	fields := m.Fields()
	less := func(a, b int64) bool {
		if m.Value.Signed {
			return a < b
		}
		return uint64(a) < uint64(b)
	}
	for i, v := range numbers {
		if fields.Count >= 0 {
			c.count++
		}
		if fields.Sum >= 0 {
			c.sum += v
		}
		if fields.Min >= 0 && (i == 0 || less(v, c.min)) {
			c.min = v
		}
		if fields.Max >= 0 && (i == 0 || less(c.max, v)) {
			c.max = v
		}
		if len(c.buckets) > 0 {
			c.buckets[m.BucketOf(v)]++
		}
	}
	return c
}

func sameCell(a, b cell) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// everyMap is a map of every kind that aggregates, signed and not.
func everyMap(keys []plan.Type) []plan.Map {
	var maps []plan.Map
	for _, value := range []plan.Type{long, ulong} {
		for kind := event.AggCount; kind <= event.AggQuantiles; kind++ {
			m := plan.Map{Name: fmt.Sprint("@", kind), Kind: kind, Keys: keys, Value: value}
			switch kind {
			case event.AggLhist:
				m.Min, m.Max, m.Step = -100, 1000, 33
				maps = append(maps, m)
			case event.AggHist, event.AggQuantiles:
				for _, m.Bits = range []int{0, 2, 5} {
					maps = append(maps, m)
				}
			default:
				maps = append(maps, m)
			}
		}
	}
	return maps
}

func TestEveryAggregationHoldsWhatItWasFed(t *testing.T) {
	numbers := append([]int64{-101, -100, -68, -67, 5, 998, 999, 1000, 1 << 43, 1<<44 - 1, 1 << 44, math.MaxInt64 - 1}, interesting...)
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		for _, keys := range [][]plan.Type{nil, {long}} {
			p := begin()
			p.Maps = append([]plan.Map{valueMap("@in")}, everyMap(keys)...)
			body := &p.Probes[0].Bodies[0]
			for i, v := range numbers {
				body.Stmts = append(body.Stmts, &plan.MapSet{Map: 0, Key: []plan.Expr{num(int64(i))}, X: num(v)})
			}
			// One probe per map: each program feeds all numbers, read from a map so that the verifier does not know them.
			for m := 1; m < len(p.Maps); m++ {
				var stmts []plan.Stmt
				for i := range numbers {
					s := &plan.MapAggregate{Map: m, X: input(i)}
					if keys != nil {
						s.Key = []plan.Expr{num(int64(i % 2))}
					}
					stmts = append(stmts, s)
				}
				p.Probes = append(p.Probes, plan.Probe{Kind: plan.Interval, Name: p.Maps[m].Name, Bodies: []plan.Body{{Stmts: stmts}}})
			}
			s := load(t, p, f)
			for i := range p.Probes {
				if err := s.Run(i); err != nil {
					t.Fatal(err)
				}
			}
			for m := 1; m < len(p.Maps); m++ {
				got := cells(t, s, p, m)
				parts := [2][]int64{}
				for i, v := range numbers {
					k := i % 2
					if keys == nil {
						k = 0
					}
					parts[k] = append(parts[k], v)
				}
				for k, part := range parts {
					if want := fed(&p.Maps[m], part); len(part) > 0 && !sameCell(got[int64(k)], want) {
						t.Errorf("kind %d bits %d signed %v key %d:\n%+v, want\n%+v", p.Maps[m].Kind, p.Maps[m].Bits, p.Maps[m].Value.Signed, k, got[int64(k)], want)
					}
				}
			}
			wantCounts(t, s, nil)
		}
	})
}

// bucketNumbers are numbers around every edge.
func bucketNumbers() []int64 {
	var list []int64
	for e := range 64 {
		for _, d := range []int64{-1, 0, 1} {
			list = append(list, 1<<e+d, -(1<<e)+d, 3<<e>>1+d)
		}
	}
	for v := int64(-120); v < 1100; v += 19 {
		list = append(list, v)
	}
	return list
}

func TestBucketsAreThoseOfTheDecoder(t *testing.T) {
	f := features(t)
	var maps []plan.Map
	for _, m := range everyMap([]plan.Type{long}) {
		if m.Buckets() > 0 {
			maps = append(maps, m)
		}
	}
	numbers := bucketNumbers()
	for _, m := range maps {
		p := begin()
		p.Maps = []plan.Map{valueMap("@in"), m}
		p.Probes = nil
		for i, v := range numbers {
			if i%30 == 0 {
				p.Probes = append(p.Probes, plan.Probe{Kind: plan.Interval, Name: "feed", Bodies: make([]plan.Body, 1)})
			}
			body := &p.Probes[len(p.Probes)-1].Bodies[0]
			body.Stmts = append(body.Stmts, &plan.MapSet{Map: 0, Key: []plan.Expr{num(int64(i))}, X: num(v)},
				&plan.MapAggregate{Map: 1, Key: []plan.Expr{num(int64(i))}, X: input(i)})
		}
		s := load(t, p, f)
		for i := range p.Probes {
			if err := s.Run(i); err != nil {
				t.Fatal(err)
			}
		}
		got := cells(t, s, p, 1)
		for i, v := range numbers {
			if want := fed(&m, []int64{v}); !sameCell(got[int64(i)], want) {
				t.Errorf("kind %d bits %d signed %v: %d gives %v, want bucket %d", m.Kind, m.Bits, m.Value.Signed, v, got[int64(i)].buckets, m.BucketOf(v))
			}
		}
		wantCounts(t, s, nil)
	}
}

func TestAMapWithoutRoomCountsWhatItLoses(t *testing.T) {
	eachKernel(t, func(t *testing.T, f codegen.Features) {
		p := begin()
		p.Limits.Keys = 10
		p.Maps = []plan.Map{{Name: "@", Kind: event.AggCount, Keys: []plan.Type{long}, Value: ulong}, valueMap("@v"), valueMap("@w")}
		var stmts []plan.Stmt
		for i := range int64(25) {
			key := []plan.Expr{num(i)}
			stmts = append(stmts, &plan.MapAggregate{Map: 0, Key: key}, &plan.MapSet{Map: 1, Key: key, X: num(1)}, &plan.MapAdd{Map: 2, Key: key, X: num(i)})
		}
		p.Probes[0].Bodies[0].Stmts = stmts
		s := run(t, p, f)
		for m := range p.Maps {
			if n := len(values(t, s, m)); n != 10 {
				t.Errorf("map %d has %d keys of at most 10", m, n)
			}
		}
		wantCounts(t, s, map[plan.Counter]uint64{plan.CountLostMap: 45})
	})
}
