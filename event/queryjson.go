package event

import "encoding/json"

// MarshalJSON gives {"type":"statement", "time", "pid", "tid", "comm", "system", "digest", "text", "truncated", "duration_ns",
// "first_row_ns", "rows", "error", "together", "stack"}; what is unknown is left out, "error" is "" for a failure without message.
func (s *Statement) MarshalJSON() ([]byte, error) {
	b := appendHeadJSON(nil, "statement", s.Time, s.PID, s.TID)
	b = appendStringJSON(appendMember(b, "comm"), s.Comm)
	b = appendStringJSON(appendMember(b, "system"), s.System)
	b = appendStringJSON(appendMember(b, "digest"), s.Digest)
	return append(s.appendExecution(b), '}'), nil
}

// appendExecution appends what one execution has beyond its digest.
func (s *Statement) appendExecution(b []byte) []byte {
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
	if s.Together > 0 {
		b = appendUintJSON(appendMember(b, "together"), s.Together)
	}
	if len(s.Stack) > 0 {
		b = appendFramesJSON(appendMember(b, "stack"), s.Stack)
	}
	return b
}

// MarshalJSON gives {"type":"query", "system", "digest", "example", "count", "errors", "error", "rows", "sum_ns", "min_ns", "max_ns",
// "p50_ns", "p95_ns", "p99_ns", "first_row_p50_ns", "first_row_p95_ns", "first_row_p99_ns", "first_row_max_ns", "repeated", "together", "others", "partial",
// "programs", "pids", "stack", "slowest", "timeline"}; what is unknown or does not apply is left out. "slowest" are objects as of
// statements without their digest; "timeline" is {"start", "step_ns", "count", "errors", "sum_ns", "max_ns"} with a number per step.
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
	if f := q.FirstRow; f != nil {
		b = appendIntJSON(appendMember(b, "first_row_p50_ns"), int64(f.P50))
		b = appendIntJSON(appendMember(b, "first_row_p95_ns"), int64(f.P95))
		b = appendIntJSON(appendMember(b, "first_row_p99_ns"), int64(f.P99))
		b = appendIntJSON(appendMember(b, "first_row_max_ns"), int64(f.Max))
	}
	if q.Repeated > 1 {
		b = appendUintJSON(appendMember(b, "repeated"), q.Repeated)
	}
	if q.Together > 0 {
		b = appendUintJSON(appendMember(b, "together"), q.Together)
	}
	if q.Others > 0 {
		b = appendUintJSON(appendMember(b, "others"), q.Others)
	}
	if q.Partial {
		b = append(appendMember(b, "partial"), "true"...)
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
	b = q.appendSlowest(b)
	if len(q.Timeline.Steps) > 0 {
		b = q.Timeline.appendJSON(appendMember(b, "timeline"))
	}
	return append(b, '}'), nil
}

func (q *Query) appendSlowest(b []byte) []byte {
	for i, s := range q.Slowest {
		if i == 0 {
			b = append(appendMember(b, "slowest"), '[')
		} else {
			b = append(b, ',')
		}
		b = appendTimeJSON(appendMember(append(b, '{'), "time"), s.Time)
		b = appendIntJSON(appendMember(b, "pid"), int64(s.PID))
		b = appendIntJSON(appendMember(b, "tid"), int64(s.TID))
		b = appendStringJSON(appendMember(b, "comm"), s.Comm)
		b = append(s.appendExecution(b), '}')
	}
	if len(q.Slowest) > 0 {
		b = append(b, ']')
	}
	return b
}

func (t *Timeline) appendJSON(b []byte) []byte {
	b = appendTimeJSON(append(b, `{"start":`...), t.Start)
	b = appendIntJSON(appendMember(b, "step_ns"), int64(t.Step))
	for _, member := range []struct {
		name string
		of   func(Step) int64
	}{
		{"count", func(s Step) int64 { return int64(s.Count) }},
		{"errors", func(s Step) int64 { return int64(s.Errors) }},
		{"sum_ns", func(s Step) int64 { return int64(s.Sum) }},
		{"max_ns", func(s Step) int64 { return int64(s.Max) }},
	} {
		b = append(appendMember(b, member.name), '[')
		for i, step := range t.Steps {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendIntJSON(b, member.of(step))
		}
		b = append(b, ']')
	}
	return append(b, '}')
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
