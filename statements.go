package sonde

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/sqlstat"
)

// SQLSession is a run that observes SQL statements. Read it with Statements, or let Wait read and drop them; Queries and
// Transactions sum them up, at any time. Who reads neither ends it with Close. One goroutine loops over Statements; all
// other methods may be called from any goroutine at any time.
type SQLSession struct {
	session *Session
	stream  *sqlstat.Stream
	ended   ended
	yield   func(*event.Statement) bool // of the loop that is going on
	left    bool                        // the loop was left
}

// ended takes what a stream of statements gives: those that have ended. Tables are asked for instead.
type ended struct{ list []*event.Statement }

func (e *ended) Event(ev event.Event) error {
	if s, ok := ev.(*event.Statement); ok {
		e.list = append(e.list, s)
	}
	return nil
}

func (e *ended) Flush() error          { return nil }
func (e *ended) End(event.Stats) error { return nil }

// SQLText is how many bytes of a statement are captured unless StringLimit says otherwise.
const SQLText = 2048

// SQL observes the SQL statements of the target: of the drivers that its processes map, or that its command or any process could load
// (libpq, libmariadb, libmysqlclient, SQLite, Go's database/sql and pgx), or of database servers. It is what `sonde sql` shows. A target in
// whose reach no driver is gives a *script.Diagnostic.
func (t *Target) SQL(ctx context.Context, o SQLOptions, options ...RunOption) (*SQLSession, error) {
	var err error
	q := &SQLSession{}
	q.stream = sqlstat.NewStream(&q.ended, sqlstat.Options{Slow: max(o.Slow, time.Nanosecond), Literals: o.Literals, Gone: sqlstat.Gone})
	options = append([]RunOption{StringLimit(SQLText)}, options...)
	if q.session, err = t.RunSQL(ctx, o, append(options, q.whenIdle)...); err != nil {
		return nil, err
	}
	return q, nil
}

// whenIdle hands statements on that ended and of which nothing more was told, before what the caller does then.
func (q *SQLSession) whenIdle(r *run) error {
	then := r.idle
	r.idle = func() error {
		if err := q.stream.Flush(); err != nil {
			return err
		}
		q.hand()
		if then != nil {
			return then()
		}
		return nil
	}
	return nil
}

// Statements runs the session and yields each statement that took at least SQLOptions.Slow, soon after it ended, until the context
// ends, the command or all processes end, a limit is reached, or the loop is left: then everything is disarmed. It may be
// looped over once.
func (q *SQLSession) Statements() iter.Seq[*event.Statement] {
	return func(yield func(*event.Statement) bool) {
		q.yield = yield
		for e := range q.session.Events() {
			if err := q.stream.Event(e); err != nil {
				q.session.fail(err)
			}
			if q.hand(); q.left {
				return
			}
		}
		q.session.fail(q.stream.End(q.session.Stats()))
		q.hand()
	}
}

// hand yields the statements that wait.
func (q *SQLSession) hand() {
	list := q.ended.list
	q.ended.list = nil
	for _, s := range list {
		if !q.left && q.yield != nil && !q.yield(s) {
			q.left = true
			q.session.Stop()
		}
	}
}

// Wait runs the session to its end and drops the statements one by one; Queries has what they came to.
func (q *SQLSession) Wait() error {
	for range q.Statements() {
	}
	return q.session.Wait()
}

// Queries gives what was seen of each digest (a statement without its literals) so far, the largest total time first.
func (q *SQLSession) Queries() []*event.Query { return q.stream.Queries() }

// Transactions gives what was seen of the transactions of each database system so far.
func (q *SQLSession) Transactions() []*event.Transaction { return q.stream.Transactions() }

// Stop ends the run soon; Statements then ends as it does for a limit.
func (q *SQLSession) Stop() { q.session.Stop() }

// Close ends the run and waits until nothing is left of it. It is for who does not read; closing again is harmless. Inside a loop over
// Statements it would wait for itself: leave the loop instead.
func (q *SQLSession) Close() error { return q.session.Close() }

// Err is why the session failed, nil if it ended as asked or has not ended.
func (q *SQLSession) Err() error { return q.session.Err() }

// Stats accounts for the run, once it has ended: for the records that statements are made of.
func (q *SQLSession) Stats() event.Stats { return q.session.Stats() }

// ExitStatus is the command's, as a shell gives it (128 + signal); ok says that it ended by itself.
func (q *SQLSession) ExitStatus() (status int, ok bool) { return q.session.ExitStatus() }

// Notes say what was observed from some moment on only. They are complete when the run has ended.
func (q *SQLSession) Notes() []string { return q.session.Notes() }

// Explain writes what is armed where, and why.
func (q *SQLSession) Explain(w io.Writer) error { return q.session.Explain(w) }
