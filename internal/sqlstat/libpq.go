package sqlstat

import (
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// Values of ExecStatusType (libpq-fe.h).
const (
	pgEmptyQuery    = 0
	pgCommandOK     = 1
	pgTuplesOK      = 2
	pgCopyOut       = 3
	pgCopyIn        = 4
	pgBadResponse   = 5
	pgFatal         = 7
	pgCopyBoth      = 8
	pgSingleTuple   = 9
	pgPipelineSync  = 10
	pgPipelineAbort = 11
	pgTuplesChunk   = 12
)

// libpq: a connection answers its statements in the order in which they were sent. Each has results and then NULL; a pipeline's sync is
// a result without NULL. The statements of one text have a result each, in their order; one that fails is the last.
type libpq struct {
	ended    func(*execution)
	queues   map[owner][]*question
	prepared map[owner]map[string]statementText
}

// question is what was sent at once.
type question struct {
	*execution // the statement of it that has its turn
	texts      *several
	complete   bool // it has its last result
}

func newLibpq(ended func(*execution)) *libpq {
	return &libpq{ended: ended, queues: map[owner][]*question{}, prepared: map[owner]map[string]statementText{}}
}

func (m *libpq) open() int {
	n := 0
	for _, q := range m.queues {
		n += len(q)
	}
	return n
}

func (m *libpq) forget(gone func(owner) bool) {
	drop(m.queues, gone)
	drop(m.prepared, gone)
}

func (m *libpq) take(r *record) {
	conn := r.owner("conn")
	switch r.Role {
	case sqlprobe.Send:
		x := m.push(r.begin(conn).says(r.statement()))
		if r.bits("simple") != 0 {
			x.texts = severalOf(r.System, r.statement())
		}
	case sqlprobe.Execute:
		m.push(r.begin(conn).says(m.prepared[conn][r.text("name")]))
	case sqlprobe.Prepare:
		m.prepare(conn, r)
	case sqlprobe.Describe:
		m.push(r.begin(conn)).other = true
	case sqlprobe.Result:
		m.result(conn, r)
	case sqlprobe.Done:
		m.done(conn, r)
	case sqlprobe.Forget:
		delete(m.queues, conn)
		delete(m.prepared, conn)
	}
}

func (m *libpq) push(x *execution) *question {
	q := &question{execution: x}
	m.queues[x.conn] = append(m.queues[x.conn], q)
	return q
}

func (m *libpq) prepare(conn owner, r *record) {
	if m.prepared[conn] == nil {
		m.prepared[conn] = map[string]statementText{}
	}
	keep(m.prepared[conn], r.text("name"), r.statement(), keptNames)
	m.push(r.begin(conn).says(r.statement())).other = true
}

func (m *libpq) result(conn owner, r *record) {
	q := m.queues[conn]
	if len(q) == 0 || r.number("status") == pgPipelineSync {
		return
	}
	if x := q[0]; x.complete && x.texts != nil && x.texts.more() {
		m.next(x)
	}
	q[0].answer(r)
}

// next ends a statement of several, of which the next one has its turn.
func (m *libpq) next(x *question) {
	was := x.execution
	x.execution, x.complete = was.after(), false
	m.end(was, x.texts)
	x.texts.turn++
}

// answer takes a result. NULL may be asked for much later.
func (x *question) answer(r *record) {
	if x.FirstRow == 0 {
		x.FirstRow = r.Time.Sub(x.Time)
	}
	switch status := r.number("status"); status {
	case pgEmptyQuery:
		x.other = true
	case pgTuplesOK, pgSingleTuple, pgTuplesChunk:
		x.rows(int64(int32(r.number("tuples"))))
		x.complete = status == pgTuplesOK
	case pgCommandOK:
		x.rows(changed(r.text("tag")))
		x.complete = true
	case pgFatal, pgBadResponse:
		x.fail(r.text("message"))
		if x.texts != nil && x.texts.turn == 0 {
			x.texts.fails(x.texts.errorAt(r.text("message")))
		}
	case pgPipelineAbort:
		x.fail("aborted with its pipeline")
	case pgCopyIn, pgCopyOut, pgCopyBoth:
		return
	}
	x.end(r.Time)
}

// changed is the number of rows in a command tag: "UPDATE 3", "INSERT 0 2", "COPY 5"; -1 when there is none.
func changed(tag string) int64 {
	words := strings.Fields(tag)
	if len(words) < 2 {
		return -1
	}
	n, err := strconv.ParseInt(words[len(words)-1], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func (m *libpq) done(conn owner, r *record) {
	q := m.queues[conn]
	switch {
	case len(q) == 0:
		return
	case q[0].FirstRow == 0:
		if len(q) == 1 { // nothing is under way: it was not sent
			delete(m.queues, conn)
		}
		return // in a pipeline NULL also parts the results
	}
	x := q[0]
	m.queues[conn] = q[1:]
	if len(q) == 1 {
		delete(m.queues, conn)
	}
	if x.Duration == 0 {
		x.end(r.Time)
	}
	m.end(x.execution, x.texts)
}

func (m *libpq) end(x *execution, texts *several) {
	if texts != nil {
		x.says(texts.statement())
	}
	if !x.other || x.Failed {
		m.ended(x)
	}
}
