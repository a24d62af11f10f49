package resolve_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/script"
)

// planOf resolves a script in which PROG stands for the fixture.
func planOf(t *testing.T, text string) (*plan.Plan, error) {
	t.Helper()
	prog := fixture.Build(t, "resolve/many.c", "-foptimize-sibling-calls", "-fcf-protection=none")
	s, err := script.Parse(strings.ReplaceAll(text, "PROG", prog))
	if err != nil {
		t.Fatal(err)
	}
	objects := resolve.NewObjects()
	t.Cleanup(func() { objects.Close() })
	return resolve.Resolve(s, resolve.Scope{Objects: objects})
}

func mustPlan(t *testing.T, text string) *plan.Plan {
	t.Helper()
	p, err := planOf(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFunctionsShareAProgramUnlessTheirTypesMatter(t *testing.T) {
	for text, want := range map[string]int{
		"uprobe:PROG:/leaf|mix|make|eight|onpt/ { @[func] = count(); }":          1,
		"uretprobe:PROG:/leaf|mix|make|eight|onpt/ { @[func] = sum(duration); }": 1,
		"uprobe:PROG:/leaf|jumps/ /args.a > 1/ { @ = count(); }":                 1,
		"uprobe:PROG:/leaf|eight/ { printf(\"%d\\n\", arg0); }":                  1,
		"uretprobe:PROG:/leaf|onpt/ { @ = sum(retval); }":                        1,
		"uretprobe:PROG:/leaf|mix|make|eight|onpt/ { call(); }":                  5,
	} {
		p := mustPlan(t, text)
		if got := len(p.Probes[0].Bodies); got != want {
			t.Errorf("%s: %d programs, want %d", text, got, want)
		}
	}
}

func TestWhatTheEntryDecidesIsDecidedThere(t *testing.T) {
	p := mustPlan(t, `uretprobe:PROG:leaf /args.a > 3 && pid > 0 && retval > 4/ { @ = count(); }`)
	body := p.Probes[0].Bodies[0]
	if body.Frame == nil || body.Frame.Pred == nil || body.Pred == nil {
		t.Fatalf("the predicate is not divided: %+v", body)
	}
	if p := mustPlan(t, `uretprobe:PROG:leaf /retval > 4/ { @ = count(); }`); p.Probes[0].Bodies[0].Frame != nil {
		t.Error("a frame is kept although nothing of the entry is needed")
	}
}

func TestAnArgumentIsSavedOnceHoweverOftenItIsUsed(t *testing.T) {
	p := mustPlan(t, `uretprobe:PROG:leaf { @[args.a, retval] = sum(args.a); printf("%d %s\n", args.a, str(args.s)); }`)
	if got := len(p.Probes[0].Bodies[0].Frame.Slots); got != 2 {
		t.Errorf("%d slots kept, want the number and the text", got)
	}
}

func TestSitesOfAReturnProbe(t *testing.T) {
	p := mustPlan(t, `uretprobe:PROG:/jumps|leaf/ { @[func] = quantiles(duration); }`)
	roles := map[site.Role]int{}
	for _, s := range p.Probes[0].Sites {
		roles[s.Role]++
		if f := p.Functions[s.Function]; s.Role == site.Entry && (s.Addr < f.Addr || uint64(s.Addr-f.Addr) > 16) {
			t.Errorf("%s is armed at %v, the function begins at %v", f.Name, s.Addr, f.Addr)
		}
	}
	if roles[site.Entry] != 2 || roles[site.Trampoline] != 2 {
		t.Errorf("sites by role: %v", roles)
	}
	if !p.Maps[0].Dense {
		t.Error("a map keyed by func alone is no array")
	}
}

func TestAMapWhoseKeysComeAndGoIsNoArray(t *testing.T) {
	for _, what := range []string{"delete(@, func);", "if (has_key(@, func)) { @other++; }"} {
		if p := mustPlan(t, "uprobe:PROG:leaf { @[func] = count(); "+what+" }"); p.Maps[0].Dense {
			t.Errorf("%s: an array", what)
		}
	}
}

func TestNothingReplacesAReturnAddressThatIsNone(t *testing.T) {
	_, err := planOf(t, "uretprobe:PROG:_start { call(); }")
	var d *script.Diagnostic
	if !errors.As(err, &d) || d.Code != "refused" {
		t.Fatalf("_start: %v", err)
	}
	p := mustPlan(t, "uretprobe:PROG:* { @[func] = count(); }")
	for _, r := range p.Refusals {
		if r.Function == "_start" {
			return
		}
	}
	t.Errorf("_start is not among the refusals: %v", p.Refusals)
}

func TestNoProbeLiesInARestartableSequence(t *testing.T) {
	prog := fixture.Build(t, "engine/restarts.c")
	for at, says := range map[string]string{"+11": "lies in a restartable sequence", "+7": "", "+30": ""} {
		s, err := script.Parse("uprobe:" + prog + ":bump" + at + " { @ = count(); }")
		if err != nil {
			t.Fatal(err)
		}
		_, err = resolve.Resolve(s, resolve.Scope{})
		d := new(script.Diagnostic)
		if refused := errors.As(err, &d) && strings.Contains(strings.Join(d.Hints, ""), says); refused != (says != "") || err != nil && !refused {
			t.Errorf("bump%s: %v", at, err)
		}
	}
}

func TestTailCallsNameTheProbedCallee(t *testing.T) {
	prog := fixture.Build(t, "resolve/many.c", "-foptimize-sibling-calls", "-fcf-protection=none")
	s, err := script.Parse("uretprobe:" + prog + ":/jumps|leaf/ { call(); }")
	if err != nil {
		t.Fatal(err)
	}
	p, err := resolve.Resolve(s, resolve.Scope{Return: resolve.ReturnSites})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Probes[0].Sites {
		if s.Role == site.TailJump && p.Functions[s.Function].Name == "jumps" {
			if s.Callee < 0 || p.Functions[s.Callee].Name != "leaf" {
				t.Errorf("jumps goes to function %d", s.Callee)
			}
			return
		}
	}
	t.Error("jumps has no tail jump")
}

func TestAFunctionWhoseResultAnotherMakesIsRefusedWhereTheResultIsWanted(t *testing.T) {
	prog := fixture.Build(t, "resolve/many.c", "-foptimize-sibling-calls", "-fcf-protection=none")
	for body, want := range map[string]script.Code{"{ @[retval] = count(); }": "no-return", "{ @ = count(); }": ""} {
		s, err := script.Parse("uretprobe:" + prog + ":jumps " + body)
		if err != nil {
			t.Fatal(err)
		}
		_, err = resolve.Resolve(s, resolve.Scope{Return: resolve.ReturnSites})
		var d *script.Diagnostic
		if errors.As(err, &d) != (want != "") || d != nil && d.Code != want {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestMistakesSayWhatWasMeant(t *testing.T) {
	for _, c := range []struct{ text, code, hint string }{
		{"uprobe:PROG:laef { @ = count(); }", "no-function", "leaf"},
		{"uprobe:PROG:folded { @ = count(); }", "no-function", "inlined"},
		{"uprobe:PROG:strlen { @ = count(); }", "no-function", "libc.so.6"},
		{"uprobe:PROG:/nothing.like.this/ { @ = count(); }", "no-function", "sonde list"},
		{"uprobe:PROG:many.c:1 { @ = count(); }", "no-function", "nearest line"},
		{"uprobe:PROG:leaf { @ = sum(args.b); }", "no-parameter", "a, s"},
		{"uprobe:PROG:onpt { @ = sum(args.p->z); }", "no-member", "x, y, name"},
		{"uprobe:PROG:leaf { @ = sum(retval); }", "not-at-return", "uretprobe"},
		{"uprobe:PROG:leaf { @ = sum(duration); }", "not-at-return", "uretprobe"},
		{"uprobe:PROG:mix { @ = sum(args.d); }", "unavailable", ""},
		{"uprobe:PROG:leaf /args.a == \"x\"/ { @ = count(); }", "type", "str("},
		{"uprobe:PROG:leaf { printf(\"%s\\n\", arg0); }", "format", "str("},
		{"uprobe:PROG:leaf { printf(\"%d %d\\n\", 1); }", "format", ""},
		{"uprobe:PROG:leaf { @ = count(); @ = 3; }", "map-type", ""},
		{"uprobe:PROG:leaf /func == str(arg1)/ { @ = count(); }", "not-constant", ""},
		{"uprobe:PROG:leaf { @ = probe; @x = @ == \"uprobe:PROG:leaf\"; }", "unsupported", "func"},
		{"uprobe:PROG:onpt { print(ntop(args.p)); }", "type", "*(args.p)"},
		{"uprobe:PROG:make { print(ntop(args.p.name)); }", "type", "*(args.p.name)"},
		{"BEGIN { printf(\"%d\", strerror(1)); }", "format", "%s"},
		{"BEGIN { $t = strftime(\"%H\", nsecs); $t = 1; }", "type", ""},
		{"BEGIN { print(strerror(1) + 1); }", "type", ""},
		{"uprobe:PROG:leaf { @[pid] = 1; @[pid, tid] = 1; }", "map-key", ""},
		{"uprobe:PROG:leaf { print(@never); }", "no-map", ""},
		{"uprobe:PROG:leaf { $y = $x; }", "no-variable", ""},
		{"uprobe:PROG:leaf { break; }", "outside-loop", ""},
		{"BEGIN { @ = arg0; }", "no-hit", ""},
		{"uprobe:PROG:leaf { @ = ((struct nobody *)arg0)->x; }", "no-type", "--prototypes"},
		{"struct s { nosuch x; }; uprobe:PROG:leaf { @ = ((struct s *)arg0)->x; }", "prototype", ""},
		{"struct s { int x; }; uprobe:PROG:leaf { @ = ((struct s *)arg0)->y; }", "no-member", "x"},
		{"config = { max_strlen = 0 } BEGIN { @ = 1; }", "bad-limit", ""},
		{"uretprobe:PROG:leaf+4 { @ = count(); }", "not-a-function", "uprobe"},
		{"uprobe:PROG:leaf+999 { @ = count(); }", "", ""},
		{"uprobe:PROG:0x1 { @ = count(); }", "no-function", "virtual addresses"},
	} {
		_, err := planOf(t, c.text)
		var d *script.Diagnostic
		if !errors.As(err, &d) {
			t.Errorf("%s: %v is no diagnostic", c.text, err)
			continue
		}
		if (c.code != "" && string(d.Code) != c.code) || !strings.Contains(strings.Join(d.Hints, "\n"), c.hint) {
			t.Errorf("%s: %s, want %s with a hint of %q", c.text, d.Format("sonde"), c.code, c.hint)
		}
	}
}

// Values of an enumeration go by their names: a slip offers them, and so does text in their place.
func TestNamesOfEnumeratorsAreOffered(t *testing.T) {
	for text, want := range map[string]string{
		`uprobe:PROG:onpt /args.c == GREN/ { @ = count(); }`:     "near names: GREEN",
		`uprobe:PROG:onpt /args.c == "GREEN"/ { @ = count(); }`:  "names of its values stand without quotes: RED, GREEN, BLUE",
		`uprobe:PROG:onpt /args.p->x == "one"/ { @ = count(); }`: "reads the text at an address",
	} {
		_, err := planOf(t, text)
		var d *script.Diagnostic
		if !errors.As(err, &d) || !strings.Contains(strings.Join(d.Hints, "; "), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// The hint of what to list named nothing where the program was meant, and where a process's view counts it named a file of ours.
func TestWhatToListIsNamed(t *testing.T) {
	prog := fixture.Build(t, "resolve/many.c", "-foptimize-sibling-calls", "-fcf-protection=none")
	self := os.Getpid()
	for _, c := range []struct {
		point string
		scope resolve.Scope
		want  string
	}{
		{"uprobe::/nothing.like/", resolve.Scope{Program: prog, Started: true}, "sonde list " + prog + " shows"},
		{"uprobe:*:/nothing.like/", resolve.Scope{Program: prog, Started: true}, "sonde list " + prog + " shows"},
		{"uprobe:*:/nothing.like/", resolve.Scope{PIDs: []int{self}}, fmt.Sprintf("sonde list -p %d", self)},
	} {
		s, err := script.Parse(c.point + " { @ = count(); }")
		if err != nil {
			t.Fatal(err)
		}
		_, err = resolve.Resolve(s, c.scope)
		var d *script.Diagnostic
		if !errors.As(err, &d) || !strings.Contains(strings.Join(d.Hints, "; "), c.want) {
			t.Errorf("%s: %v, want %q", c.point, err, c.want)
		}
	}
}

// The star of a Go method makes its name no pattern: near names are offered.
func TestAMethodOfGoThatIsNotThereHasNearNames(t *testing.T) {
	prog := fixture.Build(t, "go/symbols")
	s, err := script.Parse("uprobe:" + prog + ":main.(*Store).Putt { @ = count(); }")
	if err != nil {
		t.Fatal(err)
	}
	_, err = resolve.Resolve(s, resolve.Scope{})
	var d *script.Diagnostic
	if !errors.As(err, &d) || !strings.Contains(d.Message, `no function "main.(*Store).Putt"`) || !strings.Contains(strings.Join(d.Hints, "\n"), "main.(*Store).Put") {
		t.Errorf("%v", err)
	}
}

func TestExplainNamesEachSiteWithItsReason(t *testing.T) {
	p := mustPlan(t, "uretprobe:PROG:leaf { call(); }")
	var out strings.Builder
	if err := p.Explain(&out, plan.Means{Engine: "kernel", Link: "uprobe_multi"}); err != nil {
		t.Fatal(err)
	}
	if err := p.Explain(&out, plan.Means{Command: "./app"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"engine: kernel, uprobe_multi", "observed: every process\n", "observed: ./app and what it starts\n", "int leaf(int a, const char *s)", "types: dwarf", "entry", "trampoline"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestListNamesTheFileWithTypesThatIsNotRead(t *testing.T) {
	prog := fixture.Build(t, "resolve/many.c", "-gsplit-dwarf")
	list := func() event.Function {
		found, err := resolve.List(script.Point{Kind: script.Uprobe, Target: prog, Function: "main"}, resolve.Scope{})
		if err != nil || len(found) != 1 {
			t.Fatalf("got %+v, %v", found, err)
		}
		return found[0]
	}
	if main := list(); main.Signature == "" || main.SplitTypes != "" {
		t.Errorf("with the file: %+v", main)
	}
	moved := filepath.Join(t.TempDir(), "program")
	text, err := os.ReadFile(prog)
	if err != nil {
		t.Fatal(err)
	}
	// The name of the file as the program has it: another one of the same length is not there.
	if err := os.WriteFile(moved, bytes.ReplaceAll(text, []byte(".dwo\x00"), []byte(".dwx\x00")), 0o755); err != nil {
		t.Fatal(err)
	}
	prog = moved
	if main := list(); main.Signature != "" || !strings.HasSuffix(main.SplitTypes, ".dwx") || main.SplitProblem != "is not there" {
		t.Errorf("without the file: %+v", main)
	}
}

func TestListDescribesFunctionsInOrderOfAddress(t *testing.T) {
	prog := fixture.Build(t, "resolve/many.c", "-foptimize-sibling-calls", "-fcf-protection=none")
	found, err := resolve.List(script.Point{Kind: script.Uprobe, Target: prog, Function: "leaf|make|main", Regexp: true}, resolve.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	names := map[string]string{}
	for _, f := range found {
		if f.Address < last {
			t.Errorf("%s is out of order", f.Name)
		}
		last = f.Address
		names[f.Name] = fmt.Sprintf("%s %s %s", f.Signature, filepath.Base(f.File), f.Cost)
	}
	if !strings.HasPrefix(names["make"], "struct big make(int n, struct pt p) many.c ") {
		t.Errorf("make: %q", names["make"])
	}
}

func TestSymbolizerNamesWhatThisProcessRuns(t *testing.T) {
	objects := resolve.NewObjects()
	defer objects.Close()
	frames := resolve.NewSymbolizer(objects).Frame(os.Getpid(), callerPC())
	if last := frames[len(frames)-1]; !strings.Contains(last.Function, "TestSymbolizerNames") && !strings.Contains(frames[0].Function, "callerPC") {
		t.Errorf("frames: %+v", frames)
	}
}
