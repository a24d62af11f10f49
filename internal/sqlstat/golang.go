package sqlstat

import "github.com/sonde-project/sonde/internal/sqlprobe"

// goCalls: a goroutine has one statement in the call at a time; what begins inside of it (a driver that is pgx, a retry) belongs to it.
// Rows that come back end it when they are closed.
type goCalls struct {
	prompt
	ended   func(*execution)
	calls   map[owner]*goStatement // by goroutine
	reading map[owner]*execution   // by rows
}

type goStatement struct {
	*execution
	depth int
}

func newGoCalls(ended func(*execution)) *goCalls {
	return &goCalls{ended: ended, calls: map[owner]*goStatement{}, reading: map[owner]*execution{}}
}

func (m *goCalls) open() int { return len(m.calls) + len(m.reading) }

func (m *goCalls) take(r *record) {
	goroutine := owner{pid: r.PID, key: r.bits("goid")}
	switch r.Role {
	case sqlprobe.Send:
		if c := m.calls[goroutine]; c != nil {
			c.depth++
			return
		}
		m.calls[goroutine] = &goStatement{execution: r.begin(goroutine).says(r.statement())}
	case sqlprobe.Result:
		m.result(goroutine, r)
	case sqlprobe.Closed:
		rows := owner{pid: r.PID, key: r.bits("rows")}
		if x := m.reading[rows]; x != nil {
			delete(m.reading, rows)
			m.ended(x.end(r.Time))
		}
	}
}

func (m *goCalls) result(goroutine owner, r *record) {
	c := m.calls[goroutine]
	if c == nil {
		return
	}
	if c.depth > 0 {
		c.depth--
		return
	}
	delete(m.calls, goroutine)
	x := c.end(r.Time)
	x.FirstRow = x.Duration
	switch rows := r.bits("rows"); {
	case r.bits("error") != 0:
		x.fail("")
	case rows != 0:
		m.reading[owner{pid: r.PID, key: rows}] = x
		return
	}
	m.ended(x)
}
