package event

import (
	"encoding/hex"
	"time"
)

// Record is what a program of a compiled eBPF object sent through a ring buffer or perf event array.
type Record struct {
	Time time.Time // when it was read
	Map  string    // the map it came through
	// Value is the record by the object's own types, KindBytes when nothing says what it is.
	Value Value
	Guess bool // its type was deduced from its name and size
}

// Log is a line that a program of a compiled eBPF object wrote.
type Log struct {
	Source string // "bpf_printk" or "aya-log"
	// Time is when it was written, for aya-log when it was read. PID, TID and Comm are known of bpf_printk only.
	Time time.Time
	PID  int
	TID  int
	Comm string
	// Level ("info"), Target, File and Line are known of aya-log only.
	Level  string
	Target string
	File   string
	Line   int
	Text   string
}

func (*Record) isEvent() {}
func (*Log) isEvent()    {}

// MarshalJSON gives {"type":"record", "time", "map", "struct", "guess", "value"}; struct is the name of the value's type, left out as
// guess is when it does not apply. A value whose type is not known is {"bytes":"hexadecimal"}.
func (r *Record) MarshalJSON() ([]byte, error) {
	b := appendTimeJSON(appendMember([]byte(`{"type":"record"`), "time"), r.Time)
	b = appendStringJSON(appendMember(b, "map"), r.Map)
	if r.Value.Type != "" {
		b = appendStringJSON(appendMember(b, "struct"), r.Value.Type)
	}
	if r.Guess {
		b = append(appendMember(b, "guess"), "true"...)
	}
	b = appendMember(b, "value")
	if r.Value.Kind == KindBytes {
		b = append(hex.AppendEncode(append(b, `{"bytes":"`...), []byte(r.Value.Str)), `"}`...)
		return append(b, '}'), nil
	}
	return append(r.Value.AppendJSON(b), '}'), nil
}

// MarshalJSON gives {"type":"log", "time", "source", "pid", "tid", "comm", "level", "target", "file", "line", "text"} with what is known.
func (l *Log) MarshalJSON() ([]byte, error) {
	b := appendTimeJSON(appendMember([]byte(`{"type":"log"`), "time"), l.Time)
	b = appendStringJSON(appendMember(b, "source"), l.Source)
	if l.PID != 0 {
		b = appendIntJSON(appendMember(b, "pid"), int64(l.PID))
		b = appendIntJSON(appendMember(b, "tid"), int64(l.TID))
	}
	for _, m := range [][2]string{{"comm", l.Comm}, {"level", l.Level}, {"target", l.Target}, {"file", l.File}} {
		if m[1] != "" {
			b = appendStringJSON(appendMember(b, m[0]), m[1])
		}
	}
	if l.Line != 0 {
		b = appendIntJSON(appendMember(b, "line"), int64(l.Line))
	}
	return append(appendStringJSON(appendMember(b, "text"), l.Text), '}'), nil
}
