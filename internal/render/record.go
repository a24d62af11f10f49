package render

import (
	"fmt"
	"strconv"

	"github.com/sonde-project/sonde/event"
)

// appendRecord writes a record as "MAP: VALUE"; a type that was guessed stands behind the map's name, with a question mark.
func appendRecord(b []byte, r *event.Record) []byte {
	b = append(b, clean(r.Map)...)
	if r.Guess {
		b = append(append(append(b, " ("...), clean(r.Value.Type)...), "?)"...)
	}
	b = append(b, ": "...)
	return append(append(b, recordText(r)...), '\n')
}

// appendLog writes a line of a program: "COMM-PID: TEXT" as the kernel's own log of them has it, or "LEVEL TARGET: TEXT".
func appendLog(b []byte, l *event.Log) []byte {
	switch {
	case l.PID != 0:
		b = append(append(append(b, clean(l.Comm)...), '-'), strconv.Itoa(l.PID)...)
	default:
		b = append(append(append(b, clean(l.Level)...), ' '), clean(l.Target)...)
	}
	return append(append(append(b, ": "...), clean(l.Text)...), '\n')
}

func (c *csvTables) record(r *event.Record) error {
	return c.row([]string{"time", "map", "struct", "value"}, stamp(r.Time), r.Map, r.Value.Type, recordText(r))
}

func (c *csvTables) log(l *event.Log) error {
	return c.row([]string{"time", "source", "pid", "tid", "comm", "level", "target", "text"}, stamp(l.Time), l.Source, strconv.Itoa(l.PID), strconv.Itoa(l.TID),
		l.Comm, l.Level, l.Target, l.Text)
}

// recordText is a record on one line; one whose type is not known is shown byte by byte, in hexadecimal.
func recordText(r *event.Record) string {
	if r.Value.Kind == event.KindBytes {
		return fmt.Sprintf("% x", r.Value.Str)
	}
	return line(r.Value)
}
