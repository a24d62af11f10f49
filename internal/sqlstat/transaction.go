package sqlstat

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/agg"
	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// transactions follows what connections do between BEGIN and COMMIT or ROLLBACK.
type transactions struct {
	open map[owner]*transaction
	done map[string]*finished // by system
}

type transaction struct {
	began      time.Time
	statements uint64
	times      map[*row]uint64
}

type finished struct {
	event.Transaction
	latency agg.Latency
}

func newTransactions() *transactions {
	return &transactions{open: map[owner]*transaction{}, done: map[string]*finished{}}
}

func (t *transactions) add(x *execution, r *row) {
	if x.conn.key == 0 && x.conn.pid == 0 {
		return
	}
	current := t.open[x.conn]
	switch x.effect(current != nil) {
	case begins:
		if current == nil && !x.Failed {
			t.open[x.conn] = &transaction{began: x.Time, times: map[*row]uint64{}}
		}
		return
	case commits, rollsBack:
		if current != nil {
			delete(t.open, x.conn)
			t.finish(current, x)
		}
		return
	}
	if current != nil {
		current.statements++
		if current.times[r] > 0 || len(current.times) < keptDigests { // beyond, no statement is one that comes again and again
			current.times[r]++
			r.query.Repeated = max(r.query.Repeated, current.times[r])
		}
	}
}

// leave forgets the transaction of a connection that is no more: the next one at its address has none.
func (t *transactions) leave(conn owner) { delete(t.open, conn) }

func (t *transactions) finish(current *transaction, x *execution) {
	f := t.done[x.System]
	if f == nil {
		f = &finished{Transaction: event.Transaction{System: x.System}}
		t.done[x.System] = f
	}
	f.Count++
	f.Statements += current.statements
	if x.effect(true) == rollsBack {
		f.RolledBack++
	}
	f.latency.Add(int64(x.Time.Add(x.Duration).Sub(current.began)))
}

func (t *transactions) list() []*event.Transaction {
	var all []*event.Transaction
	for _, f := range t.done {
		tx := f.Transaction
		tx.Latency = f.latency.Aggregate()
		all = append(all, &tx)
	}
	slices.SortFunc(all, func(a, b *event.Transaction) int { return cmp.Compare(a.System, b.System) })
	return all
}

// transactionEffect is what a statement does to the transaction of its connection.
type transactionEffect uint8

const (
	inside transactionEffect = iota
	begins
	commits
	rollsBack
)

// effect of a text of several statements is that of the last one that has any; without a transaction around it, it ends what it began itself.
func (x *execution) effect(open bool) transactionEffect {
	if x.Together == 0 {
		return effect(x.Digest)
	}
	last := inside
	for _, p := range sqlprobe.Parts(x.System, x.Text) {
		if e := effect(x.Text[p.From:p.To]); e != inside {
			last = e
		}
	}
	if last != begins && !open {
		return inside
	}
	return last
}

func effect(digest string) transactionEffect {
	words := strings.Fields(digest)
	if len(words) == 0 || len(words) > 6 {
		return inside
	}
	second := ""
	if len(words) > 1 {
		second = strings.ToUpper(words[1])
	}
	switch strings.ToUpper(strings.TrimSuffix(words[0], ";")) {
	case "BEGIN":
		return begins
	case "START":
		if second == "TRANSACTION" {
			return begins
		}
	case "COMMIT", "END":
		return commits
	case "ROLLBACK", "ABORT":
		if second != "TO" {
			return rollsBack
		}
	}
	return inside
}
