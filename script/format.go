package script

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxLine is how many characters of a line a diagnosis shows.
const maxLine = 100

// Format renders the diagnosis as the command shows it; every line ends with a line end:
//
//	sonde: error: no function "mallc" in libc.so.6 [no-function]
//	    libc:mallc
//	         ^^^^^
//	sonde: hint: near names: malloc, calloc
//
// A text of several lines is shown as the line in question, after its number. Characters that a terminal would
// act on are replaced.
func (d *Diagnostic) Format(tool string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: error: %s [%s]\n", tool, printable(d.Message), d.Code)
	if line, carets := d.place(); line != "" {
		fmt.Fprintf(&b, "    %s\n    %s\n", line, carets)
	}
	for _, hint := range d.Hints {
		fmt.Fprintf(&b, "%s: hint: %s\n", tool, printable(hint))
	}
	return b.String()
}

// Line is the line of Text in which the diagnosis lies, counted from 1.
func (d *Diagnostic) Line() int {
	return 1 + strings.Count(d.Text[:d.from()], "\n")
}

// from is where the place begins, inside Text whatever Span says.
func (d *Diagnostic) from() int { return min(max(d.Span.From, 0), len(d.Text)) }

// place gives the line to show and the carets below it; "" when there is nothing to show.
func (d *Diagnostic) place() (line, carets string) {
	if strings.TrimSpace(d.Text) == "" {
		return "", ""
	}
	from := d.from()
	start := strings.LastIndexByte(d.Text[:from], '\n') + 1
	full := d.Text[start : start+lineLength(d.Text[start:])]
	to := min(max(d.Span.To-start, from-start), len(full))
	before, marked, after := full[:from-start], full[from-start:max(to, from-start)], full[to:]
	before, cut := shorten(before, marked)
	prefix := ""
	if strings.Contains(strings.TrimRight(d.Text, "\n"), "\n") {
		prefix = fmt.Sprintf("line %d: ", d.Line())
	}
	marked = firstRunes(marked, maxLine)
	shown := printable(before) + printable(marked)
	after = printable(strings.TrimRight(after, " \t\r"))
	if room := maxLine - utf8.RuneCountInString(shown); utf8.RuneCountInString(after) > room {
		after = firstRunes(after, max(room, 0)) + "..."
	}
	blank := strings.Repeat(" ", utf8.RuneCountInString(prefix)+cut+utf8.RuneCountInString(before))
	carets = blank + strings.Repeat("^", max(1, utf8.RuneCountInString(marked)))
	return prefix + strings.Repeat(".", cut) + shown + after, carets
}

// shorten drops the indentation before the place, and the begin of a line so long that the place would lie far to the
// right; then cut is the width of the dots that stand for it.
func shorten(before, marked string) (kept string, cut int) {
	before = strings.TrimLeft(before, " \t")
	width := utf8.RuneCountInString(before)
	room := max(20, maxLine-utf8.RuneCountInString(marked))
	if width <= room {
		return before, 0
	}
	runes := []rune(before)
	return string(runes[width-room:]), 3
}

// firstRunes is the first n characters of s.
func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
