// Package valuetest holds the value model against real programs: every row of the table of values, in every language, as it
// prints in text and in JSON, whatever compiler and optimisation made the program.
//
// In: the fixtures below internal/fixture/src/valuetable, which say beside each call how it prints. Out: failing tests.
// Invariant: a build may show less than the source says, with the reason, but never anything else. Tests only.
package valuetest

import (
	"path"
	"strings"
)

// Row is a call of a fixture and how it prints.
type Row struct {
	Title    string // what is shown
	Probe    string // TARGET:FUNCTION; no target: the program. "any:" before the call means copies that the compiler made, too
	Function string
	Text     string
	Fewer    []Fewer
}

// Fewer is how a call prints in builds that left less of it.
type Fewer struct{ Builds, Text string }

// Rows reads the comments of a fixture: "//# TITLE", "//= TEXT" and "//- BUILDS: TEXT". BUILDS is a glob.
func Rows(source string) []Row {
	var rows []Row
	title := ""
	for _, line := range strings.Split(source, "\n") {
		line = strings.TrimSpace(line)
		if len(line) < 5 {
			continue
		}
		switch mark, text := line[:4], line[4:]; mark {
		case "//# ":
			title = text
		case "//= ":
			rows = append(rows, newRow(title, text))
		case "//- ":
			builds, text, _ := strings.Cut(text, ": ")
			row := &rows[len(rows)-1]
			row.Fewer = append(row.Fewer, Fewer{builds, text})
		}
	}
	return rows
}

func newRow(title, text string) Row {
	library := ""
	if rest, ok := strings.CutPrefix(text, "libc:"); ok {
		library, text = "libc:", rest
	}
	text, any := strings.CutPrefix(text, "any:")
	function := FunctionOf(text)
	probe := library + function
	if any {
		probe += "*"
	}
	return Row{Title: title, Probe: probe, Function: function, Text: text}
}

// FunctionOf is the name before the arguments; a Go method's and C++'s operator() hold parentheses of their own.
func FunctionOf(text string) string {
	from := 0
	for _, mark := range []string{".(*", "operator()"} {
		if at := strings.Index(text, mark); at >= 0 && strings.IndexByte(text, '(') >= at {
			from = at + len(mark)
		}
	}
	return text[:from+strings.IndexByte(text[from:], '(')]
}

// In gives how the row prints in a build. Where the types lie changes nothing.
func (r *Row) In(build string) string {
	build, _, _ = strings.Cut(build, "-split")
	for _, f := range r.Fewer {
		if ok, err := path.Match(f.Builds, build); err == nil && ok {
			return f.Text
		}
	}
	return r.Text
}
