package script

import (
	"strings"
	"testing"
)

func TestVerbIsTheScriptThatItPrints(t *testing.T) {
	count := func(pt []Point, pred Expr, by []Expr) (*Script, error) { return Count(pt, pred, by) }
	trace := func(pt []Point, pred Expr, _ []Expr) (*Script, error) { return Trace(pt, pred, TraceOptions{}) }
	stacks := func(pt []Point, pred Expr, _ []Expr) (*Script, error) {
		return Trace(pt, pred, TraceOptions{Stack: true})
	}
	for _, c := range []struct {
		verb     func([]Point, Expr, []Expr) (*Script, error)
		points   string
		pred, by string
		want     string
	}{
		{verb: count, points: "T:F", want: "uprobe:T:F { @[func] = count(); }\n"},
		{verb: count, points: "T:F T:G", by: "comm, node", want: "uprobe:T:F, uprobe:T:G { @[func, comm, args.node] = count(); }\n"},
		{verb: count, points: "T:F", pred: "size > 4096 && how == SEEK_SET",
			want: "uprobe:T:F /args.size > 4096 && args.how == SEEK_SET/ { @[func] = count(); }\n"},
		{verb: count, points: "T:F", pred: "retval < 0", want: "uretprobe:T:F /retval < 0/ { @[func] = count(); }\n"},
		{verb: count, points: "T:F", by: "duration / 1ms", want: "uretprobe:T:F { @[func, duration / 1ms] = count(); }\n"},
		{verb: count, points: "T:F+0x10 T:a.c:3", want: "uprobe:T:F+0x10, uprobe:T:a.c:3 { @[func] = count(); }\n"},
		{verb: count, points: "usdt:T:p:n", want: "usdt:T:p:n { @[func] = count(); }\n"},
		{verb: trace, points: "T:F", pred: "s->next.len > 1", want: "uretprobe:T:F /args.s->next.len > 1/ { call(); }\n"},
		{verb: trace, points: "T:0x10 T:a.c:3", want: "uretprobe:T:0x10, uprobe:T:a.c:3 { call(); }\n"},
		{verb: stacks, points: "T:F", want: "uretprobe:T:F { call(ustack); }\n"},
		{verb: Time, points: "T:F", by: "ustack(perf, 3)", want: "uretprobe:T:F { @[func, ustack(perf, 3)] = quantiles(duration); }\n"},
	} {
		s, err := c.verb(mustPoints(t, c.points), mustExpr(t, c.pred), mustExprs(t, c.by))
		if err != nil {
			t.Errorf("%s: %v", c.want, err)
			continue
		}

		if got := s.String(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
		again, err := Parse(s.String())
		if err != nil || dump(again) != dump(s) {
			t.Errorf("%s does not parse to the verb's tree: %v", s, err)
		}
	}
}

func TestTimeOfWhatHasNoReturnIsAMistake(t *testing.T) {
	for _, text := range []string{"T:F+0x10", "T:a.c:3", "usdt:T:p:n"} {
		_, err := Time(mustPoints(t, text), nil, nil)
		if d, ok := err.(*Diagnostic); !ok || d.Code != NoReturn || d.Text != text {
			t.Errorf("%s: %#v", text, err)
		}
	}
}

func TestSpansOfAVerbPointAtWhatTheCommandLineHad(t *testing.T) {
	s, err := Count(mustPoints(t, "libc:malloc usdt:/bin/x:p:n"), mustExpr(t, "pid == 1 && size>4096"), mustExprs(t, "comm,node"))
	if err != nil {
		t.Fatal(err)
	}
	marked := func(at Span) string { return s.Text[at.From:at.To] }
	probe := s.Probes[0]
	size := probe.Pred.(*Binary).Y.(*Binary).X
	node := probe.Body[0].(*Assign).Left.(*MapRef).Keys[2]
	for _, c := range []struct{ got, want string }{
		{marked(probe.Points[0].Span), "libc:malloc"},
		{marked(probe.Points[0].TargetSpan), "libc"},
		{marked(probe.Points[0].FunctionSpan), "malloc"},
		{marked(probe.Points[1].TargetSpan), "/bin/x"},
		{marked(probe.Points[1].FunctionSpan), "p:n"},
		{marked(size.Pos()), "size"},
		{marked(node.Pos()), "node"},
	} {
		if c.got != c.want {
			t.Errorf("span of %q marks %q", c.want, c.got)
		}
	}
	d := Diagnostic{Code: "x", Message: "m", Text: s.Text, Span: size.Pos()}
	want := "sonde: error: m [x]\n    pid == 1 && size > 4096\n                ^^^^\n"
	if got := d.Format("sonde"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestMistakeShowsThePointAsTyped(t *testing.T) {
	for _, text := range []string{"main", "T:ns::f(int, char) const", "file.c:42", `"/odd:path":f`, "usdt:T:p:n", "/^get/"} {
		pt, err := ParsePoint(text, Uretprobe)
		if err != nil {
			t.Fatal(err)
		}
		if got := pt.commandLine(); got != text {
			t.Errorf("%s is shown as %s", text, got)
		}
	}
}

func TestVerbLeavesItsArgumentsAsTheyAre(t *testing.T) {
	points, by := mustPoints(t, "T:F"), mustExprs(t, "node")
	if _, err := Time(points, nil, by); err != nil {
		t.Fatal(err)
	}
	if points[0].Kind != Uprobe || FormatList(by) != "node" {
		t.Errorf("changed to %v and %s", points[0], FormatList(by))
	}
}

func mustPoints(t *testing.T, list string) (out []Point) {
	t.Helper()
	for _, text := range strings.Fields(list) {
		pt, err := ParsePoint(text, Uprobe)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, pt)
	}
	return out
}

func mustExpr(t *testing.T, text string) Expr {
	t.Helper()
	if text == "" {
		return nil
	}
	x, err := ParseExpr(text)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func mustExprs(t *testing.T, text string) []Expr {
	t.Helper()
	if text == "" {
		return nil
	}
	list, err := ParseExprs(text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
