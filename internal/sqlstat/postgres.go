package sqlstat

import "github.com/sonde-project/sonde/internal/sqlprobe"

// postgres: a server process says what text it works on, at each message of the protocol (Parse, Bind and Execute say the same one), when
// it executes, and when it waits again. A text that comes after something was executed is the next statement of a batch. What was never
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
	portal   uint64
	said     int // how often its text was said since the process last waited
	executed bool
	part     bool // its portal has more rows
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
			m.finish(b, r)
		}
	case sqlprobe.Execute:
		if b != nil {
			m.execute(b, r)
		}
	case sqlprobe.Ran:
		if b != nil {
			b.rows(r.number("rows"))
			b.part = r.has("complete") && r.bits("complete")&0xff == 0
			if b.FirstRow == 0 {
				b.FirstRow = r.Time.Sub(b.Time)
			}
		}
	case sqlprobe.Failed:
		if b != nil {
			b.fail(r.text("message"))
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
		m.finish(b, r)
		b = nil
	}
	if b == nil || b.Text != r.text("text") { // Parse of one statement, Bind of another
		x := r.begin(process).says(r.statement())
		x.Comm = "postgres"
		b = &backend{execution: x}
		m.running[process] = b
	}
	b.said++
}

func (m *postgres) execute(b *backend, r *record) {
	if b.executed { // a portal inside of it: EXECUTE
		return
	}
	b.executed, b.portal = true, r.bits("portal")
	rested := m.resting[b.conn][b.portal]
	if rested == nil {
		return
	}
	delete(m.resting[b.conn], b.portal)
	if rested.Text != b.Text || b.said > 1 {
		m.ended(rested.execution)
		return
	}
	rested.part = false
	m.running[b.conn] = rested
}

// finish ends what has ended. A part is put to rest, and portals do not outlive their transaction.
func (m *postgres) finish(b *backend, r *record) {
	if !b.executed && !b.Failed {
		return
	}
	b.end(r.Time)
	if b.part && !b.Failed {
		if m.resting[b.conn] == nil {
			m.resting[b.conn] = map[uint64]*backend{}
		}
		m.resting[b.conn][b.portal] = b
		return
	}
	if e := effect(b.Text); b.Failed || e == commits || e == rollsBack {
		m.endPortals(b.conn)
	}
	m.ended(b.execution)
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
		if b.executed {
			b.fail("")
		}
		b.part = false
		m.finish(b, r)
	}
	m.endPortals(process)
}
