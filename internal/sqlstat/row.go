package sqlstat

import (
	"cmp"
	"slices"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
)

// row is what is gathered of one digest, or of all that have no row of their own.
type row struct {
	query    event.Query
	latency  agg.Latency
	first    agg.Latency // times to the first row
	differ   bool        // in some execution the first row came before the last
	rows     bool        // of every execution so far the rows are known
	timeline agg.Timeline
}

func (r *row) add(x *execution) {
	q := &r.query
	q.Count++
	q.Together = max(q.Together, x.Together)
	if x.Failed {
		q.Errors++
		q.Error = x.Error
	} else {
		r.rows = r.rows && x.Rows >= 0
		q.Rows += max(x.Rows, 0)
	}
	r.latency.Add(int64(x.Duration))
	if x.FirstRow > 0 {
		r.first.Add(int64(x.FirstRow))
		r.differ = r.differ || x.FirstRow < x.Duration
	}
	r.from(x.Comm, x.PID)
}

// from notes who issued a statement.
func (r *row) from(program string, pid int) {
	q := &r.query
	if program != "" && len(q.Programs) < keptPrograms && !slices.Contains(q.Programs, program) {
		q.Programs = append(q.Programs, program)
	}
	if len(q.PIDs) < keptPIDs && !slices.Contains(q.PIDs, pid) {
		q.PIDs = append(q.PIDs, pid)
	}
}

// slow says whether an execution of this length is one of the slowest.
func (r *row) slow(d time.Duration) bool {
	kept := r.query.Slowest
	return len(kept) < keptSlowest || d > kept[len(kept)-1].Duration
}

// keep puts an execution among the slowest.
func (r *row) keep(s *event.Statement) {
	kept := r.query.Slowest
	at, _ := slices.BinarySearchFunc(kept, s, func(a, b *event.Statement) int {
		return cmp.Or(cmp.Compare(b.Duration, a.Duration), -1) // behind its equals: the first stays
	})
	if kept = slices.Insert(kept, at, s); len(kept) > keptSlowest {
		kept = slices.Delete(kept, keptSlowest, len(kept))
	}
	r.query.Slowest = kept
}

// merge adds a row to the row of the others.
func (r *row) merge(from *row, clock *agg.Timelines) {
	q, f := &r.query, &from.query
	q.Others++
	q.Count += f.Count
	q.Errors += f.Errors
	if f.Errors > 0 {
		q.Error = f.Error
	}
	q.Rows += f.Rows
	q.Repeated = max(q.Repeated, f.Repeated)
	r.rows, r.differ = r.rows && from.rows, r.differ || from.differ
	r.latency.Merge(&from.latency)
	r.first.Merge(&from.first)
	clock.Merge(&r.timeline, &from.timeline)
	for _, program := range f.Programs {
		for _, pid := range f.PIDs {
			r.from(program, pid)
		}
	}
	for _, s := range f.Slowest {
		if r.slow(s.Duration) {
			r.keep(s)
		}
	}
}

// read gives the row as it stands; it shares nothing that changes.
func (r *row) read(clock *agg.Timelines) *event.Query {
	q := r.query
	q.Latency = r.latency.Aggregate()
	q.P50, q.P95, q.P99 = quantile(q.Latency, 0.5), quantile(q.Latency, 0.95), quantile(q.Latency, 0.99)
	if r.differ {
		first := r.first.Aggregate()
		q.FirstRow = &event.Quantiles{P50: quantile(first, 0.5), P95: quantile(first, 0.95), P99: quantile(first, 0.99), Max: time.Duration(first.Max)}
	}
	if !r.rows {
		q.Rows = -1
	}
	q.Programs, q.PIDs, q.Slowest = slices.Clone(q.Programs), slices.Clone(q.PIDs), slices.Clone(q.Slowest)
	q.Timeline = clock.Read(&r.timeline)
	if len(q.Slowest) > 0 {
		q.Example, q.Stack = q.Slowest[0].Text, q.Slowest[0].Stack
	}
	return &q
}

func quantile(a event.Aggregate, q float64) time.Duration { return time.Duration(agg.Quantile(a, q)) }
