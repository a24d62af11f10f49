package sqlstat

import (
	"fmt"
	"time"

	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// sqlite: the kernel summed up the steps of a statement; here it gets its text. The time that preparing took counts to the first
// execution.
type sqlite struct {
	ended    func(*execution)
	prepared map[owner]*preparation
}

type preparation struct {
	statementText
	conn owner
	took time.Duration // 0 once it was counted
}

func newSQLite(ended func(*execution)) *sqlite {
	return &sqlite{ended: ended, prepared: map[owner]*preparation{}}
}

func (m *sqlite) open() int { return 0 }

func (m *sqlite) forget(gone func(owner) bool) {
	drop(m.prepared, gone)
}

func (m *sqlite) take(r *record) {
	stmt := r.owner("stmt")
	x := r.begin(stmt)
	x.Duration = time.Duration(r.number("ns"))
	switch r.Role {
	case sqlprobe.Prepare:
		text := own(r)
		if r.number("status") == 0 {
			keep(m.prepared, stmt, &preparation{text, r.owner("db"), x.Duration}, keptHandles)
			return
		}
		x.says(text).fail(resultName(r.number("status")))
	case sqlprobe.Ended:
		p := m.prepared[stmt]
		if p == nil {
			p = &preparation{}
		}
		if kept := r.statement(); kept.text != "" && r.value("text").Problem == "" {
			p.statementText = kept
		}
		x.says(p.statementText).conn = p.conn
		x.Duration += p.took
		p.took = 0
		x.rows(r.number("rows"))
		if status := r.number("status"); status != sqliteDone {
			x.fail(resultName(status))
		}
	}
	x.Time = x.Time.Add(-x.Duration)
	m.ended(x)
}

// own is the text of the first statement of what was given to prepare: it ends where the tail begins, or with the given length.
func own(r *record) statementText {
	t := r.statement()
	length := r.number("tail")
	if bytes := int64(int32(r.number("bytes"))); bytes >= 0 && (length <= 0 || bytes < length) {
		length = bytes
	}
	if length > 0 && length <= int64(len(t.text)) {
		t.text, t.cut = t.text[:length], false
	}
	return t
}

const sqliteDone = 101

// resultName is the name of a primary result code (sqlite3.h).
func resultName(code int64) string {
	names := [...]string{1: "SQLITE_ERROR", "SQLITE_INTERNAL", "SQLITE_PERM", "SQLITE_ABORT", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_NOMEM",
		"SQLITE_READONLY", "SQLITE_INTERRUPT", "SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_NOTFOUND", "SQLITE_FULL", "SQLITE_CANTOPEN",
		"SQLITE_PROTOCOL", "SQLITE_EMPTY", "SQLITE_SCHEMA", "SQLITE_TOOBIG", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_MISUSE",
		"SQLITE_NOLFS", "SQLITE_AUTH", "SQLITE_FORMAT", "SQLITE_RANGE", "SQLITE_NOTADB"}
	if primary := code & 0xff; primary > 0 && int(primary) < len(names) {
		return names[primary]
	}
	return fmt.Sprintf("SQLite result %d", code)
}
