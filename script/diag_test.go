package script

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mistakes are scripts that do not parse, with the code, the text that the place marks, and a part of a hint.
var mistakes = []struct {
	text string
	code Code
	mark string
	hint string
}{
	{`BEGIN { ` + "`" + ` }`, BadCharacter, "`", "plain quotes"},
	{"#define X 1\nBEGIN { }", BadCharacter, "#", "#define"},
	{`BEGIN { $ = 1 }`, BadCharacter, "$", "$name"},
	{`BEGIN { print("\q") }`, BadEscape, `\q`, `\\`},
	{`BEGIN { print("\400") }`, BadEscape, `\400`, ``},
	{`BEGIN { print(0x) }`, BadNumber, "0x", "0x1f"},
	{`BEGIN { print(08) }`, BadNumber, "08", "decimal is 8"},
	{`BEGIN { print(1.5) }`, BadNumber, "1.5", "1.5ms"},
	{`BEGIN { print(18446744073709551616) }`, BadNumber, "18446744073709551616", ""},
	{`BEGIN { print(10parsecs) }`, BadNumber, "10parsecs", "10ms"},
	{`BEGIN { print("abc) }`, UnclosedString, `"abc) }`, `\n`},
	{`BEGIN { print('ab') }`, UnclosedString, `'a`, `"`},
	{`BEGIN { /* abc }`, UnclosedComment, "/*", ""},
	{`BEGIN { print(1`, UnclosedBracket, "(", `add ")"`},
	{`BEGIN { @[1`, UnclosedBracket, "[", `add "]"`},
	{`BEGIN { print(1); `, UnclosedBracket, "{", `add "}"`},
	{`uprobe:l:f /pid == 1 { }`, UnclosedBracket, "/", `add "/"`},
	{`uprobe:l:f /pid == / { }`, MissingOperand, "/", ""},
	{`BEGIN { print(1 + ); }`, MissingOperand, ")", ""},
	{`BEGIN { @[] = 1 }`, MissingOperand, "[]", "without key is @"},
	{`macro m() { @++; @++ } BEGIN { print(m()) }`, BadMacro, "m()", "one expression"},
	{`macro m() { @++; @++ } BEGIN { while (m) { } }`, BadMacro, "m", "one expression"},
	{`macro pid() { 1 } BEGIN { }`, BadMacro, "pid", ""},
	{`macro m(x) { x } BEGIN { print(m()) }`, BadArguments, "m()", ""},
	{`macro m($x) { $x } BEGIN { print(m(1)) }`, BadArguments, "1", ""},
	{`macro m(@x) { @x } BEGIN { print(m(@a[1])) }`, BadArguments, "@a[1]", ""},
	{`macro m(1) { @x } BEGIN { }`, Unexpected, "1", ""},
	{`BEGIN { print(1) print(2) }`, Unexpected, "", ""},
	{`BEGIN { } }`, Unexpected, "}", "a probe is"},
	{`BEGIN`, Unexpected, "BEGIN", "what to do"},
	{`uprobe:l:f /pid == 1 and tid == 2/ { }`, Unexpected, "and", `"&&"`},
	{`uprobe:l:f /duration > 10 ms/ { }`, Unexpected, "ms", "right behind its number: 10ms"},
	{`uprobe:l:f /arg0 > 3 kb/ { }`, Unexpected, "kb", "sizes are in bytes"},
	{`BEGIN { pid = 1 }`, NotAssignable, "pid", "$pid"},
	{`BEGIN { 1++ }`, NotAssignable, "1", "@x"},
	{`uprobe:l:f /pid = 1/ { }`, Assignment, "=", `did you mean "=="`},
	{`BEGIN { if (pid = 1) { } }`, Assignment, "=", `did you mean "=="`},
	{`BEGIN { print(pdi) }`, UnknownName, "pdi", "near names: pid"},
	{`BEGIN { print(count) }`, UnknownName, "count", "count()"},
	{`BEGIN { print(zzzzzz) }`, UnknownName, "zzzzzz", "args.zzzzzz"},
	{`BEGIN { pritnf("x") }`, UnknownFunction, "pritnf", "near names: printf"},
	{`BEGIN { pid(1) }`, UnknownFunction, "pid", "without parentheses"},
	{`BEGIN { @ = hist() }`, BadArguments, "hist()", "usage: hist(x[, bits])"},
	{`BEGIN { @ = count(1) }`, BadArguments, "count(1)", "usage: count()"},
	{`uprob:libc:malloc { }`, UnknownProbe, "uprob", "near names: uprobe"},
	{`libc:malloc { }`, UnknownProbe, "libc", "uprobe:libc:malloc"},
	{`kprobe:do_sys_open { }`, UnknownProbe, "kprobe", "uretprobe"},
	{`uprobe:libc: { }`, BadProbe, "", "libc:*"},
	{`uprobe:/usr/bin/x { }`, BadProbe, "", "/usr/bin/x:*"},
	{`uprobe { }`, BadProbe, "", "uprobe:TARGET:FUNCTION"},
	{`uprobe:l:12ab { }`, BadProbe, "12ab", "0x12ab"},
	{`uprobe:l:0xzz { }`, BadProbe, "0xzz", "hexadecimal"},
	{`uprobe:l:f.c:0 { }`, BadProbe, "0", ""},
	{`uprobe:a::::b { }`, BadProbe, "::::", "part of a name"},
	{`usdt:name { }`, BadProbe, "name", "PROVIDER"},
	{`interval:s:0 { }`, BadProbe, "s:0", "s:1"},
	{`interval:5 { }`, BadProbe, "5", "s:1"},
	{`interval:weeks:5 { }`, BadProbe, "weeks:5", "s:1"},
	{`uprobe:l:/(/ { }`, BadRegexp, "/(/", ""},
	{`uprobe:l:/a { }`, BadRegexp, "/a { }", `\/`},
	{` // nothing`, NothingToDo, "", "uprobe:libc:malloc"},
	{`struct foo { int x; `, UnclosedBracket, "{", `add "}"`},
	{`struct foo x`, Unexpected, "", ""},
	{`enum foo } `, Unexpected, "}", ""},
	{`BEGIN { struct foo { int x; } }`, Unexpected, "struct", "before the probes"},
	{`BEGIN { print(kstack) }`, Unsupported, "kstack", "near names: ustack"},
	{`BEGIN { system("rm") }`, Unsupported, "system", ""},
	{`BEGIN { for ($kv : @x) { } }`, Unsupported, "@x", "print(@x)"},
	{`BEGIN { @ = ` + strings.Repeat("(", 1000) + ` }`, TooDeep, "(", ""},
	{`BEGIN { @ = 1` + strings.Repeat("+1", 10000) + ` }`, TooDeep, "1", ""},
	{strings.Repeat(" ", maxText) + "BEGIN { }", TooLong, "", ""},
}

func TestMistakeIsDiagnosedWithItsPlaceAndAHint(t *testing.T) {
	for _, c := range mistakes {
		_, err := Parse(c.text)
		d, ok := err.(*Diagnostic)
		if !ok {
			t.Errorf("%.80s: %v, want %s", c.text, err, c.code)
			continue
		}
		mark := d.Text[d.Span.From:d.Span.To]
		if d.Code != c.code || mark != c.mark || !strings.Contains(strings.Join(d.Hints, "\n"), c.hint) {
			t.Errorf("%.80s\nwant %s at %q with hint %q, got %q\n%s", c.text, c.code, c.mark, c.hint, mark, d.Format("sonde"))
		}
	}
}

func TestEveryCodeHasAnExample(t *testing.T) {
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, c := range mistakes {
		shown = append(shown, string(c.code))
	}
	shown = append(shown, string(NoReturn)) // of the verbs: TestTimeOfWhatHasNoReturnIsAMistake
	for _, m := range regexp.MustCompile(`= "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		if !slices.Contains(shown, m[1]) {
			t.Errorf("no example of %s", m[1])
		}
	}
}

func TestDiagnosisReadsAsTheCommandShowsIt(t *testing.T) {
	for _, c := range []struct {
		d    Diagnostic
		want string
	}{
		{Diagnostic{Code: "no-function", Message: `no function "mallc" in libc.so.6`, Text: "libc:mallc", Span: Span{5, 10},
			Hints: []string{"near names: malloc, calloc"}},
			"sonde: error: no function \"mallc\" in libc.so.6 [no-function]\n    libc:mallc\n         ^^^^^\nsonde: hint: near names: malloc, calloc\n"},
		{Diagnostic{Code: "x", Message: "m", Text: "BEGIN {\n\t\tprint(pdi);\n}\n", Span: Span{16, 19}},
			"sonde: error: m [x]\n    line 2: print(pdi);\n                  ^^^\n"},
		{Diagnostic{Code: "x", Message: "m", Text: "abc", Span: Span{3, 3}}, "sonde: error: m [x]\n    abc\n       ^\n"},
		{Diagnostic{Code: "x", Message: "m\x1b[31m"}, "sonde: error: m\ufffd[31m [x]\n"},
		{Diagnostic{Code: "x", Message: "m", Text: strings.Repeat("a", 300) + "b", Span: Span{300, 301}},
			"sonde: error: m [x]\n    ..." + strings.Repeat("a", 99) + "b\n    " + strings.Repeat(" ", 102) + "^\n"},
		{Diagnostic{Code: "x", Message: "m", Text: "b" + strings.Repeat("a", 300), Span: Span{0, 1}},
			"sonde: error: m [x]\n    b" + strings.Repeat("a", 99) + "...\n    ^\n"},
		{Diagnostic{Code: "x", Message: "m", Text: "ab", Span: Span{7, 3}}, "sonde: error: m [x]\n    ab\n      ^\n"},
	} {
		if got := c.d.Format("sonde"); got != c.want {
			t.Errorf("got\n%swant\n%s", got, c.want)
		}
	}
}
