package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/sonde-project/sonde/event"
)

func TestDurationsHaveThreeDigitsAndAUnit(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ns", 7: "7ns", 999: "999ns", 1000: "1us", 1234: "1.23us", 9995: "10us", 35100: "35.1us", 99950: "100us", 999499: "999us",
		999500: "1ms", 1200 * time.Microsecond: "1.2ms", 999600 * time.Microsecond: "1s", 3456 * time.Millisecond: "3.46s",
		59 * time.Second: "59s", 60 * time.Second: "1m0s", 123 * time.Second: "2m3s", 2 * time.Hour: "2h", -5: "-5ns",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d ns: got %s, want %s", d, got, want)
		}
	}
}

func TestLabelsShortenMultiplesOf1024(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 1: "1", 1023: "1023", 1024: "1K", 1025: "1025", -2048: "-2K", 3 << 20: "3M", 1 << 62: "4E"} {
		if got := binary(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestNamesOfCPPLoseTheirParametersOnly(t *testing.T) {
	for name, want := range map[string]string{
		"f(int)": "f", "f()": "f", "ns::A<int(char)>::g(int) const": "ns::A<int(char)>::g", "operator()(int)": "operator()", "operator()": "operator()",
		"f": "f", "f(void (*)(int))": "f", "(anonymous namespace)::f(int)": "(anonymous namespace)::f", "f(int) [clone .part.0]": "f(int) [clone .part.0]",
		"main::{lambda(int)#1}::operator()(int) const": "main::{lambda(int)#1}::operator()", ")": ")", "(x)": "(x)",
	} {
		if got := withoutParameters(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestTheExtensionOfAFileNamesItsFormat(t *testing.T) {
	for file, want := range map[string]Format{"a.json": JSON, "b.jsonl": JSON, "x/c.csv": CSV, "d.txt": Text, "e.svg": "", "json": "", ".json": JSON} {
		if got := FormatOf(file); got != want {
			t.Errorf("%s: got %q, want %q", file, got, want)
		}
	}
	if _, err := New("xml", io.Discard, Options{}); err == nil {
		t.Error("xml is no format")
	}
}

func TestAClosedPipeIsRecognised(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	reader.Close()
	for _, f := range []Format{Text, JSON, CSV} {
		s, err := New(f, writer, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2000 { // more than any buffer holds
			if err = s.Event(sampleCalls()[0]); err != nil {
				break
			}
		}
		if err == nil {
			err = s.Flush()
		}
		if !Closed(err) {
			t.Errorf("%s: %v", f, err)
		}
	}
	if Closed(nil) || Closed(syscall.ENOSPC) || !Closed(fmt.Errorf("output: %w", syscall.EPIPE)) {
		t.Error("only a closed pipe is one")
	}
}

func TestOutputThatIsNoTerminalHasNeitherWidthNorColour(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	if o := Terminal(writer, os.Getenv); o.Colour || o.Width != 0 {
		t.Errorf("%+v", o)
	}
}

func TestPrintsAndMapsStandApart(t *testing.T) {
	var out bytes.Buffer
	s := newText(&out, Options{Script: true})
	for _, e := range []event.Event{&event.Print{Format: "no line end"}, prints(counts(false, libc))[0]} {
		if err := s.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "no line end\n\n@[malloc]: 10\n"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("got %q, want it to begin with %q", out.String(), want)
	}
}

// FuzzNames: whatever names an observed program has, text output holds no control character but line ends, and JSON
// output is JSON.
func FuzzNames(f *testing.F) {
	f.Add("f", "ls", "/bin/ls", "key")
	f.Add("f\x1b[2J(int) const", "a\nb", "\xff\xfe/x", "\u009b31m")
	f.Fuzz(func(t *testing.T, function, comm, target, key string) {
		c := &event.Call{PID: 1, TID: 2, Comm: comm, Target: target, Function: function, Language: event.LangCPP, Callee: function, Errno: key,
			Args: []event.Field{{Name: key, Value: event.String(comm)}}, Outcome: event.TailCalled,
			Stack: []event.Frame{{Function: function, File: target, Line: 1}, {Function: key, Target: target}}}
		m := event.Map{Name: key, Kind: event.AggCount, Keys: []string{"func", key}, Entries: []event.Entry{{Key: []event.Value{event.String(function),
			event.String(comm)}, Function: ref(target, function), Agg: event.Aggregate{Kind: event.AggCount, Count: 1}}}}
		for _, o := range []Options{{Process: true, Width: 40}, {Script: true}} {
			for _, format := range []Format{Text, JSON, CSV} {
				var out bytes.Buffer
				s, _ := New(format, &out, o)
				for _, e := range []event.Event{c, &event.MapPrint{Map: m, Final: true}} {
					if err := s.Event(e); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.End(event.Stats{}); err != nil {
					t.Fatal(err)
				}
				check(t, format, o, out.String(), comm+key+function)
			}
		}
	})
}

func check(t *testing.T, format Format, o Options, out, raw string) {
	t.Helper()
	switch format {
	case JSON:
		for _, l := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
			if !json.Valid([]byte(l)) {
				t.Errorf("not JSON: %q", l)
			}
		}
	default:
		// a script prints the tabs and line ends of its keys as they are
		for _, r := range out {
			if unicode.IsControl(r) && r != '\n' && !(r == '\t' && strings.Contains(raw, "\t")) {
				t.Errorf("control character %q in %q", r, out)
			}
		}
	}
}

func TestAListNamesTheFilesThatAreNotRead(t *testing.T) {
	in := func(file string) event.Function {
		return event.Function{Name: "f", SplitTypes: file, SplitProblem: "is not there"}
	}
	for _, test := range []struct {
		files []event.Function
		want  string
	}{
		{[]event.Function{in("")}, ""},
		{[]event.Function{in("a.dwo"), in("b.dwo"), in("a.dwo"), in("")}, "the types of 2 functions are in a.dwo, which is not there: compiled with -gsplit-dwarf\n" +
			"the types of 1 function are in b.dwo, which is not there: compiled with -gsplit-dwarf"},
		{[]event.Function{in("a"), in("b"), in("c"), in("d"), in("e")}, "and so it is with 2 files more"},
	} {
		got := Unread(test.files)
		if text := strings.Join(got, "\n"); text != test.want && (len(got) < 4 || got[3] != test.want) {
			t.Errorf("got %s\nwant %s", text, test.want)
		}
	}
}

func BenchmarkTrace(b *testing.B) {
	call := sampleCalls()[0]
	for _, f := range []Format{Text, JSON} {
		b.Run(string(f), func(b *testing.B) {
			s, _ := New(f, io.Discard, Options{})
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Event(call); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
