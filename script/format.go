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
// A text of several lines is shown as the line in question, after its number. Form feeds separate texts that the user
// gave one by one: only the one in question is shown. Characters that a terminal would act on are replaced.
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

// given is the text in question, of those that form feeds separate, and the place inside it, whatever Span says.
func (d *Diagnostic) given() (text string, from, to int) {
	from = min(max(d.Span.From, 0), len(d.Text))
	start := strings.LastIndexByte(d.Text[:from], '\f') + 1
	text, _, _ = strings.Cut(d.Text[start:], "\f")
	from -= start
	return text, from, min(max(d.Span.To-start, from), len(text))
}

// place gives the line to show and the carets below it; "" when there is nothing to show.
func (d *Diagnostic) place() (line, carets string) {
	text, from, to := d.given()
	if strings.TrimSpace(text) == "" {
		return "", ""
	}
	start := strings.LastIndexByte(text[:from], '\n') + 1
	end := start + lineLength(text[start:])
	before, cut := shorten(text[start:from], text[from:min(to, end)])
	marked, after := text[from:min(to, end)], text[min(to, end):end]
	prefix := ""
	if strings.Contains(strings.TrimRight(text, "\n"), "\n") {
		prefix = fmt.Sprintf("line %d: ", 1+strings.Count(text[:start], "\n"))
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
