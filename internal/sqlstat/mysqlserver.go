package sqlstat

import (
	"strings"

	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// mariadbd: a thread of the server does one command at a time; one that has to wait may go on on another thread. A prepared statement is an object; the command that executes it does not
// name it, so that the text comes with the object that is executed inside. The statements of one text follow each other in one command, of which the
// text is parsed anew for each, from where the one before it ends.
type mariadbd struct {
	ended    func(*execution)
	running  map[owner]*command // by thread
	waiting  map[owner]*command // by THD
	prepared map[owner]statementText
}

type command struct {
	*execution
	texts *several // of a command that brings a text
	begun bool     // a statement of it
	left  int64    // how long the text was when its first one began
}

// Commands of the protocol (enum_server_command).
const (
	comPrepare     = 22
	comExecute     = 23
	comBulkExecute = 250
)

func newMariadbd(ended func(*execution)) *mariadbd {
	return &mariadbd{ended: ended, running: map[owner]*command{}, waiting: map[owner]*command{}, prepared: map[owner]statementText{}}
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
	case sqlprobe.Next:
		if x != nil && x.texts != nil {
			m.next(x, r)
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

// next begins a statement of a text, and ends the one before it.
func (m *mariadbd) next(x *command, r *record) {
	if !x.begun {
		x.begun, x.left = true, r.number("left")
		return
	}
	was := x.end(r.Time)
	was.rows(r.given())
	x.execution = was.after()
	x.texts.turn++
	if r.has("left") {
		text := x.texts.text
		x.texts.begins(len(text) - len(strings.TrimLeft(text, " \t\r\n")) + int(x.left-r.number("left")))
	}
	before := *x.texts
	before.turn--
	m.ended(was.says(before.statement()))
}

func (m *mariadbd) done(x *command, r *record) {
	if r.bits("later") != 0 {
		m.waiting[r.owner("thd")] = x
		return
	}
	x.rows(r.given())
	if x.texts != nil {
		if !x.Failed {
			x.texts.ends()
		}
		x.says(x.texts.statement())
	}
	if x.end(r.Time); !x.other || x.Failed {
		m.ended(x.execution)
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
	x := &command{execution: r.begin(thread)}
	if x.Comm == "" {
		x.Comm = "mariadbd"
	}
	switch r.number("command") {
	case comExecute, comBulkExecute:
		x.says(statementText{})
	case comPrepare:
		x.says(r.statement()).other = true
	default:
		x.texts = severalOf(r.System, r.statement())
	}
	m.running[thread] = x
}
