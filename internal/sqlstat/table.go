package sqlstat

import (
	"cmp"
	"maps"
	"slices"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// table gathers executions by digest.
type table struct {
	literals bool
	digests  *sqlprobe.Digester
	rows     map[digestKey]*row
	clock    agg.Timelines
	tx       *transactions
	folded   bool // digests were put together for want of room
}

type digestKey struct{ system, digest string }

// Limits of what is kept.
const (
	keptDigests  = 1024
	keptPrograms = 8
	keptPIDs     = 16
	keptSlowest  = 5
)

func newTable(literals bool) *table {
	return &table{literals: literals, digests: sqlprobe.NewDigester(), rows: map[digestKey]*row{}, tx: newTransactions()}
}

// add counts an execution and gives it its digest. Its text stays as it was sent: shown says what may be seen of it.
func (t *table) add(x *execution) {
	x.Digest = x.Text
	if x.known {
		x.Digest = t.digests.Digest(x.System, x.Text, x.Cut)
	}
	if x.Failed {
		x.Error = sqlprobe.Message(x.Error, !t.literals)
	}
	r := t.row(x)
	r.add(x)
	t.clock.Add(&r.timeline, x.Time, x.Duration, x.Failed)
	if r.slow(x.Duration) {
		r.keep(t.shown(x))
	}
	t.tx.add(x, r)
}

// shown is the execution as it may be seen: without literals, unless they were asked for.
func (t *table) shown(x *execution) *event.Statement {
	s := x.Statement
	if x.known && !t.literals {
		s.Text = t.digests.Redact(s.System, s.Text)
	}
	return &s
}

func (t *table) row(x *execution) *row {
	key := digestKey{x.System, x.Digest}
	r := t.rows[key]
	if r == nil {
		if len(t.rows) >= keptDigests {
			t.fold()
		}
		r = &row{query: event.Query{System: x.System, Digest: x.Digest, Partial: t.folded}, rows: true}
		t.rows[key] = r
	}
	return r
}

// fold puts the half of the digests that took the least time together, system by system, so that what is kept is bounded and everything
// is counted. A digest that comes back begins anew, and says so.
func (t *table) fold() {
	t.folded = true
	all := slices.Collect(maps.Values(t.rows))
	slices.SortFunc(all, func(a, b *row) int { return cmp.Compare(a.latency.Sum(), b.latency.Sum()) })
	for _, r := range all[:len(all)/2] {
		if r.query.Others > 0 {
			continue
		}
		delete(t.rows, digestKey{r.query.System, r.query.Digest})
		t.others(r.query.System).merge(r, &t.clock)
	}
}

// others is the row of the digests that have none of their own.
func (t *table) others(system string) *row {
	key := digestKey{system: system}
	r := t.rows[key]
	if r == nil {
		r = &row{query: event.Query{System: system}, rows: true}
		t.rows[key] = r
	}
	return r
}

// queries are the rows, the largest total first, the others last.
func (t *table) queries() []*event.Query {
	all := make([]*event.Query, 0, len(t.rows))
	for _, r := range t.rows {
		all = append(all, r.read(&t.clock))
	}
	slices.SortFunc(all, func(a, b *event.Query) int {
		return cmp.Or(cmp.Compare(a.Others, b.Others), cmp.Compare(b.Latency.Sum, a.Latency.Sum), cmp.Compare(a.Digest, b.Digest))
	})
	return all
}

func (t *table) transactions() []*event.Transaction { return t.tx.list() }
