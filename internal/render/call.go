package render

import (
	"strconv"
	"strings"
	"time"

	"github.com/sonde-project/sonde/event"
)

// calls writes calls one a line, like strace does for system calls. It names processes and threads once there are several.
type calls struct {
	o       Options
	zone    *time.Location
	first   task
	several bool
	width   int // of the process column so far
}

// task tells the callers of a trace apart.
type task struct {
	pid, tid  int
	goroutine uint64
}

func newCalls(o Options) *calls {
	return &calls{o: o, zone: o.zone(), several: o.Process}
}

// append adds the lines of a call to b.
func (p *calls) append(b []byte, c *event.Call) []byte {
	if p.o.Stamp {
		b = append(b, p.o.in(faint, c.Time.In(p.zone).Format("15:04:05.000000"))...)
		b = append(b, ' ')
	}
	b = p.appendTask(b, c)
	for range min(c.Depth, maxIndent) {
		b = append(b, "  "...)
	}
	b = append(b, p.o.in(bold, clean(callName(c)))...)
	b = append(b, '(')
	b = appendArgs(b, c)
	b = append(b, ')')
	b = p.appendOutcome(b, c)
	b = append(b, '\n')
	return p.appendStack(b, c.Stack)
}

// maxIndent bounds the indentation: deeper calls are still calls of the line above.
const maxIndent = 40

func (p *calls) appendTask(b []byte, c *event.Call) []byte {
	who := task{pid: c.PID, tid: c.TID, goroutine: c.Goroutine}
	if who.goroutine != 0 {
		who.tid = 0 // goroutines move between threads
	}
	if p.first == (task{}) {
		p.first = who
	}
	p.several = p.several || who != p.first
	if !p.several {
		return b
	}
	label := clean(c.Comm) + "[" + strconv.Itoa(c.PID)
	switch {
	case c.Goroutine != 0:
		label += " g" + strconv.FormatUint(c.Goroutine, 10)
	case c.TID != c.PID && c.TID != 0:
		label += "/" + strconv.Itoa(c.TID)
	}
	label += "]"
	p.width = max(p.width, len(label))
	b = append(b, p.o.in(faint, label)...)
	for range p.width - len(label) + 1 {
		b = append(b, ' ')
	}
	return b
}

func appendArgs(b []byte, c *event.Call) []byte {
	for i := range c.Args {
		if i > 0 {
			b = append(b, ", "...)
		}
		if name := c.Args[i].Name; name != "" {
			b = append(append(b, clean(name)...), '=')
		}
		b = c.Args[i].Value.AppendText(b, c.Language)
	}
	return b
}

func (p *calls) appendOutcome(b []byte, c *event.Call) []byte {
	switch c.Outcome {
	case event.Entered:
		return b
	case event.Unfinished:
		return append(append(b, ' '), p.o.in(yellow, "<unfinished>")...)
	case event.TailCalled:
		callee := c.Callee
		if callee == "" {
			callee = "?"
		}
		b = append(append(b, " => "...), p.o.in(cyan, clean(callee))...)
	case event.Recovered:
		b = append(append(b, ' '), p.o.in(yellow, "<recovered>")...)
	}
	if c.Return != nil && c.Outcome != event.TailCalled {
		b = c.Return.AppendText(append(b, " = "...), c.Language)
	}
	if c.Errno != "" {
		b = append(append(b, ' '), p.o.in(red, clean(c.Errno))...)
	}
	return append(append(b, ' '), p.o.in(faint, "<"+Duration(c.Duration)+">")...)
}

func (p *calls) appendStack(b []byte, stack []event.Frame) []byte {
	for i := range stack {
		f := &stack[i]
		b = append(append(b, "    "...), clean(f.String())...)
		switch {
		case f.File != "":
			b = append(b, p.o.in(faint, " "+clean(f.File)+":"+strconv.Itoa(f.Line))...)
		case f.Target != "":
			b = append(b, p.o.in(faint, " ("+clean(f.Target)+")")...)
		}
		b = append(b, '\n')
	}
	return b
}

// callName is the name before the arguments: a C++ name loses its parameter list, which the arguments repeat.
func callName(c *event.Call) string {
	if c.Language != event.LangCPP {
		return c.Function
	}
	return withoutParameters(c.Function)
}

// withoutParameters cuts "(int) const" off a demangled name, and nothing off "operator()" or a lambda's own parentheses.
func withoutParameters(name string) string {
	end := strings.LastIndexByte(name, ')')
	if end < 0 {
		return name
	}
	switch strings.TrimSpace(name[end+1:]) {
	case "", "const", "&", "&&", "const &", "const&", "const &&", "const&&", "volatile", "const volatile":
	default:
		return name
	}
	depth := 0
	for i := end; i >= 0; i-- {
		switch name[i] {
		case ')':
			depth++
		case '(':
			depth--
		}
		if depth == 0 {
			if i == 0 || strings.HasSuffix(name[:i], "operator") {
				return name
			}
			return name[:i]
		}
	}
	return name
}
