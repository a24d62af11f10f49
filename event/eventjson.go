package event

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// Every event is one JSON object with "type"; the names of its members never change once released.

// MarshalJSON gives {"type":"call", "time", "pid", "tid", "goroutine", "comm", "target", "function", "args", "return",
// "errno", "duration_ns", "outcome", "callee", "depth", "stack"}. Left out: what does not apply, an outcome of "entered" or
// "returned", and a depth of 0.
func (c *Call) MarshalJSON() ([]byte, error) { return c.AppendJSON(nil), nil }

// AppendJSON appends what MarshalJSON gives.
func (c *Call) AppendJSON(b []byte) []byte {
	b = appendHeadJSON(b, "call", c.Time, c.PID, c.TID)
	if c.Goroutine != 0 {
		b = appendUintJSON(appendMember(b, "goroutine"), c.Goroutine)
	}
	b = appendStringJSON(appendMember(b, "comm"), c.Comm)
	b = appendStringJSON(appendMember(b, "target"), c.Target)
	b = appendStringJSON(appendMember(b, "function"), c.Function)
	b = appendFieldsJSON(appendMember(b, "args"), c.Args)
	if c.Return != nil {
		b = c.Return.AppendJSON(appendMember(b, "return"))
	}
	if c.Errno != "" {
		b = appendStringJSON(appendMember(b, "errno"), c.Errno)
	}
	if c.Outcome.Ended() {
		b = appendIntJSON(appendMember(b, "duration_ns"), int64(c.Duration))
	}
	if c.Outcome > Returned {
		b = appendStringJSON(appendMember(b, "outcome"), c.Outcome.String())
	}
	if c.Callee != "" {
		b = appendStringJSON(appendMember(b, "callee"), c.Callee)
	}
	if c.Depth > 0 {
		b = strconv.AppendInt(appendMember(b, "depth"), int64(c.Depth), 10)
	}
	if len(c.Stack) > 0 {
		b = appendFramesJSON(appendMember(b, "stack"), c.Stack)
	}
	return append(b, '}')
}

// String gives the outcome's name in JSON.
func (o Outcome) String() string {
	names := [...]string{"entered", "returned", "tail-called", "recovered", "unfinished"}
	if int(o) >= len(names) {
		return "outcome " + strconv.Itoa(int(o))
	}
	return names[o]
}

// MarshalJSON gives {"type":"printf", "time", "pid", "tid", "text", "args"} and for print(value) {"type":"print", ..., "value"}.
func (p *Print) MarshalJSON() ([]byte, error) {
	if p.Format == "" && len(p.Args) == 1 {
		b := appendHeadJSON(nil, "print", p.Time, p.PID, p.TID)
		b = p.Args[0].AppendJSON(appendMember(b, "value"))
		return append(b, '}'), nil
	}
	b := appendHeadJSON(nil, "printf", p.Time, p.PID, p.TID)
	b = appendStringJSON(appendMember(b, "text"), p.Text())
	b = append(appendMember(b, "args"), '[')
	for i := range p.Args {
		if i > 0 {
			b = append(b, ',')
		}
		b = p.Args[i].AppendJSON(b)
	}
	return append(b, ']', '}'), nil
}

// MarshalJSON gives {"type":"clear","map":"@name"}.
func (c *MapClear) MarshalJSON() ([]byte, error) {
	b := appendStringJSON([]byte(`{"type":"clear","map":`), "@"+c.Name)
	return append(b, '}'), nil
}

// MarshalJSON gives {"type":"exit","code":0}.
func (e *Exit) MarshalJSON() ([]byte, error) {
	return append(strconv.AppendInt([]byte(`{"type":"exit","code":`), int64(e.Code), 10), '}'), nil
}

func appendHeadJSON(b []byte, kind string, at time.Time, pid, tid int) []byte {
	b = appendStringJSON(append(b, `{"type":`...), kind)
	b = appendTimeJSON(appendMember(b, "time"), at)
	b = strconv.AppendInt(appendMember(b, "pid"), int64(pid), 10)
	return strconv.AppendInt(appendMember(b, "tid"), int64(tid), 10)
}

func appendTimeJSON(b []byte, at time.Time) []byte {
	return append(at.UTC().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

// appendMember appends the name of an object's next member and the colon.
func appendMember(b []byte, name string) []byte {
	if last := b[len(b)-1]; last != '{' {
		b = append(b, ',')
	}
	return append(appendStringJSON(b, name), ':')
}

// appendFieldsJSON appends fields as an object. A field without a name (an unnamed parameter) is called by its place.
func appendFieldsJSON(b []byte, fields []Field) []byte {
	b = append(b, '{')
	for i := range fields {
		name := fields[i].Name
		if name == "" {
			name = "arg" + strconv.Itoa(i)
		}
		b = fields[i].Value.AppendJSON(appendMember(b, name))
	}
	return append(b, '}')
}

// appendFramesJSON appends a stack as an array of function names, addresses where there is no name.
func appendFramesJSON(b []byte, frames []Frame) []byte {
	b = append(b, '[')
	for i := range frames {
		if i > 0 {
			b = append(b, ',')
		}
		if name := frames[i].Function; name != "" {
			b = appendStringJSON(b, name)
		} else {
			b = appendHexJSON(b, frames[i].PC)
		}
	}
	return append(b, ']')
}

// appendStringJSON appends a JSON string. Plain ASCII, which nearly every string is, goes without encoding/json.
func appendStringJSON(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf || c == 0x7f {
			return appendEscapedJSON(b, text)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}

func appendEscapedJSON(b []byte, text string) []byte {
	b = append(b, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\t':
			b = append(b, '\\', 't')
		case r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029:
			const digits = "0123456789abcdef"
			b = append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// MarshalJSON gives the function's name, the address when there is none.
func (f Frame) MarshalJSON() ([]byte, error) {
	if f.Function == "" {
		return appendHexJSON(nil, f.PC), nil
	}
	return json.Marshal(f.Function)
}
