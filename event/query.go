package event

import (
	"encoding/json"
	"time"
)

// Statement is one execution of an SQL statement, as its client or its server saw it.
type Statement struct {
	Time     time.Time     // when it began
	Duration time.Duration // until the last row was delivered, or the answer was complete
	FirstRow time.Duration // until the first row or answer; 0 when it is not told apart
	PID      int
	TID      int
	Comm     string
	System   string // "postgresql", "mysql", "sqlite", "other_sql"
	Digest   string // literals replaced, lists collapsed
	Text     string // as it was sent, literals replaced unless they were asked for
	Cut      bool   // the text was longer than what is captured
	Rows     int64  // returned or changed; -1 unknown
	Failed   bool
	Error    string // message of a failed one, "" unknown
	Stack    []Frame
}

// Query is all that was seen of one digest.
type Query struct {
	System   string
	Digest   string
	Example  string // text of the slowest execution
	Count    uint64
	Errors   uint64
	Error    string // the last one's message
	Rows     int64  // sum over all executions; -1 when one of them is unknown
	Latency  Aggregate
	P50      time.Duration
	P95      time.Duration
	P99      time.Duration
	Programs []string // names of the threads that issued it, the first few
	PIDs     []int
	// Repeated is the most executions within one transaction: many of the same mark a loop around a query (N+1).
	Repeated uint64
	Stack    []Frame // of the slowest execution
}

// Transaction is all that was seen of the transactions of one system.
type Transaction struct {
	System     string
	Count      uint64
	RolledBack uint64
	Statements uint64 // inside of them
	Latency    Aggregate
}

func (*Statement) isEvent()   {}
func (*Query) isEvent()       {}
func (*Transaction) isEvent() {}

// MarshalJSON gives {"type":"statement", "time", "pid", "tid", "comm", "system", "digest", "text", "truncated", "duration_ns",
// "first_row_ns", "rows", "error", "stack"}; what is unknown is left out, "error" is "" for a failure without message.
func (s *Statement) MarshalJSON() ([]byte, error) {
	b := appendHeadJSON(nil, "statement", s.Time, s.PID, s.TID)
	b = appendStringJSON(appendMember(b, "comm"), s.Comm)
	b = appendStringJSON(appendMember(b, "system"), s.System)
	b = appendStringJSON(appendMember(b, "digest"), s.Digest)
	b = appendStringJSON(appendMember(b, "text"), s.Text)
	if s.Cut {
		b = append(appendMember(b, "truncated"), "true"...)
	}
	b = appendIntJSON(appendMember(b, "duration_ns"), int64(s.Duration))
	if s.FirstRow > 0 {
		b = appendIntJSON(appendMember(b, "first_row_ns"), int64(s.FirstRow))
	}
	if s.Rows >= 0 {
		b = appendIntJSON(appendMember(b, "rows"), s.Rows)
	}
	if s.Failed {
		b = appendStringJSON(appendMember(b, "error"), s.Error)
	}
	if len(s.Stack) > 0 {
		b = appendFramesJSON(appendMember(b, "stack"), s.Stack)
	}
	return append(b, '}'), nil
}

// MarshalJSON gives {"type":"query", "system", "digest", "example", "count", "errors", "error", "rows", "sum_ns", "min_ns", "max_ns",
// "p50_ns", "p95_ns", "p99_ns", "repeated", "programs", "pids", "stack"}; rows are left out where unknown.
func (q *Query) MarshalJSON() ([]byte, error) {
	b := appendStringJSON([]byte(`{"type":"query","system":`), q.System)
	b = appendStringJSON(appendMember(b, "digest"), q.Digest)
	b = appendStringJSON(appendMember(b, "example"), q.Example)
	b = appendUintJSON(appendMember(b, "count"), q.Count)
	b = appendUintJSON(appendMember(b, "errors"), q.Errors)
	if q.Errors > 0 {
		b = appendStringJSON(appendMember(b, "error"), q.Error)
	}
	if q.Rows >= 0 {
		b = appendIntJSON(appendMember(b, "rows"), q.Rows)
	}
	b = appendIntJSON(appendMember(b, "sum_ns"), q.Latency.Sum)
	b = appendIntJSON(appendMember(b, "min_ns"), q.Latency.Min)
	b = appendIntJSON(appendMember(b, "p50_ns"), int64(q.P50))
	b = appendIntJSON(appendMember(b, "p95_ns"), int64(q.P95))
	b = appendIntJSON(appendMember(b, "p99_ns"), int64(q.P99))
	b = appendIntJSON(appendMember(b, "max_ns"), q.Latency.Max)
	if q.Repeated > 1 {
		b = appendUintJSON(appendMember(b, "repeated"), q.Repeated)
	}
	programs, err := json.Marshal(append([]string{}, q.Programs...))
	if err != nil {
		return nil, err
	}
	b = append(appendMember(b, "programs"), programs...)
	pids, err := json.Marshal(append([]int{}, q.PIDs...))
	if err != nil {
		return nil, err
	}
	b = append(appendMember(b, "pids"), pids...)
	if len(q.Stack) > 0 {
		b = appendFramesJSON(appendMember(b, "stack"), q.Stack)
	}
	return append(b, '}'), nil
}

// MarshalJSON gives {"type":"transactions", "system", "count", "rolled_back", "statements", "sum_ns", "max_ns"}.
func (t *Transaction) MarshalJSON() ([]byte, error) {
	b := appendStringJSON([]byte(`{"type":"transactions","system":`), t.System)
	b = appendUintJSON(appendMember(b, "count"), t.Count)
	b = appendUintJSON(appendMember(b, "rolled_back"), t.RolledBack)
	b = appendUintJSON(appendMember(b, "statements"), t.Statements)
	b = appendIntJSON(appendMember(b, "sum_ns"), t.Latency.Sum)
	b = appendIntJSON(appendMember(b, "max_ns"), t.Latency.Max)
	return append(b, '}'), nil
}
