package sqlstat

import "github.com/sonde-project/sonde/internal/sqlprobe"

// postgres: a server process says what text it works on, at each message of the protocol (Parse, Bind and Execute say the same one), when
// it executes, and when it waits again. A text that comes after something was executed is the next statement of a batch. What was never
// executed and did not fail was only prepared; parallel workers say a text and never wait, so they never end one.
type postgres struct {
	prompt
	ended   func(*execution)
	running map[owner]*backend
}

type backend struct {
	*execution
	executed bool
}

func newPostgres(ended func(*execution)) *postgres {
	return &postgres{ended: ended, running: map[owner]*backend{}}
}

func (m *postgres) open() int {
	n := 0
	for _, b := range m.running {
		if b.executed {
			n++
		}
	}
	return n
}

func (m *postgres) take(r *record) {
	process := owner{driver: r.Driver, pid: r.PID}
	b := m.running[process]
	switch r.Role {
	case sqlprobe.Running:
		if b != nil && b.executed {
			m.finish(b, r)
			b = nil
		}
		if b == nil || b.Text != r.text("text") { // Parse of one statement, Bind of another
			m.running[process] = &backend{execution: m.begin(process, r)}
		}
	case sqlprobe.Idle:
		if b != nil {
			delete(m.running, process)
			m.finish(b, r)
		}
	case sqlprobe.Execute:
		if b != nil {
			b.executed = true
		}
	case sqlprobe.Ran:
		if b != nil {
			b.rows(r.number("rows"))
		}
	case sqlprobe.Failed:
		if b != nil {
			b.fail(r.text("message"))
		}
	}
}

func (m *postgres) begin(process owner, r *record) *execution {
	x := r.begin(process).says(r.statement())
	x.Comm = "postgres"
	return x
}

func (m *postgres) finish(b *backend, r *record) {
	if b.executed || b.Failed {
		m.ended(b.end(r.Time))
	}
}
