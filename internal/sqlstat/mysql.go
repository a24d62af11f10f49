package sqlstat

import (
	"strings"
	"time"

	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// libmariadb: a connection has one statement at a time; a prepared one is known by its handle. Of the statements of one text the outcomes
// are asked for one by one. A routine has rows as often as it likes, and then an answer without.
type libmariadb struct {
	ended    func(*execution)
	running  map[owner]*execution
	last     map[owner]*execution // of a connection, or of a handle whose connection is not known: ended, its rows may still be fetched
	texts    map[owner]*several   // what a connection was sent last
	prepared map[owner]statementText
}

func newLibmariadb(ended func(*execution)) *libmariadb {
	return &libmariadb{ended, map[owner]*execution{}, map[owner]*execution{}, map[owner]*several{}, map[owner]statementText{}}
}

func (m *libmariadb) open() int { return len(m.running) }

func (m *libmariadb) forget(gone func(owner) bool) {
	drop(m.running, gone)
	drop(m.last, gone)
	drop(m.texts, gone)
	drop(m.prepared, gone)
}

func (m *libmariadb) take(r *record) {
	conn, stmt := r.owner("conn"), r.owner("stmt")
	switch r.Role {
	case sqlprobe.Send:
		m.send(conn, r)
	case sqlprobe.Next:
		m.next(conn, r)
	case sqlprobe.Done:
		m.done(conn, r)
	case sqlprobe.Result:
		x := m.last[conn]
		if x == nil {
			x = m.last[stmt]
		}
		if x == nil {
			x = m.running[conn]
		}
		if x != nil {
			x.rows(r.number("rows"))
		}
	case sqlprobe.Prepare:
		m.prepare(stmt, r)
	case sqlprobe.Execute:
		x := r.begin(stmt).says(m.prepared[stmt])
		if conn.key != 0 {
			x.conn = conn
		}
		m.handOn(x.conn)
		m.running[stmt] = x
	case sqlprobe.Ended:
		m.done(stmt, r)
	case sqlprobe.Forget:
		for _, o := range []owner{conn, stmt} {
			m.handOn(o)
			delete(m.running, o)
			delete(m.texts, o)
			delete(m.prepared, o)
		}
	}
}

func (m *libmariadb) prepare(stmt owner, r *record) {
	if r.number("status") == 0 {
		keep(m.prepared, stmt, r.statement(), keptHandles)
		return
	}
	x := r.begin(stmt).says(r.statement())
	x.Duration = time.Duration(r.number("ns"))
	x.Time = x.Time.Add(-x.Duration)
	x.fail(r.text("message"))
	m.ended(x)
}

func (m *libmariadb) done(o owner, r *record) {
	x := m.running[o]
	if x == nil {
		return
	}
	x.end(r.Time)
	if texts := m.texts[o]; texts != nil {
		x.says(texts.statement())
	}
	if r.bits("fields") != 0 && r.bits("status") == 0 && routine(x.Text) {
		return
	}
	delete(m.running, o)
	if int32(r.number("status")) != 0 {
		x.fail(r.text("message"))
	} else {
		x.rows(r.number("rows"))
	}
	m.handOn(x.conn)
	m.last[x.conn] = x
}

// send begins a statement. What still runs is either the outer function's, or one of whose outcome nobody asked: it ends here at the
// latest.
func (m *libmariadb) send(conn owner, r *record) {
	m.handOn(conn)
	if x := m.running[conn]; x != nil {
		if x.around(r) {
			return
		}
		m.ended(x.end(r.Time))
	}
	x := r.begin(conn).says(r.statement())
	m.texts[conn] = severalOf(r.System, r.statement())
	if r.bits("inner") == 0 {
		x.frame = r.bits("sp")
	}
	m.running[conn] = x
}

// next begins the next statement of a text, unless what comes is of the same one.
func (m *libmariadb) next(conn owner, r *record) {
	texts := m.texts[conn]
	if m.running[conn] != nil || texts == nil || !texts.more() {
		return
	}
	m.handOn(conn)
	texts.turn++
	m.running[conn] = r.begin(conn).says(texts.statement())
}

// routine says whether a statement calls a routine, or is one.
func routine(text string) bool {
	word, rest, _ := strings.Cut(strings.TrimLeft(text, "( \t\r\n"), " ")
	return strings.EqualFold(word, "call") || strings.EqualFold(word, "begin") && len(rest) > len("not ") && strings.EqualFold(rest[:len("not ")], "not ")
}

// around tells that mysql_send_query is called by the mysql_real_query that began the statement: on its thread, with its text, from
// a frame right above.
func (x *execution) around(r *record) bool {
	const near = 1 << 10
	return r.bits("inner") != 0 && x.frame != 0 && x.TID == r.TID && x.Text == r.text("text") && x.frame-r.bits("sp") < near
}

// handOn gives the last statement away, now that no more rows of it come.
func (m *libmariadb) handOn(o owner) {
	if x := m.last[o]; x != nil {
		delete(m.last, o)
		m.ended(x)
	}
}

func (m *libmariadb) settle(before time.Time) {
	for o, x := range m.last {
		if x.Time.Add(x.Duration).Before(before) {
			m.handOn(o)
		}
	}
}
