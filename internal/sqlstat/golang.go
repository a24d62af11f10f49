package sqlstat

import (
	"slices"
	"strings"

	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// goCalls: a goroutine has one statement in the call at a time; what begins inside of it (a driver that is pgx, a preparation) belongs to
// it. Rows that come back end it when they are closed. The statements of one text are not told apart.
type goCalls struct {
	ended   func(*execution)
	through func(owner) // a process has its statements executed by another driver as well
	types   map[uint32]sqlprobe.GoType
	calls   map[owner]*goStatement // by goroutine
	reading map[owner]*execution   // by rows
	copies  map[owner]*execution   // by statement of database/sql
	names   map[owner]map[string]statementText
}

type goStatement struct {
	*execution
	driver string
	stmt   owner // of database/sql
	args   int64 // parameters that it was executed with
	depth  int
	skip   bool // it cannot be sent, as another one of its batch has failed
}

func newGoCalls(ended func(*execution)) *goCalls {
	several := func(x *execution) {
		if n := len(sqlprobe.Parts(x.System, x.Text)); x.known && n > 1 {
			x.Together = uint64(n)
		}
		ended(x)
	}
	return &goCalls{ended: several, through: func(owner) {}, types: sqlprobe.GoTypes(), calls: map[owner]*goStatement{}, reading: map[owner]*execution{},
		copies: map[owner]*execution{}, names: map[owner]map[string]statementText{}}
}

func (m *goCalls) open() int { return len(m.calls) + len(m.reading) + len(m.copies) }

func (m *goCalls) forget(gone func(owner) bool) {
	drop(m.calls, gone)
	drop(m.reading, gone)
	drop(m.copies, gone)
	drop(m.names, gone)
}

func (m *goCalls) take(r *record) {
	goroutine := owner{pid: r.PID, key: r.bits("goid")}
	switch r.Role {
	case sqlprobe.Send, sqlprobe.Prepare:
		m.send(goroutine, r)
	case sqlprobe.Prepared:
		if c := m.calls[goroutine]; c != nil && c.depth == 0 {
			m.runsOn(c.execution, r)
		}
	case sqlprobe.Result:
		m.result(goroutine, r)
	case sqlprobe.Closed:
		m.closed(r)
	case sqlprobe.Forget:
		delete(m.names, r.owner("conn"))
	}
}

// send begins a statement. One that the same driver has still in the call was left by a panic: drivers do not call themselves.
func (m *goCalls) send(goroutine owner, r *record) {
	if r.Role == sqlprobe.Prepare && r.has("name") {
		m.name(r)
	}
	if c := m.calls[goroutine]; c != nil && (c.driver != r.Driver || r.Role == sqlprobe.Prepare || c.other) {
		c.depth++
		return
	}
	c := &goStatement{execution: r.begin(owner{}), driver: r.Driver, stmt: r.owner("stmt"), args: r.number("args")}
	c.other, c.skip = r.Role == sqlprobe.Prepare, r.bits("before") != 0
	m.runsOn(c.execution, r)
	c.says(m.text(c.conn, r))
	m.calls[goroutine] = c
}

// name keeps what a connection of pgx calls a statement; statements that pgx prepares by itself are asked for by their text.
func (m *goCalls) name(r *record) {
	conn := r.owner("conn")
	if m.names[conn] == nil {
		m.names[conn] = map[string]statementText{}
	}
	keep(m.names[conn], r.text("name"), r.statement(), keptNames)
}

func (m *goCalls) text(conn owner, r *record) statementText {
	if t, ok := m.names[conn][r.text("text")]; ok {
		return t
	}
	return r.statement()
}

// runsOn tells which connection a statement runs on, and so whose database it asks.
func (m *goCalls) runsOn(x *execution, r *record) {
	if r.bits("conn") != 0 {
		x.conn = r.owner("conn")
	}
	t := m.types[uint32(r.bits("kind"))]
	if t.System != "" {
		x.System = t.System
	}
	if t.Calls != "" {
		m.through(owner{driver: t.Calls, pid: r.PID})
	}
}

func (m *goCalls) result(goroutine owner, r *record) {
	c := m.calls[goroutine]
	switch {
	case c == nil:
		return
	case c.depth > 0:
		c.depth--
		return
	}
	delete(m.calls, goroutine)
	x := c.end(r.Time)
	x.FirstRow = x.Duration
	if r.has("text") { // which statement of a batch it was
		x.says(r.statement())
	}
	m.outcome(x, r)
	switch {
	case c.skip, c.other && !x.Failed, slices.Contains(untold(), x.Error):
	case !x.Failed && r.bits("rows") != 0:
		m.reading[owner{pid: r.PID, key: r.bits("rows")}] = x
	case c.stmt.key != 0 && len(x.Text) > len(copying) && strings.EqualFold(x.Text[:len(copying)], copying):
		m.copied(c)
	default:
		m.ended(x)
	}
}

// untold are errors of what was not sent: the pool tries again with another connection; a transaction had ended before.
func untold() []string {
	return []string{"driver: bad connection", "sql: transaction has already been committed or rolled back"}
}

// outcome reads what the driver tells: an error, or how many rows were changed.
func (m *goCalls) outcome(x *execution, r *record) {
	if r.bits("error") != 0 {
		x.fail(r.text(m.types[uint32(r.bits("type"))].Text))
		return
	}
	if t := m.types[uint32(r.bits("result"))]; t.Rows != "" {
		x.rows(r.number(t.Rows))
	}
	x.rows(changed(r.text("tag")))
}

const copying = "COPY"

// copied gathers a COPY of lib/pq, which is a statement that is executed once for each row, and at last without parameters.
func (m *goCalls) copied(c *goStatement) {
	x := m.copies[c.stmt]
	if x == nil {
		x = c.execution
		x.Rows = 0
	}
	x.Duration = c.Time.Add(c.Duration).Sub(x.Time)
	if c.Failed {
		x.fail(c.Error)
	}
	if c.args > 0 && !c.Failed {
		x.Rows++
		m.copies[c.stmt] = x
		return
	}
	delete(m.copies, c.stmt)
	m.ended(x)
}

// closed ends the statement whose rows were closed. How many there were follows from the calls of Next less those that gave none.
func (m *goCalls) closed(r *record) {
	rows := owner{pid: r.PID, key: r.bits("rows")}
	x := m.reading[rows]
	if x == nil {
		return
	}
	delete(m.reading, rows)
	m.outcome(x.end(r.Time), r)
	if r.has("nexts") {
		x.rows(r.number("nexts") - r.number("ends"))
	}
	m.ended(x)
}
