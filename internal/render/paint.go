package render

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sonde-project/sonde/event"
)

// paint is an ANSI attribute.
type paint string

const (
	bold   paint = "1"
	faint  paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
	cyan   paint = "36"
)

// in dresses text in a colour when the output has colours.
func (o Options) in(p paint, text string) string {
	if !o.Colour || p == "" || text == "" {
		return text
	}
	return "\x1b[" + string(p) + "m" + text + "\x1b[0m"
}

// clean escapes what could steer a terminal: names come from the observed program as much as values do.
func clean(text string) string {
	if plainASCII(text) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + strconv.FormatUint(0x100+uint64(text[0]), 16)[1:])
		case unicode.IsControl(r):
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

func plainASCII(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// plain is a value as a script prints it: text without quotes.
func plain(v event.Value) string {
	p := event.Print{Args: []event.Value{v}}
	return p.Text()
}

// line is plain on one line: for the cells of a table.
func line(v event.Value) string {
	if v.Kind != event.KindStack {
		return clean(plain(v))
	}
	names := make([]string, len(v.Frames))
	for i := range v.Frames {
		names[i] = v.Frames[i].String()
	}
	return clean(strings.Join(names, " < "))
}
