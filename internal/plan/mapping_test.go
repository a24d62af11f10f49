package plan_test

import (
	"math"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

var (
	signed   = plan.Type{Kind: plan.IntType, Size: 8, Signed: true}
	unsigned = plan.Type{Kind: plan.IntType, Size: 8}
)

func bucketMaps() []plan.Map {
	maps := []plan.Map{
		{Kind: event.AggLhist, Min: 0, Max: 100, Step: 10},
		{Kind: event.AggLhist, Min: -50, Max: 57, Step: 10},
		{Kind: event.AggLhist, Min: 5, Max: 5, Step: 0},
		{Kind: event.AggLhist, Min: math.MinInt64, Max: math.MaxInt64, Step: 1 << 62},
	}
	for bits := 0; bits <= 5; bits++ {
		maps = append(maps, plan.Map{Kind: event.AggHist, Bits: bits}, plan.Map{Kind: event.AggQuantiles, Bits: bits})
	}
	return maps
}

// Values around every power of two and every hundred.
func bucketValues() []int64 {
	values := []int64{math.MinInt64, math.MinInt64 + 1, -1 << 40, math.MaxInt64}
	for v := int64(-300); v < 3000; v++ {
		values = append(values, v)
	}
	for e := range 63 {
		for _, d := range []int64{-1, 0, 1, 1 << e / 3, 1 << e / 8 * 7} {
			values = append(values, 1<<e+d)
		}
	}
	return values
}

func TestEveryValueLiesInTheRangeOfItsBucket(t *testing.T) {
	for _, m := range bucketMaps() {
		m.Value = signed
		for _, v := range bucketValues() {
			i := m.BucketOf(v)
			if i < 0 || i >= m.Buckets() {
				t.Fatalf("%v bits %d: bucket %d of %d for %d", m.Kind, m.Bits, i, m.Buckets(), v)
			}
			low, high := m.BucketRange(i)
			if v < low || v >= high && high != math.MaxInt64 {
				t.Errorf("%v bits %d: %d is in bucket %d [%d,%d)", m.Kind, m.Bits, v, i, low, high)
			}
		}
	}
}

func TestBucketsFollowOnEachOther(t *testing.T) {
	for _, m := range bucketMaps() {
		m.Value = signed
		_, end := m.BucketRange(0)
		for i := 1; i < m.Buckets(); i++ {
			low, high := m.BucketRange(i)
			if low != end || high < low {
				t.Fatalf("%v bits %d min %d: bucket %d is [%d,%d) after %d", m.Kind, m.Bits, m.Min, i, low, high, end)
			}
			end = high
		}
		if end != math.MaxInt64 {
			t.Errorf("%v bits %d: the last bucket ends at %d", m.Kind, m.Bits, end)
		}
	}
}

func TestPlainHistHasTheBucketsOfPowersOfTwo(t *testing.T) {
	m := plan.Map{Kind: event.AggHist, Value: signed}
	for v, want := range map[int64][2]int64{
		-7: {math.MinInt64, 0}, 0: {0, 1}, 1: {1, 2}, 2: {2, 4}, 3: {2, 4}, 4: {4, 8}, 1023: {512, 1024}, 1024: {1024, 2048},
		math.MaxInt64: {1 << 62, math.MaxInt64},
	} {
		if low, high := m.BucketRange(m.BucketOf(v)); low != want[0] || high != want[1] {
			t.Errorf("%d is in [%d,%d), want %v", v, low, high, want)
		}
	}
}

func TestQuantileBucketsAreNarrow(t *testing.T) {
	m := plan.Map{Kind: event.AggQuantiles, Bits: 4, Value: unsigned}
	for _, v := range []int64{17, 1000, 123456, 1e9, 1e12, 1e13} {
		low, high := m.BucketRange(m.BucketOf(v))
		if float64(high-low) > float64(v)/16 && high-low > 1 {
			t.Errorf("%d is in [%d,%d), wider than a sixteenth", v, low, high)
		}
	}
	if m.BucketOf(1<<44) != m.Buckets()-1 {
		t.Errorf("2^44 is not in the last bucket")
	}
}

func TestLargeUnsignedValuesAreInTheLastBucket(t *testing.T) {
	for _, m := range bucketMaps() {
		m.Value = unsigned
		if i := m.BucketOf(-1); i != m.Buckets()-1 {
			t.Errorf("%v: 2^64-1 is in bucket %d of %d", m.Kind, i, m.Buckets())
		}
	}
}

func TestOrderedValuesReplaceAFreshOne(t *testing.T) {
	for _, typ := range []plan.Type{signed, unsigned} {
		m := plan.Map{Value: typ}
		values := []int64{0, 1, 5, math.MaxInt64}
		if typ.Signed {
			values = append([]int64{math.MinInt64, -5, -1}, values...)
		} else {
			values = append(values, math.MinInt64, -1)
		}
		for i, v := range values {
			for _, min := range []bool{true, false} {
				if got := m.Unorder(m.Order(v, min), min); got != v {
					t.Errorf("signed %v min %v: %d comes back as %d", typ.Signed, min, v, got)
				}
			}
			if i == 0 {
				continue
			}
			if m.Order(v, false) <= m.Order(values[i-1], false) || m.Order(v, true) >= m.Order(values[i-1], true) {
				t.Errorf("signed %v: %d and %d are out of order", typ.Signed, values[i-1], v)
			}
		}
	}
}

func TestKeyPartsAreAlignedAndSized(t *testing.T) {
	text := plan.Type{Kind: plan.StrType, Size: 13}
	m := plan.Map{Kind: event.AggCount, Keys: []plan.Type{
		unsigned, text, {Kind: plan.StrType}, {Kind: plan.StackType, Size: 1016},
		{Kind: plan.TupleType, Elems: []plan.Type{unsigned, {Kind: plan.BytesType, Size: 10}}}, {Kind: plan.UsymType, Size: 16},
	}}
	offsets, size := m.KeyLayout()
	for i, want := range []int{0, 8, 24, 88, 104, 136} {
		if offsets[i] != want {
			t.Errorf("part %d is at %d, want %d", i, offsets[i], want)
		}
	}
	if size != 152 {
		t.Errorf("the key has %d bytes, want 152", size)
	}
}

func TestOnlyMapsWithACountAreArrays(t *testing.T) {
	key := []plan.Type{{Kind: plan.FuncType, Size: 8}}
	p := &plan.Plan{Functions: make([]plan.Function, 1000)}
	for _, c := range []struct {
		m    plan.Map
		want bool
	}{
		{plan.Map{Kind: event.AggCount, Keys: key, Dense: true}, true},
		{plan.Map{Kind: event.AggCount, Keys: key}, false},
		{plan.Map{Kind: event.AggCount}, true},
		{plan.Map{Kind: event.AggSum, Keys: key, Dense: true}, false},
		{plan.Map{Kind: event.AggValue}, false},
		{plan.Map{Kind: event.AggHist, Keys: key, Dense: true}, true},
		{plan.Map{Kind: event.AggQuantiles, Keys: key, Dense: true, Bits: 5}, false},
	} {
		p.Maps = []plan.Map{c.m}
		if got := p.Array(0); got != c.want {
			t.Errorf("kind %v with %d keys, dense %v: array is %v", c.m.Kind, len(c.m.Keys), c.m.Dense, got)
		}
		if size := p.KeySize(0); (size == 4) != c.want {
			t.Errorf("kind %v: key of %d bytes", c.m.Kind, size)
		}
	}
}
