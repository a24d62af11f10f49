package prototype

import (
	"errors"
	"testing"
	"time"

	"github.com/sonde-project/sonde/script"
)

func TestOurOwnTablesHaveNoMistakes(t *testing.T) {
	files, err := texts.ReadDir("tables")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	started := time.Now()
	Lookup("libc.so.6", "malloc")
	t.Logf("first look-up: %v", time.Since(started))
	for _, f := range files {
		text, err := texts.ReadFile("tables/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		parent := base()
		if f.Name() == "base.h" {
			parent = nil
		}
		start := time.Now()
		table, mistake := parse(string(text), parent)
		if mistake != nil {
			t.Errorf("%s: %v at %q", f.Name(), mistake, mistake.Text[mistake.Span.From:min(mistake.Span.From+60, len(mistake.Text))])
			continue
		}
		mine := load(string(text))
		for name := range table.functions {
			if _, ok := mine.lookup(name); !ok {
				t.Errorf("%s: %s is not found by its line", f.Name(), name)
			}
		}
		t.Logf("%s: %d functions, %v", f.Name(), len(table.functions), time.Since(start))
		total += len(table.functions)
	}
	if total < 1300 {
		t.Errorf("%d functions in all, want 1300", total)
	}
}

func TestMistakesHaveAPlace(t *testing.T) {
	for text, at := range map[string]string{
		"int f(foo_t x);":              "foo_t",
		"int f(int x":                  "",
		"int f(int a) @fails(maybe);":  "@fails",
		"int f(int a @flag(x));":       "@flag",
		"struct s { int a : 99; };":    "99",
		"int f(void buf[n]);":          ";",
		"int f(int a @flags(nobody));": "nobody",
		"typedef int x[0x1ffffffff1];": "0x1ffffffff1",
		"int a[1/0];":                  "/",
		"'":                            "'",
	} {
		_, err := Parse(text)
		var d *script.Diagnostic
		if !errors.As(err, &d) {
			t.Errorf("%q is accepted", text)
			continue
		}
		if got := text[min(d.Span.From, len(text)):min(d.Span.To, len(text))]; got != at {
			t.Errorf("%q: %v at %q, want %q", text, d, got, at)
		}
	}
}
