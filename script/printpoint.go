package script

import (
	"fmt"
	"strings"
	"time"
)

// String prints the point as a script has it, with quotes where a name would be read as something else.
func (pt Point) String() string {
	switch pt.Kind {
	case Begin, End:
		return pt.Kind.String()
	case Interval, ProfileTimer:
		return pt.Kind.String() + ":" + everyText(pt.Every)
	}
	for _, q := range [...]quoting{{}, {function: true}, {target: true}} {
		if text := pt.text(q); pt.reads(text) {
			return text
		}
	}
	return pt.text(quoting{target: true, function: true})
}

// commandLine is the point as the command line has it: with as little around its names as reads back.
func (pt Point) commandLine() string {
	if pt.Kind == USDT {
		return pt.String()
	}
	for _, q := range [...]quoting{{}, {function: true}, {target: true}, {target: true, function: true}} {
		text := pt.text(q)
		text = text[len(pt.Kind.String())+1:]
		for _, short := range [...]string{strings.TrimPrefix(text, ":"), text} {
			if read, err := ParsePoint(short, pt.Kind); err == nil && read.placedAs(pt) == pt {
				return short
			}
		}
	}
	return pt.String()
}

// placedAs is the point with the spans of another.
func (pt Point) placedAs(other Point) Point {
	pt.Span, pt.TargetSpan, pt.FunctionSpan = other.Span, other.TargetSpan, other.FunctionSpan
	return pt
}

// quoting says which names of a point stand between quotes.
type quoting struct{ target, function bool }

// text prints a point of a function or static probe.
func (pt Point) text(q quoting) string {
	text := pt.Kind.String() + ":"
	target := name(pt.Target, q.target)
	if pt.Kind != USDT {
		return text + target + ":" + pt.functionText(q.function)
	}
	static := name(pt.Provider, q.function) + ":" + name(pt.Function, q.function)
	switch {
	case pt.Target == "" && !strings.Contains(pt.Provider, "/"):
		return text + static
	case pt.Provider == "" && strings.Contains(pt.Target, "/"):
		return text + target + static
	}
	return text + target + ":" + static
}

// functionText is what stands behind the target's colon.
func (pt Point) functionText(quoted bool) string {
	switch {
	case pt.HasAddress:
		return fmt.Sprintf("0x%x", pt.Address)
	case pt.File != "":
		return fmt.Sprintf("%s:%d", name(pt.File, quoted), pt.Line)
	case pt.Regexp:
		return "/" + escapeSlashes(pt.Function) + "/"
	case pt.HasOffset:
		return fmt.Sprintf("%s+0x%x", name(pt.Function, quoted), pt.Offset)
	}
	return name(pt.Function, quoted)
}

func name(text string, quoted bool) string {
	if quoted && text != "" {
		return quote(text)
	}
	return text
}

// reads reports whether a script reads the text, with a body behind it, as the point.
func (pt Point) reads(text string) (same bool) {
	defer func() {
		if _, wrong := recover().(*Diagnostic); wrong {
			same = false
		}
	}()
	p := newParser(text + " {")
	got := p.point()
	return got.placedAs(pt) == pt && p.pos == len(text)
}

// escapeSlashes writes a regular expression so that only its end is a bare slash.
func escapeSlashes(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			b.WriteByte(s[i])
			i++
		case s[i] == '/':
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// everyText prints an interval in the unit that holds it whole.
func everyText(every time.Duration) string {
	for _, unit := range [...]struct {
		name  string
		scale time.Duration
	}{{"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond}} {
		if every > 0 && every%unit.scale == 0 {
			return fmt.Sprintf("%s:%d", unit.name, every/unit.scale)
		}
	}
	if every > 0 {
		if hz := time.Second / every; hz > 0 && time.Second/hz == every {
			return fmt.Sprintf("hz:%d", hz)
		}
	}
	return fmt.Sprintf("ns:%d", every)
}
