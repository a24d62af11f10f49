package sqlstat

import (
	"cmp"
	"slices"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// table gathers executions by digest.
type table struct {
	literals bool
	digests  *sqlprobe.Digester
	rows     map[[2]string]*row // by system and digest
	tx       *transactions
}

// row is what is gathered of one digest.
type row struct {
	query   event.Query
	latency agg.Latency
	slowest time.Duration
	rows    bool // of every execution so far the rows are known
}

// Limits of what is kept for a digest.
const (
	keptPrograms = 8
	keptPIDs     = 16
)

func newTable(literals bool) *table {
	return &table{literals: literals, digests: sqlprobe.NewDigester(), rows: map[[2]string]*row{}, tx: newTransactions()}
}

// add counts an execution and completes it: digest, and what may be shown of its text.
func (t *table) add(x *execution) {
	x.Digest = x.Text
	if x.known {
		x.Digest = t.digests.Digest(x.System, x.Text, x.Cut)
		if !t.literals {
			x.Text = t.digests.Redact(x.System, x.Text)
		}
	}
	if x.Failed {
		x.Error = sqlprobe.Message(x.Error, !t.literals)
	}
	r := t.row(x)
	r.add(x)
	t.tx.add(x, r)
}

func (t *table) row(x *execution) *row {
	key := [2]string{x.System, x.Digest}
	r := t.rows[key]
	if r == nil {
		r = &row{query: event.Query{System: x.System, Digest: x.Digest}, slowest: -1, rows: true}
		t.rows[key] = r
	}
	return r
}

func (r *row) add(x *execution) {
	q := &r.query
	q.Count++
	if x.Failed {
		q.Errors++
		q.Error = x.Error
	} else {
		r.rows = r.rows && x.Rows >= 0
		q.Rows += max(x.Rows, 0)
	}
	r.latency.Add(int64(x.Duration))
	if x.Duration > r.slowest {
		r.slowest, q.Example, q.Stack = x.Duration, x.Text, x.Stack
	}
	if x.Comm != "" && !slices.Contains(q.Programs, x.Comm) && len(q.Programs) < keptPrograms {
		q.Programs = append(q.Programs, x.Comm)
	}
	if !slices.Contains(q.PIDs, x.PID) && len(q.PIDs) < keptPIDs {
		q.PIDs = append(q.PIDs, x.PID)
	}
}

// queries are the rows, the largest total first.
func (t *table) queries() []*event.Query {
	all := make([]*event.Query, 0, len(t.rows))
	for _, r := range t.rows {
		q := r.query
		q.Latency = r.latency.Aggregate()
		q.P50, q.P95, q.P99 = r.quantile(q.Latency, 0.5), r.quantile(q.Latency, 0.95), r.quantile(q.Latency, 0.99)
		if !r.rows {
			q.Rows = -1
		}
		all = append(all, &q)
	}
	slices.SortFunc(all, func(a, b *event.Query) int {
		return cmp.Or(cmp.Compare(b.Latency.Sum, a.Latency.Sum), cmp.Compare(a.Digest, b.Digest))
	})
	return all
}

func (r *row) quantile(a event.Aggregate, q float64) time.Duration {
	return time.Duration(agg.Quantile(a, q))
}

func (t *table) transactions() []*event.Transaction { return t.tx.list() }
