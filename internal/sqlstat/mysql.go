package sqlstat

import (
	"time"

	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// libmariadb: a connection has one statement at a time; a prepared one is known by its handle.
type libmariadb struct {
	ended    func(*execution)
	running  map[owner]*execution
	last     map[owner]*execution // of a connection, or of a handle whose connection is not known: ended, its rows may still be fetched
	prepared map[owner]statementText
}

func newLibmariadb(ended func(*execution)) *libmariadb {
	return &libmariadb{ended, map[owner]*execution{}, map[owner]*execution{}, map[owner]statementText{}}
}

func (m *libmariadb) open() int { return len(m.running) }

func (m *libmariadb) forget(gone func(owner) bool) {
	drop(m.running, gone)
	drop(m.last, gone)
	drop(m.prepared, gone)
}

func (m *libmariadb) take(r *record) {
	conn, stmt := r.owner("conn"), r.owner("stmt")
	switch r.Role {
	case sqlprobe.Send:
		m.send(conn, r)
	case sqlprobe.Done:
		m.done(conn, r)
	case sqlprobe.Result:
		x := m.last[conn]
		if x == nil {
			x = m.last[stmt]
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
	delete(m.running, o)
	x.end(r.Time)
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
	if r.bits("inner") == 0 {
		x.frame = r.bits("sp")
	}
	m.running[conn] = x
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

// mariadbd: a thread of the server does one command at a time; one that has to wait may go on on another thread. A prepared statement is an object; the command that executes it does not
// name it, so that the text comes with the object that is executed inside.
type mariadbd struct {
	ended    func(*execution)
	running  map[owner]*execution // by thread
	waiting  map[owner]*execution // by THD
	prepared map[owner]statementText
}

// Commands of the protocol (enum_server_command).
const (
	comPrepare     = 22
	comExecute     = 23
	comBulkExecute = 250
)

func newMariadbd(ended func(*execution)) *mariadbd {
	return &mariadbd{ended: ended, running: map[owner]*execution{}, waiting: map[owner]*execution{}, prepared: map[owner]statementText{}}
}

func (m *mariadbd) open() int { return len(m.running) + len(m.waiting) }

func (m *mariadbd) forget(gone func(owner) bool) {
	drop(m.running, gone)
	drop(m.waiting, gone)
	drop(m.prepared, gone)
}

func (m *mariadbd) take(r *record) {
	thread := r.thread()
	x := m.running[thread]
	switch r.Role {
	case sqlprobe.Send:
		m.send(thread, r)
	case sqlprobe.Prepare:
		keep(m.prepared, r.owner("stmt"), r.statement(), keptHandles)
	case sqlprobe.Execute:
		if x != nil && !x.known {
			x.says(m.prepared[r.owner("stmt")])
		}
	case sqlprobe.Prepared:
		if x != nil && !x.known {
			x.says(r.statement())
		}
	case sqlprobe.Failed:
		if x != nil {
			x.fail(r.text("message"))
		}
	case sqlprobe.Ran:
		if x != nil {
			x.rows(r.number("rows"))
		}
	case sqlprobe.Done:
		if x != nil {
			delete(m.running, thread)
			m.done(x, r)
		}
	}
}

func (m *mariadbd) done(x *execution, r *record) {
	if r.bits("later") != 0 {
		m.waiting[r.owner("thd")] = x
		return
	}
	x.rows(r.given())
	if x.end(r.Time); !x.other || x.Failed {
		m.ended(x)
	}
}

// given is how many rows the server has sent; -1 when it is not told.
func (r *record) given() int64 {
	if !r.has("sent") {
		return -1
	}
	return r.number("sent")
}

func (m *mariadbd) send(thread owner, r *record) {
	thd := r.owner("thd")
	if x := m.waiting[thd]; x != nil {
		delete(m.waiting, thd)
		m.running[thread] = x
		return
	}
	x := r.begin(thread)
	if x.Comm == "" {
		x.Comm = "mariadbd"
	}
	switch r.number("command") {
	case comExecute, comBulkExecute:
		x.says(statementText{})
	case comPrepare:
		x.says(r.statement()).other = true
	default:
		x.says(r.statement())
	}
	m.running[thread] = x
}
