package script

import (
	"strings"
	"testing"
)

// FuzzParse: no text makes the parser panic, every refusal is a diagnosis that can be shown, and whatever parses
// prints as text that parses to the same tree.
func FuzzParse(f *testing.F) {
	for _, text := range scripts {
		f.Add(text)
	}
	for _, c := range mistakes {
		if len(c.text) < 200 { // mutations of long texts find nothing and take long
			f.Add(c.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 { // escapes would print it longer than the parser's limits
			return
		}
		first, err := Parse(text)
		if err != nil {
			shown(t, err)
			return
		}
		printed := first.String()
		second, err := Parse(printed)
		if err != nil {
			t.Fatalf("%q\nprinted as\n%s\n%v", text, printed, err)
		}
		if dump(first) != dump(second) {
			t.Fatalf("%q\nprinted as\n%s\n%s", text, printed, dump(second))
		}
	})
}

// FuzzPoint: no argument makes the reader of the command line's points panic, and a point prints as a script that
// holds the same point.
func FuzzPoint(f *testing.F) {
	for _, c := range points {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 { // escapes would print it longer than the parser's limits
			return
		}
		want, err := ParsePoint(text, Uprobe)
		if err != nil {
			shown(t, err)
			return
		}
		if strings.ContainsAny(text, "\n\r") {
			return
		}
		script, err := Parse(want.String() + " { }")
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, want.String(), err)
		}
		if dump(want) != dump(script.Probes[0].Points[0]) {
			t.Fatalf("%q printed as %q", text, want.String())
		}
	})
}

// FuzzExpr: as FuzzParse, for --by.
func FuzzExpr(f *testing.F) {
	for _, text := range []string{"comm, node", "size > 4096 && s.next->len % 2 == 0", "this->x", "how == SEEK_SET"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 { // escapes would print it longer than the parser's limits
			return
		}
		first, err := ParseExprs(text)
		if err != nil {
			shown(t, err)
			return
		}
		second, err := ParseExprs(FormatList(first))
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, FormatList(first), err)
		}
		if dump(first) != dump(second) {
			t.Fatalf("%q printed as %q", text, FormatList(first))
		}
	})
}

// shown fails unless the error is a diagnosis whose place lies in its text.
func shown(t *testing.T, err error) {
	t.Helper()
	d, ok := err.(*Diagnostic)
	if !ok {
		t.Fatalf("%T is no diagnosis", err)
	}
	if d.Span.From < 0 || d.Span.To < d.Span.From || d.Span.To > len(d.Text) {
		t.Errorf("%s: span %v outside of its text of %d bytes", d.Code, d.Span, len(d.Text))
	}
	if text := d.Format("sonde"); strings.ContainsAny(text, "\x1b\r\x00") {
		t.Errorf("%q would act on a terminal", text)
	}
}
