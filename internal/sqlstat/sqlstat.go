// Package sqlstat makes statements of the records that a script of package sqlprobe prints, and tables of statements.
//
// In: printf events in the order of the ring, which for one connection is the order in which they happened. Out: event.Statement for
// each execution, event.Query for each digest. Invariant: an execution counts once, when its end was seen; what began and whose end was
// not seen counts as unfinished and never lends its beginning to another. It must not know engines or terminals.
package sqlstat

import (
	"maps"
	"slices"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// unknown is the text of a statement that was prepared before its preparation could be seen.
const unknown = "(prepared before attach)"

// pairing turns records into statements.
type pairing struct {
	ended    func(s *execution)
	shapes   map[string]sqlprobe.Shape
	machines map[string]machine
	late     *libmariadb      // keeps statements for what is told of them later
	left     func(conn owner) // a connection is no more
	told     map[owner]bool   // what a driver does in a process is told by the one that calls it
	lost     int              // statements that were open when their process was gone
}

// machine is the life of statements in one driver.
type machine interface {
	take(r *record)
	open() int                    // statements that have begun and not ended
	forget(gone func(owner) bool) // drop what is known of owners that are no more
}

// execution is a statement that runs or has run.
type execution struct {
	event.Statement
	conn  owner  // whose transaction it belongs to
	other bool   // no statement: a preparation, a description
	known bool   // its text was seen
	frame uint64 // of the function that others are called by for the same statement; 0 none
}

// owner is whose statements follow each other: a connection, a handle, a thread, a goroutine, within its process.
type owner struct {
	driver string
	pid    int
	key    uint64
}

// newPairing makes a pairing that hands on each statement when it ends.
func newPairing(ended func(*execution)) *pairing {
	p := &pairing{ended: ended, shapes: map[string]sqlprobe.Shape{}, late: newLibmariadb(ended), told: map[owner]bool{}, left: func(owner) {}}
	p.machines = map[string]machine{
		sqlprobe.Libpq:      newLibpq(ended),
		sqlprobe.Postgres:   newPostgres(ended),
		sqlprobe.Libmariadb: p.late,
		sqlprobe.Mariadbd:   newMariadbd(ended),
		sqlprobe.SQLite:     newSQLite(ended),
	}
	calls := newGoCalls(ended) // one for both: database/sql calls pgx
	calls.through = func(o owner) { p.told[o] = true }
	p.machines[sqlprobe.GoSQL], p.machines[sqlprobe.Pgx] = calls, calls
	return p
}

// add takes a printf of the script; ok is false when it is none of its records.
func (p *pairing) add(e *event.Print) (ok bool) {
	shape, known := p.shapes[e.Format]
	if !known {
		shape, known = sqlprobe.ShapeOf(e.Format)
		if !known {
			return false
		}
		p.shapes[e.Format] = shape
	}
	m := p.machines[shape.Driver]
	if m == nil || len(shape.Fields) != len(e.Args) {
		return false
	}
	r := &record{Print: e, Shape: shape}
	if p.told[owner{driver: r.Driver, pid: r.PID}] {
		return true
	}
	m.take(r)
	if r.Role == sqlprobe.Forget && r.has("conn") {
		p.left(r.owner("conn"))
	}
	return true
}

// open is how many statements have begun and not ended.
func (p *pairing) open() int {
	n := p.lost
	for name, m := range p.machines {
		if name != sqlprobe.Pgx { // shares its machine
			n += m.open()
		}
	}
	return n
}

// settle hands on what ended before and was kept for more facts.
func (p *pairing) settle(before time.Time) { p.late.settle(before) }

// forget drops what is known of processes that are gone. What they had open stays counted.
func (p *pairing) forget(gone func(owner) bool) {
	before := p.open()
	for _, m := range p.machines {
		m.forget(gone)
	}
	drop(p.told, gone)
	p.lost += before - p.open()
}

// How much is kept of what has no end that is seen: statements that a process has prepared, and names of those of a connection.
const (
	keptHandles = 1 << 14
	keptNames   = 1 << 12
)

// keep puts a value in, in the place of any other one when there are too many.
func keep[K comparable, V any](in map[K]V, key K, value V, atMost int) {
	if _, known := in[key]; !known && len(in) >= atMost {
		for other := range in {
			delete(in, other)
			break
		}
	}
	in[key] = value
}

// drop takes the entries out of whose owner is gone.
func drop[V any](from map[owner]V, gone func(owner) bool) {
	maps.DeleteFunc(from, func(o owner, _ V) bool { return gone(o) })
}

// record is one printf with its fields by name.
type record struct {
	*event.Print
	sqlprobe.Shape
}

func (r *record) value(name string) event.Value {
	for i, field := range r.Fields {
		if field == name {
			return r.Args[i]
		}
	}
	return event.Value{}
}

// has says whether the record has a field.
func (r *record) has(name string) bool { return slices.Contains(r.Fields, name) }

func (r *record) text(name string) string { return r.value(name).Str }

func (r *record) number(name string) int64 { return int64(r.bits(name)) }

func (r *record) bits(name string) uint64 {
	v := r.value(name)
	return v.Bits()
}

// owner is the one that the field names.
func (r *record) owner(name string) owner { return owner{r.Driver, r.PID, r.bits(name)} }

// thread is the owner of what belongs to the thread that the record is of.
func (r *record) thread() owner { return owner{r.Driver, r.PID, uint64(r.TID)} }

// begin makes an execution that begins with this record.
func (r *record) begin(o owner) *execution {
	x := &execution{conn: o}
	x.Time, x.PID, x.TID, x.Comm, x.System, x.Rows = r.Time, r.PID, r.TID, r.text("comm"), r.System, -1
	x.Stack = r.value("stack").Frames
	return x
}

// says gives an execution its text.
func (x *execution) says(t statementText) *execution {
	x.Text, x.Cut, x.known = t.text, t.cut, t.known
	if !t.known && t.text == "" {
		x.Text = unknown
	}
	return x
}

// statementText is the text of a prepared statement.
type statementText struct {
	text       string // of one that is not known: what is said instead, "" that it was prepared before
	cut, known bool
}

func (r *record) statement() statementText {
	v := r.value("text")
	if v.Problem != "" {
		return statementText{text: "(" + string(v.Problem) + ")", known: true}
	}
	return statementText{text: v.Str, cut: v.Truncated, known: true}
}

// end fixes how long it took.
func (x *execution) end(at time.Time) *execution {
	x.Duration = at.Sub(x.Time)
	return x
}

// after makes the execution that begins where this one ends, of the next statement of the same text.
func (x *execution) after() *execution {
	next := *x
	next.Time, next.Duration, next.FirstRow, next.Rows = x.Time.Add(x.Duration), 0, 0, -1
	return &next
}

func (x *execution) fail(message string) {
	x.Failed = true
	if message != "" {
		x.Error = message
	}
}

// rows adds rows that were told.
func (x *execution) rows(n int64) {
	if n >= 0 {
		x.Rows = max(x.Rows, 0) + n
	}
}
