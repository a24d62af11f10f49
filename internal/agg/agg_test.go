package agg

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sonde-project/sonde/event"
)

var start = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

func at(ns int) time.Time { return start.Add(time.Duration(ns)) }

func TestQuantilesStayInsideTheirBucketAndBetweenMinAndMax(t *testing.T) {
	q := func(min, max int64, buckets ...event.Bucket) event.Aggregate {
		a := event.Aggregate{Kind: event.AggQuantiles, Min: min, Max: max, Buckets: buckets}
		for _, b := range buckets {
			a.Count += b.Count
		}
		return a
	}
	for name, c := range map[string]struct {
		a             event.Aggregate
		p50, p90, p99 int64
	}{
		"nothing":             {q(0, 0), 0, 0, 0},
		"one value":           {q(700, 700, event.Bucket{Low: 512, High: 1024, Count: 1}), 700, 700, 700},
		"the same value":      {q(700, 700, event.Bucket{Low: 512, High: 1024, Count: 99}), 700, 700, 700},
		"spread evenly":       {q(0, 999, event.Bucket{Low: 0, High: 1000, Count: 1000}), 499, 898, 988},
		"an outlier":          {q(1, 5000, event.Bucket{Low: 1, High: 2, Count: 99}, event.Bucket{Low: 4096, High: 8192, Count: 1}), 1, 1, 1},
		"the max closes":      {q(10, 1100, event.Bucket{Low: 1024, High: 2048, Count: 2}), 1062, 1077, 1080},
		"open end":            {q(5, math.MaxInt64-7, event.Bucket{Low: 1 << 62, High: math.MaxInt64, Count: 1}), 0, 0, 0},
		"an empty one within": {q(0, 20, event.Bucket{Low: 0, High: 1, Count: 1}, event.Bucket{Low: 1, High: 2}, event.Bucket{Low: 16, High: 32, Count: 9}), 17, 19, 19},
	} {
		if name == "open end" {
			if got := Quantile(c.a, 0.5); got < 1<<62 || got > c.a.Max {
				t.Errorf("%s: %d", name, got)
			}
			continue
		}
		got := []int64{Quantile(c.a, 0.5), Quantile(c.a, 0.9), Quantile(c.a, 0.99)}
		if want := []int64{c.p50, c.p90, c.p99}; !slices.Equal(got, want) {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
}

func TestOpenBucketsOfAHistogramGiveTheirClosedEnd(t *testing.T) {
	a := event.Aggregate{Kind: event.AggLhist, Buckets: []event.Bucket{{Low: math.MinInt64, High: 0, Count: 1}, {Low: 100, High: math.MaxInt64, Count: 1}}}
	if low, high := Quantile(a, 0), Quantile(a, 1); low != -1 || high != 100 {
		t.Errorf("got %d and %d", low, high)
	}
}

func TestQuantilesOfFoldedCallsAreWithinTheirResolution(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	fold, all := NewFold(nil, nil), []int64{}
	for range 5000 {
		ns := int64(math.Exp(random.Float64()*12)) + 20
		all = append(all, ns)
		fold.Add(&event.Call{Function: "f", Duration: time.Duration(ns), Outcome: event.Returned})
	}
	slices.Sort(all)
	a := fold.Latencies().Entries[0].Agg
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		want, got := all[int(q*float64(len(all)-1))], Quantile(a, q)
		if off := math.Abs(float64(got-want)) / float64(want); off > 0.13 {
			t.Errorf("q %g: got %d, want %d", q, got, want)
		}
	}
	if a.Min != all[0] || a.Max != all[len(all)-1] || a.Count != 5000 {
		t.Errorf("min %d max %d count %d", a.Min, a.Max, a.Count)
	}
}

func TestBucketsMergeIntoPowersOfTwo(t *testing.T) {
	got := PowersOfTwo([]event.Bucket{{Low: math.MinInt64, High: 0, Count: 1}, {Low: 0, High: 1, Count: 2}, {Low: 3, High: 4, Count: 3},
		{Low: 16, High: 18, Count: 1}, {Low: 18, High: 20}, {Low: 20, High: 22, Count: 4}, {Low: 1 << 62, High: math.MaxInt64, Count: 5}})
	var text []string
	for _, b := range got {
		if b.Count > 0 {
			text = append(text, fmt.Sprintf("%d,%d:%d", b.Low, b.High, b.Count))
		}
	}
	want := "-9223372036854775808,0:1 0,1:2 2,4:3 16,32:5 4611686018427387904,9223372036854775807:5"
	if strings.Join(text, " ") != want {
		t.Errorf("got %s", text)
	}
	for i := 1; i < len(got); i++ {
		if got[i].Low != got[i-1].High {
			t.Errorf("%v does not follow %v", got[i], got[i-1])
		}
	}
}

func TestEveryValueFallsIntoItsBucket(t *testing.T) {
	for _, v := range []int64{0, 1, 7, 8, 9, 15, 16, 17, 1000, 1 << 40, math.MaxInt64 - 1, math.MaxInt64} {
		low, high := bucketOf(v)
		if v < low || v >= high && high != math.MaxInt64 {
			t.Errorf("%d is not in [%d, %d)", v, low, high)
		}
		if again, _ := bucketOf(low); again != low {
			t.Errorf("%d begins no bucket", low)
		}
	}
}

func TestRowsNameFunctionAndKeys(t *testing.T) {
	ref := &event.FunctionRef{Target: "/lib/libc.so.6", Function: "malloc"}
	rows := Rows(event.Map{Keys: []string{"func", "comm"}, Entries: []event.Entry{
		{Key: []event.Value{event.String("malloc"), event.String("ls")}, Function: ref},
		{Key: []event.Value{event.Int(3), event.Int(4), event.Int(5)}}}})
	want := []Row{{Function: *ref, By: []Part{{"comm", event.String("ls")}}},
		{By: []Part{{"func", event.Int(3)}, {"comm", event.Int(4)}, {"key2", event.Int(5)}}}}
	if d := cmp.Diff(want, rows); d != "" {
		t.Error(d)
	}
}

func TestRowsSortLargestFirstAndByName(t *testing.T) {
	row := func(name string, count uint64, sum, max int64) Row {
		return Row{Function: event.FunctionRef{Function: name}, Agg: event.Aggregate{Kind: event.AggQuantiles, Count: count, Sum: sum, Max: max}}
	}
	rows := []Row{row("b", 1, 50, 9), row("a", 1, 10, 10), row("c", 5, 20, 7)}
	for order, want := range map[Order]string{ByCount: "cab", ByTotal: "bca", ByAverage: "bac", ByMax: "abc", ByName: "abc"} {
		got := ""
		for _, r := range Top(slices.Clone(rows), order, 0) {
			got += r.Function.Function
		}
		if got != want {
			t.Errorf("%v: got %s, want %s", order, got, want)
		}
	}
	if top := Top(rows, ByCount, 2); len(top) != 2 || top[0].Function.Function != "c" {
		t.Errorf("top 2: %v", top)
	}
	if _, err := ParseOrder("colour"); err == nil {
		t.Error("an unknown column is no order")
	}
}

func TestDiffIsWhatHappenedInBetween(t *testing.T) {
	snap := func(sec int, count uint64, sum int64, buckets ...event.Bucket) event.Snapshot {
		return event.Snapshot{Time: start.Add(time.Duration(sec) * time.Second), Maps: []event.Map{{Name: "@", Kind: event.AggQuantiles,
			Entries: []event.Entry{{Key: []event.Value{event.String("f")}, Agg: event.Aggregate{Kind: event.AggQuantiles, Count: count, Sum: sum, Buckets: buckets}}}}}}
	}
	one := snap(0, 3, 30, event.Bucket{Low: 8, High: 16, Count: 3})
	two := snap(2, 9, 130, event.Bucket{Low: 8, High: 16, Count: 3}, event.Bucket{Low: 16, High: 32, Count: 6}, event.Bucket{Low: 32, High: 64})
	got := Diff(one, two).Maps[0].Entries[0].Agg
	want := event.Aggregate{Kind: event.AggQuantiles, Count: 6, Sum: 100, Buckets: []event.Bucket{{Low: 16, High: 32, Count: 6}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if rate := Rate(got.Count, one.Time, two.Time); rate != 3 {
		t.Errorf("rate %g", rate)
	}
	if n := len(Diff(two, two).Maps[0].Entries); n != 0 {
		t.Errorf("%d entries changed in no time", n)
	}
	if got := Diff(two, one).Maps[0].Entries[0].Agg; got.Count != 3 {
		t.Errorf("after a clear: %d", got.Count)
	}
}

func TestFoldCountsUnfinishedCallsAndTimesEndedOnes(t *testing.T) {
	fold := NewFold([]string{"comm"}, func(c *event.Call) []event.Value { return []event.Value{event.String(c.Comm)} })
	for i, comm := range []string{"a", "a", "b"} {
		fold.Add(&event.Call{Target: "/bin/x", Function: "f", Comm: comm, Duration: time.Duration(10 * (i + 1)), Outcome: event.Returned})
	}
	fold.Add(&event.Call{Target: "/bin/x", Function: "f", Comm: "c", Outcome: event.Unfinished})
	rows := Top(Rows(fold.Counts()), ByCount, 0)
	if len(rows) != 3 || rows[0].Agg.Count != 2 || rows[0].By[0].Value.Str != "a" || rows[0].Function.Target != "/bin/x" {
		t.Errorf("counts: %+v", rows)
	}
	slow := Top(Rows(fold.Latencies()), ByTotal, 0)
	if len(slow) != 2 || slow[0].Agg.Sum != 30 || slow[1].Agg.Min != 30 {
		t.Errorf("latencies: %+v", slow)
	}
}
