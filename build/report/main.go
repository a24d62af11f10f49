// Report reads `go test -json` on standard input and prints what a person wants of it: one line a package, the
// output of what failed, and what was left out and why. It exits 1 when a test failed, and, with CI set, when a test
// was left out for another reason than an engine's own refusal ("refused: ...").
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

func main() {
	r := newReport(os.Getenv("CI") != "")
	if err := r.read(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	if !r.finish(os.Stdout) {
		os.Exit(1)
	}
}

// step is one line of `go test -json`; `go help test` and `go doc test2json` define it.
type step struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Output     string
	Elapsed    float64
}

type report struct {
	strict bool
	output map[string]*strings.Builder // by package and test
	failed []string
	left   []leftOut
	passed int
	// silent is true until something was read: a pipe that broke must not look like success.
	silent bool
}

type leftOut struct{ test, why string }

func newReport(strict bool) *report {
	return &report{strict: strict, output: map[string]*strings.Builder{}, silent: true}
}

func (r *report) read(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var s step
		if json.Unmarshal(lines.Bytes(), &s) != nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		r.silent = false
		r.take(s, out)
	}
	return lines.Err()
}

func (r *report) take(s step, out io.Writer) {
	name := s.Package + " " + s.Test
	switch s.Action {
	case "output":
		r.text(name).WriteString(s.Output)
	case "build-output":
		fmt.Fprint(out, s.Output)
	case "build-fail":
		r.failed = append(r.failed, s.ImportPath+" does not build")
	case "pass", "skip", "fail":
		r.end(s, name, out)
	}
}

func (r *report) end(s step, name string, out io.Writer) {
	text := r.text(name).String()
	delete(r.output, name)
	switch {
	case s.Action == "fail":
		r.failed = append(r.failed, strings.TrimSpace(name))
		fmt.Fprintf(out, "--- %s\n%s", name, text)
	case s.Test == "" && s.Action == "skip": // has no tests
	case s.Test == "":
		fmt.Fprintf(out, "%-4s %6.1fs %s\n", s.Action, s.Elapsed, s.Package)
	case s.Action == "skip":
		r.left = append(r.left, leftOut{test: name, why: reason(text)})
	default:
		r.passed++
	}
}

func (r *report) text(name string) *strings.Builder {
	if r.output[name] == nil {
		r.output[name] = &strings.Builder{}
	}
	return r.output[name]
}

var skipLine = regexp.MustCompile(`(?m)^\s+\S+\.go:\d+: (.*)$`)

// reason is what t.Skip said.
func reason(text string) string {
	found := skipLine.FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		return "without a reason"
	}
	return found[len(found)-1][1]
}

// finish prints the summary and says whether all is well.
func (r *report) finish(out io.Writer) bool {
	fmt.Fprintf(out, "%d passed, %d failed, %d left out\n", r.passed, len(r.failed), len(r.left))
	forbidden := r.leftOut(out)
	for _, name := range r.failed {
		fmt.Fprintf(out, "failed: %s\n", name)
	}
	if r.strict && forbidden > 0 {
		fmt.Fprintf(out, "failed: %d tests left out on CI\n", forbidden)
		return false
	}
	return len(r.failed) == 0 && !r.silent
}

// leftOut lists what was left out by reason, and counts what is no engine's refusal.
func (r *report) leftOut(out io.Writer) (forbidden int) {
	byReason, reasons := map[string][]string{}, []string{}
	for _, l := range r.left {
		if byReason[l.why] == nil {
			reasons = append(reasons, l.why)
		}
		byReason[l.why] = append(byReason[l.why], l.test)
		if !strings.HasPrefix(l.why, "refused: ") {
			forbidden++
		}
	}
	for _, why := range reasons {
		fmt.Fprintf(out, "%s:\n  %s\n", why, strings.Join(byReason[why], "\n  "))
	}
	return forbidden
}
