package sqlprobe

import "strings"

// Record is a printf: its role, and pairs of a field ("conn=%p") and the expression that fills it.
type Record struct {
	Role   string
	Fields []string
	// Begins marks the records at whose hit the program issues the statement: the stack there is the caller's.
	Begins bool
}

// Roles of records.
const (
	Send     = "send"     // a statement begins: its text
	Execute  = "execute"  // a prepared statement begins: its name or handle
	Prepare  = "prepare"  // a statement is prepared: name or handle, and text
	Prepared = "prepared" // on which connection the statement runs that began as a prepared one
	Describe = "describe" // something else than a statement was asked; its answer must not be taken for a statement's
	Result   = "result"   // an answer: status, rows
	Next     = "next"     // the next statement of the same text has its turn
	Done     = "done"     // the oldest statement has ended
	Forget   = "forget"   // the connection or the handle is gone
	Running  = "running"  // a server's process works on a text
	Idle     = "idle"     // it waits for its client
	Ran      = "ran"      // it executed something: rows
	Failed   = "failed"   // an error: message
	Ended    = "ended"    // a statement has ended whose time was summed up in the kernel
	Closed   = "closed"   // the rows of a statement were closed
)

// statement gives the printf of a record.
func (r Record) statement(driver string, stack bool) string {
	fields, values := []string{driver, r.Role}, ""
	pairs := r.Fields
	if stack && r.Begins {
		pairs = append(pairs[:len(pairs):len(pairs)], "stack=%s", "ustack")
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		fields = append(fields, pairs[i])
		values += ", " + pairs[i+1]
	}
	return `printf("` + strings.Join(fields, " ") + `\n"` + values + `);`
}

// Shape is what a record's format says of its arguments.
type Shape struct {
	Driver, Role string
	System       string   // of the driver
	Fields       []string // names, in the order of the arguments
}

// ShapeOf reads a format that statement wrote; ok is false for any other.
func ShapeOf(format string) (s Shape, ok bool) {
	words := strings.Fields(format)
	if len(words) < 2 {
		return s, false
	}
	s = Shape{Driver: words[0], Role: words[1], System: systemOf(words[0])}
	for _, word := range words[2:] {
		name, _, found := strings.Cut(word, "=")
		if !found {
			return s, false
		}
		s.Fields = append(s.Fields, name)
	}
	return s, true
}
