package sqlstat

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sonde-project/sonde/event"
)

// ran is an execution that began at second at and took ms milliseconds.
func ran(text string, at, ms int) *execution {
	x := &execution{known: true}
	x.Text, x.System, x.PID, x.Comm, x.Rows = text, "postgresql", 7, "app", -1
	x.Time, x.Duration = start.Add(time.Duration(at)*time.Second), time.Duration(ms)*time.Millisecond
	return x
}

// A program that has no end of digests fills neither the memory nor hides anything: every execution is in some row, the slow ones in
// rows of their own, and a digest of which executions went to the others says so.
func TestTooManyDigestsAreCountedAsOthers(t *testing.T) {
	tb := newTable(false)
	const n = 10 * keptDigests
	for i := range n {
		if i%100 == 0 {
			tb.add(ran("select pg_sleep(1)", i, 500))
		}
		x := ran(fmt.Sprintf("select * from t%d", i), i, 1)
		if x.Failed = i%10 == 0; x.Failed {
			x.Error = "no table"
		}
		tb.add(x)
	}
	tb.add(ran("select * from t0", n, 1))
	got := tb.queries()
	if len(got) > keptDigests+1 {
		t.Fatalf("%d rows", len(got))
	}
	var calls, errors, steps uint64
	var sum int64
	for _, q := range got {
		calls, errors, sum = calls+q.Count, errors+q.Errors, sum+q.Latency.Sum
		for _, s := range q.Timeline.Steps {
			steps += s.Count
		}
	}
	const slow = (n + 99) / 100
	if calls != n+slow+1 || steps != calls || errors != n/10 || sum != int64(n+1+500*slow)*int64(time.Millisecond) {
		t.Errorf("%d calls, %d in steps, %d errors, %d ns", calls, steps, errors, sum)
	}
	if first := got[0]; first.Digest != "SELECT pg_sleep ( ? )" || first.Count != slow || first.Partial {
		t.Errorf("first %+v", first)
	}
	last := got[len(got)-1]
	if last.Others == 0 || last.Count < last.Others || last.Error != "no table" || len(last.Slowest) != keptSlowest {
		t.Errorf("last %+v", last)
	}
	for _, q := range got[:len(got)-1] {
		if q.Others > 0 || q.Digest == "SELECT * FROM t0" && !q.Partial {
			t.Errorf("%+v", q)
		}
	}
}

// A transaction without end keeps no more of its statements than the table does, and counts them all.
func TestATransactionOfManyDigestsIsBounded(t *testing.T) {
	tb := newTable(false)
	conn := owner{"libpq", 1, 1}
	run := func(text string) {
		x := ran(text, 0, 1)
		x.conn = conn
		tb.add(x)
	}
	run("BEGIN")
	const n = 3 * keptDigests
	for i := range n {
		run("select again")
		run(fmt.Sprintf("select * from t%d", i))
	}
	if kept := len(tb.tx.open[conn].times); kept > keptDigests {
		t.Errorf("%d statements are kept", kept)
	}
	run("COMMIT")
	if tx := tb.transactions(); len(tx) != 1 || tx[0].Statements != 2*n {
		t.Errorf("%+v", tx)
	}
	if q := tb.queries()[0]; q.Digest != "SELECT again" || q.Repeated != n {
		t.Errorf("%+v", q)
	}
}

// The slowest executions are kept, the first of equals, without their literals unless these were asked for.
func TestTheSlowestAreKept(t *testing.T) {
	for _, literals := range []bool{false, true} {
		tb := newTable(literals)
		for i, ms := range []int{3, 9, 1, 9, 5, 7, 2, 8} {
			tb.add(ran(fmt.Sprintf("select 'secret%d'", i), i, ms))
		}
		q := tb.queries()[0]
		var kept []string
		for _, s := range q.Slowest {
			kept = append(kept, fmt.Sprint(s.Duration.Milliseconds(), " ", int(s.Time.Sub(start).Seconds())))
		}
		if got := strings.Join(kept, ", "); got != "9 1, 9 3, 8 7, 7 5, 5 4" {
			t.Errorf("kept %s", got)
		}
		want := "select ?"
		if literals {
			want = "select 'secret1'"
		}
		if q.Example != want || q.Slowest[0].Text != want {
			t.Errorf("example %q, want %q", q.Example, want)
		}
	}
}

// A slow statement leaves the stream without literals.
func TestASlowStatementLeavesWithoutLiterals(t *testing.T) {
	var got sink
	s := NewStream(&got, Options{Slow: 2 * time.Millisecond})
	s.ended(ran("select 'secret'", 0, 1))
	s.ended(ran("select 'secret'", 0, 2))
	if len(got) != 1 || got[0].(*event.Statement).Text != "select ?" {
		t.Errorf("%+v", got)
	}
}

type sink []event.Event

func (s *sink) Event(e event.Event) error { *s = append(*s, e); return nil }
func (*sink) Flush() error                { return nil }
func (*sink) End(event.Stats) error       { return nil }

// Times to the first row are told where they differ from those to the last one, and only there.
func TestFirstRowsAreToldWhereTheyDiffer(t *testing.T) {
	tb := newTable(false)
	for i := range 4 {
		x := ran("select a", i, 8)
		x.FirstRow = 2 * time.Millisecond
		tb.add(x)
		x = ran("update a", i, 4)
		x.FirstRow = x.Duration
		tb.add(x)
		tb.add(ran("delete a", i, 2))
	}
	got := tb.queries()
	if f := got[0].FirstRow; f == nil || f.P50 != 2*time.Millisecond || f.Max != 2*time.Millisecond {
		t.Errorf("select: %+v", f)
	}
	if got[1].FirstRow != nil || got[2].FirstRow != nil {
		t.Errorf("update: %+v, delete: %+v", got[1].FirstRow, got[2].FirstRow)
	}
}
