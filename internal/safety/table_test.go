package safety

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var table = flag.String("table", "", "write the table of outcomes under each tool to this file")

// compared are the programs of the table.
var compared = []string{"recursion", "tail calls and assembler", "longjmp", "signals", "processes", "threads", "contexts", "libraries", "environment",
	"exceptions", "exceptions, noexcept", "coroutines", "cancellation", "throws through C", "panics", "panics, abort", "stacks", "callbacks"}

// patience is how long a tool may take for one program.
const patience = 30 * time.Second

// peer is another tool: how it watches the returns of functions of a program while it runs.
type peer struct {
	name string
	run  func(argv []string, object string, functions []string) (Outcome, error)
}

var peers = []peer{{"bpftrace uretprobe", underBpftrace}, {"perf probe %return", underPerf}, {"ltrace -x", underLtrace}}

// wrapped runs the program from a shell that keeps its output and status apart from the tool's.
func wrapped(argv []string, dir string) string {
	sh := filepath.Join(dir, "run")
	quoted := "'" + strings.Join(argv, "' '") + "'"
	os.WriteFile(sh, []byte("#!/bin/sh\n"+quoted+" >"+dir+"/out 2>/dev/null\necho $? >"+dir+"/status\n"), 0o755)
	return sh
}

// shown reads what the wrapped program did.
func shown(dir string, tool Outcome) (Outcome, error) {
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if tool.Hung {
		return Outcome{Hung: true}, nil
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("the program did not run: %s", tail(tool.Stderr))
	}
	out, err := os.ReadFile(filepath.Join(dir, "out"))
	o := Outcome{Stdout: string(out)}
	fmt.Sscan(string(status), &o.Status)
	return o, err
}

func underBpftrace(argv []string, object string, functions []string) (Outcome, error) {
	dir, err := os.MkdirTemp("", "bpftrace-")
	if err != nil {
		return Outcome{}, err
	}
	defer os.RemoveAll(dir)
	var points []string
	for _, f := range functions {
		points = append(points, fmt.Sprintf("uretprobe:%s:%q", object, f))
	}
	out, err := Run([]string{"bpftrace", "-e", strings.Join(points, ",") + " { @ = count(); }", "-c", "/bin/sh " + wrapped(argv, dir)}, patience)
	if err != nil {
		return out, err
	}
	return shown(dir, out)
}

func underPerf(argv []string, object string, functions []string) (Outcome, error) {
	dir, err := os.MkdirTemp("", "perf-")
	if err != nil {
		return Outcome{}, err
	}
	defer os.RemoveAll(dir)
	group := fmt.Sprintf("safety%d", os.Getpid())
	defer Run([]string{"perf", "probe", "-q", "-d", group + ":*"}, patience)
	line := []string{"perf", "record", "-q", "-o", filepath.Join(dir, "data")}
	for i, f := range functions {
		event := fmt.Sprintf("%s:e%d", group, i)
		if out, err := Run([]string{"perf", "probe", "-q", "-x", object, fmt.Sprintf("%s=%s%%return", event, f)}, patience); err == nil && out.Status == 0 {
			line = append(line, "-e", event+"__return")
		}
	}
	if len(line) == 5 {
		return Outcome{}, fmt.Errorf("no probe was accepted")
	}
	out, err := Run(append(line, wrapped(argv, dir)), patience)
	if err != nil {
		return out, err
	}
	return shown(dir, out)
}

func underLtrace(argv []string, object string, functions []string) (Outcome, error) {
	dir, err := os.MkdirTemp("", "ltrace-")
	if err != nil {
		return Outcome{}, err
	}
	defer os.RemoveAll(dir)
	line := []string{"ltrace", "-f", "-o", "/dev/null"}
	for _, f := range functions {
		line = append(line, "-x", f+"@"+filepath.Base(object))
	}
	out, err := Run(append(append(line, "--"), argv...), patience)
	if out.Status == 0 {
		out.Status = unknown
	}
	return out, err
}

// unknown is the status of a program that a tool does not pass on.
const unknown = -1

// verdict says how a run compares with the program alone.
func verdict(alone, seen Outcome) string {
	if seen.Status == unknown {
		seen.Status = alone.Status
	}
	switch {
	case seen.Hung:
		return fmt.Sprintf("**not done after %v**", patience)
	case seen.Status != alone.Status && seen.Status == 128+int(syscall.SIGABRT):
		return "**aborts**"
	case seen.Status != alone.Status && seen.Status > 128:
		return fmt.Sprintf("**killed by %v**", syscall.Signal(seen.Status-128))
	case seen.Status != alone.Status:
		return fmt.Sprintf("**ends with %d**", seen.Status)
	case seen.Stdout != alone.Stdout:
		return "**prints something else**"
	}
	return "as alone"
}

// The table of docs/safety.md is made by running its programs under each tool.
func TestTableOfOutcomes(t *testing.T) {
	if *table == "" {
		return // made on request: the other tools take their time
	}
	s := sonde(t)
	var b strings.Builder
	b.WriteString("| program | alone |")
	for _, p := range peers {
		b.WriteString(" " + p.name + " |")
	}
	b.WriteString(" sonde time, every function |\n|---|---|" + strings.Repeat("---|", len(peers)+1) + "\n")
	for _, p := range programs {
		if !slices.Contains(compared, p.name) {
			continue
		}
		argv := p.build(t)
		alone, err := Run(argv, limit)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "| %s (`%s`) | ends with %d |", p.name, p.source, alone.Status)
		functions := slices.Sorted(maps.Keys(Calls(alone.Stdout)))
		object := argv[0]
		if p.shared != "" {
			functions, object = slices.DeleteFunc(functions, func(f string) bool { return f == "each" }), argv[1]
		}
		for _, peer := range peers {
			fmt.Fprintf(&b, " %s |", p.under(peer, alone, argv, object, functions))
		}
		seen, err := s.Observe("time", p.probed(argv), argv)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, " %s |\n", verdict(alone, seen.Outcome))
		t.Log(p.name)
		if err := os.WriteFile(*table, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (p program) under(peer peer, alone Outcome, argv []string, object string, functions []string) string {
	if _, err := exec.LookPath(strings.Fields(peer.name)[0]); err != nil {
		return "not installed"
	}
	seen, err := peer.run(argv, object, functions)
	if err != nil {
		return "cannot: " + strings.TrimSpace(strings.SplitN(strings.ReplaceAll(err.Error(), "|", "/"), "\n", 2)[0])
	}
	return verdict(alone, seen)
}
