package sqlstat

import (
	"math"
	"strconv"
	"time"

	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// postgres: a server process says what text it works on, at each message of the protocol (Parse, Bind and Execute say the same one), when
// it executes, when that is complete, and when it waits again. A text that comes after something was executed is the next statement of a batch; what is
// executed after something was complete is the next statement of the same text. What was never
// executed and did not fail was only prepared; parallel workers say a text and never wait, so they never end one.
//
// A portal whose rows are fetched in parts is one statement: it rests after each part and goes on with an Execute alone, which says
// its text once, while a new portal at the address of an old one is bound first, which says it too. It ends with its last part, or with its
// transaction.
type postgres struct {
	ended   func(*execution)
	running map[owner]*backend
	resting map[owner]map[uint64]*backend // by process and portal
}

type backend struct {
	*execution
	texts    *several
	portal   uint64
	most     int64 // rows that were asked for
	said     int   // how often its text was said since the process last waited
	executed bool
	complete time.Time // when it was, zero: it is not
}

func newPostgres(ended func(*execution)) *postgres {
	return &postgres{ended: ended, running: map[owner]*backend{}, resting: map[owner]map[uint64]*backend{}}
}

func (m *postgres) open() int {
	n := 0
	for _, b := range m.running {
		if b.executed {
			n++
		}
	}
	for _, portals := range m.resting {
		n += len(portals)
	}
	return n
}

func (m *postgres) forget(gone func(owner) bool) {
	drop(m.running, gone)
	drop(m.resting, gone)
}

func (m *postgres) take(r *record) {
	process := owner{driver: r.Driver, pid: r.PID}
	b := m.running[process]
	switch r.Role {
	case sqlprobe.Running:
		m.says(process, r)
	case sqlprobe.Idle:
		if b != nil {
			delete(m.running, process)
			if !b.Failed {
				b.texts.ends()
			}
			m.finish(b, r.Time)
		}
	case sqlprobe.Execute:
		if b != nil {
			m.execute(b, r)
		}
	case sqlprobe.Ran:
		if b != nil && b.executed {
			b.rows(r.number("rows"))
			b.complete = r.Time
		}
	case sqlprobe.Failed:
		if b != nil {
			m.fails(b, r)
		}
	case sqlprobe.Closed:
		m.exit(process, r)
	case sqlprobe.Forget:
		delete(m.running, process)
		delete(m.resting, process)
	}
}

func (m *postgres) says(process owner, r *record) {
	b := m.running[process]
	if b != nil && b.executed {
		m.finish(b, r.Time)
		b = nil
	}
	if b == nil || b.texts.text != r.text("text") { // Parse of one statement, Bind of another
		x := r.begin(process)
		x.Comm = "postgres"
		b = &backend{execution: x, texts: severalOf(r.System, r.statement())}
		m.running[process] = b
	}
	b.said++
}

func (m *postgres) execute(b *backend, r *record) {
	switch {
	case b.executed && b.complete.IsZero(): // a portal inside of it: EXECUTE
		return
	case b.executed:
		b = m.next(b)
	}
	b.executed, b.portal, b.most = true, r.bits("portal"), r.number("most")
	rested := m.resting[b.conn][b.portal]
	if rested == nil {
		return
	}
	delete(m.resting[b.conn], b.portal)
	if rested.texts.text != b.texts.text || b.said > 1 {
		m.ended(rested.execution)
		return
	}
	rested.most = b.most
	m.running[b.conn] = rested
}

// next ends a statement of several, of which the next one begins.
func (m *postgres) next(b *backend) *backend {
	next := &backend{execution: b.end(b.complete).after(), texts: b.texts, said: 1}
	m.finish(b, b.complete)
	next.texts.turn++
	m.running[b.conn] = next
	return next
}

// fails takes an error. What was complete before it has not failed: the statement behind it has, if there is one; an error that is found before any of them
// is executed may stand further on.
func (m *postgres) fails(b *backend, r *record) {
	if !b.complete.IsZero() && b.texts.more() {
		b = m.next(b)
	}
	if at, err := strconv.Atoi(r.text("at")); err == nil && !b.executed && b.texts.turn == 0 {
		b.texts.fails(offset(b.texts.text, at))
	}
	b.fail(r.text("message"))
}

// offset is where the n-th character of a text stands.
func offset(text string, n int) int {
	for i := range text {
		if n--; n == 0 {
			return i
		}
	}
	return len(text)
}

// finish ends what has ended. A part is put to rest, and portals do not outlive their transaction.
func (m *postgres) finish(b *backend, at time.Time) {
	if !b.executed && !b.Failed {
		return
	}
	b.end(at).says(b.texts.statement())
	if b.complete.IsZero() && !b.Failed && b.most != math.MaxInt64 {
		b.rest(m)
		return
	}
	if e := effect(b.Text); b.Failed || e == commits || e == rollsBack {
		m.endPortals(b.conn)
	}
	m.ended(b.execution)
}

// rest keeps a statement of which there are more rows.
func (b *backend) rest(m *postgres) {
	b.rows(b.most)
	if b.FirstRow == 0 {
		b.FirstRow = b.Duration
	}
	if m.resting[b.conn] == nil {
		m.resting[b.conn] = map[uint64]*backend{}
	}
	m.resting[b.conn][b.portal] = b
}

// endPortals ends what rests, as long ago as its last part came.
func (m *postgres) endPortals(process owner) {
	for _, b := range m.resting[process] {
		m.ended(b.execution)
	}
	delete(m.resting, process)
}

// exit: what still runs when its process ends has failed, and was told why or not.
func (m *postgres) exit(process owner, r *record) {
	if b := m.running[process]; b != nil {
		delete(m.running, process)
		if b.executed && b.complete.IsZero() {
			b.fail("")
		}
		m.finish(b, r.Time)
	}
	m.endPortals(process)
}
