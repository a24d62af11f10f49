package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// kind is what a tool is asked to do.
type kind uint8

const (
	counting   kind = iota // count the calls of a function
	each                   // count the calls of every function that matches, each for itself
	together               // count the calls of all functions that match, in one counter
	rejecting              // count the calls of a function that pass a predicate, which none does
	passing                // the same, of which all do
	timing                 // a latency histogram of a function
	firing                 // print a line for each call
	recording              // print a line for each call of note(a, b, c, text) with its arguments, as it is entered
	printing               // print a line for each call of work(number, statement) with its arguments, as it is entered
	tracing                // print a line for each call of work with arguments, result and duration
	servingSQL             // time the statements that a PostgreSQL server executes
	sendingSQL             // time those that clients send through libpq
)

// ofSQL says whether a job is about statements.
func (k kind) ofSQL() bool { return k == servingSQL || k == sendingSQL }

// job is one task for a tool, with a running program or a command to start.
type job struct {
	kind     kind
	program  string
	function string // or a glob
	pid      int
	command  []string
	scratch  string // folder for files
	ready    string // file that tells that a tool observes, where it can write one
}

// tool is a program to compare. argv gives the command line of a job, or why the tool cannot do it.
type tool struct {
	name   string
	binary string // for the size; "" when argv's
	env    []string
	argv   func(j job) ([]string, error)
	marker func(j job) string // part of every line about a call
	// before and after make and remove what outlives the tool's process; nil: nothing does.
	before, after func(j job) error
	// starts: it observes only what it starts itself.
	starts bool
	// counted reads how many events a recording holds and how many it says were lost, where they are not printed as they come.
	counted func(j job) (seen, lost int, err error)
	// engine is what package sonde calls the engine, "" for other tools.
	engine  string
	missing error // why it is not there at all
}

var errNotOffered = errors.New("does not offer it")

// tools are sonde and its peers, in the order of the table.
func tools(c config) []tool {
	newest, err := newestBpftrace(c.cache)
	absolute, _ := filepath.Abs(c.sonde)
	return []tool{
		sonde("sonde", absolute, "kernel"),
		sonde("sonde, inside", absolute, "user"),
		sonde("sonde, hybrid", absolute, "hybrid"),
		bpftrace("bpftrace 0.27.1", newest, err),
		bpftrace("bpftrace 0.17", "bpftrace", lookup("bpftrace")),
		perf(),
		ltrace(),
		uftrace(),
		bcc(),
	}
}

func lookup(name string) error {
	_, err := exec.LookPath(name)
	return err
}

func newestBpftrace(cache string) (string, error) {
	cmd := exec.Command("bench/peers.sh", filepath.Join(cache, "bpftrace"))
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("bench/peers.sh: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func sonde(name, path, engine string) tool {
	return tool{name: name, binary: path, engine: engine, missing: lookup(path),
		argv: func(j job) ([]string, error) {
			switch j.kind {
			case servingSQL:
				return []string{path, "sql", "--engine=" + engine, "-o", "json", "--ready-file", j.ready, "-p", strconv.Itoa(j.pid)}, nil
			case sendingSQL:
				return []string{path, "sql", "--engine=" + engine, "-o", "json", "--ready-file", j.ready, "-c", "pgbench"}, nil
			}
			script := map[kind]string{
				together:  "{ @ = count(); }",
				rejecting: "/arg0 == 0x7654321/ { @ = count(); }",
				passing:   "/arg0 != 0x7654321/ { @ = count(); }",
				printing:  `{ printf("work(%d, %s)\n", arg0, str(arg1)); }`,
				recording: `{ printf("note(%d, %d, %d, %s)\n", arg0, arg1, arg2, str(arg3)); }`,
			}[j.kind]
			if script != "" {
				argv := []string{path, "run", "--engine=" + engine, "-e", "uprobe:" + j.program + ":" + j.function + " " + script}
				if engine != "kernel" {
					argv = append(argv, "-p", strconv.Itoa(j.pid))
				}
				return argv, nil
			}
			verb := map[kind]string{counting: "count", each: "count", timing: "time", firing: "trace", tracing: "trace"}[j.kind]
			argv := []string{path, verb, "--engine=" + engine}
			switch {
			case j.command != nil:
				argv = append(argv, j.program+":"+j.function, "--")
				return append(argv, j.command...), nil
			case engine != "kernel":
				argv = append(argv, "-p", strconv.Itoa(j.pid))
			}
			return append(argv, j.program+":"+j.function), nil
		},
		marker: func(j job) string {
			if j.kind.ofSQL() {
				return ""
			}
			return j.function + "("
		}}
}

func bpftrace(name, path string, missing error) tool {
	return tool{name: name, binary: path, missing: missing,
		env: []string{"BPFTRACE_MAX_PROBES=20000", "BPFTRACE_MAX_BPF_PROGS=20000"},
		argv: func(j job) ([]string, error) {
			probe := "uprobe:" + j.program + ":" + j.function
			script := map[kind]string{
				counting:  probe + " { @ = count(); }",
				together:  probe + " { @ = count(); }",
				rejecting: probe + " /arg0 == 0x7654321/ { @ = count(); }",
				passing:   probe + " /arg0 != 0x7654321/ { @ = count(); }",
				each:      probe + " { @[probe] = count(); }",
				timing: probe + " { @start[tid] = nsecs; } uretprobe:" + j.program + ":" + j.function +
					" /@start[tid]/ { @ = hist(nsecs - @start[tid]); delete(@start[tid]); }",
				firing:    probe + ` { printf("call of ` + j.function + `\n"); }`,
				printing:  probe + ` { printf("work(%d, %s)\n", arg0, str(arg1)); }`,
				recording: probe + ` { printf("note(%d, %d, %d, %s)\n", arg0, arg1, arg2, str(arg3)); }`,
				tracing: probe + ` { @a[tid] = arg0; @s[tid] = str(arg1); @t[tid] = nsecs; } uretprobe:` + j.program + ":" + j.function +
					` /@t[tid]/ { printf("work(%d, %s) = %d <%d>\n", @a[tid], @s[tid], retval, nsecs - @t[tid]); delete(@a[tid]); delete(@s[tid]); delete(@t[tid]); }`,
			}[j.kind]
			if j.kind.ofSQL() {
				script = bpftraceSQL(j)
			}
			argv := []string{path, "-e", script}
			if j.command != nil {
				argv = append(argv, "-c", strings.Join(j.command, " "))
			}
			return argv, nil
		},
		marker: func(j job) string {
			switch j.kind {
			case printing, tracing:
				return "work("
			case recording:
				return "note("
			}
			return "call of "
		}}
}

func ltrace() tool {
	return tool{name: "ltrace", missing: lookup("ltrace"),
		argv: func(j job) ([]string, error) {
			if j.kind == rejecting || j.kind == passing {
				return nil, errNotOffered
			}
			if j.kind == each || j.kind == together || j.kind.ofSQL() {
				return nil, errors.New("172 us a call, and a stop for each breakpoint: not for many functions")
			}
			argv := []string{"ltrace", "-f", "-e", "", "-x", j.function}
			switch j.kind {
			case counting:
				argv = append(argv, "-c")
			case timing, tracing:
				argv = append(argv, "-T")
			}
			if j.command != nil {
				return append(argv, j.command...), nil
			}
			return append(argv, "-p", strconv.Itoa(j.pid)), nil
		},
		marker: func(j job) string { return j.function }}
}

// bcc is three tools; what they print on calls has the function's name or, in trace, its own text.
func bcc() tool {
	return tool{name: "BCC", binary: "funccount-bpfcc", missing: lookup("funccount-bpfcc"),
		argv: func(j job) ([]string, error) {
			probe := j.program + ":" + j.function
			switch {
			case j.kind == servingSQL:
				return []string{"dbslower-bpfcc", "postgres", "-m", "0", "-p", strconv.Itoa(j.pid)}, nil
			case j.kind == sendingSQL:
				return nil, errors.New("observes servers only")
			case j.command != nil:
				return nil, errors.New("starts no command")
			case j.kind == counting || j.kind == each || j.kind == together:
				return []string{"funccount-bpfcc", probe}, nil
			case j.kind == timing:
				return []string{"funclatency-bpfcc", probe}, nil
			case j.kind == firing:
				return []string{"trace-bpfcc", probe}, nil
			}
			if j.kind == rejecting || j.kind == passing {
				return nil, errNotOffered
			}
			if j.kind == tracing {
				return nil, errors.New("does not pair entry and return")
			}
			return []string{"trace-bpfcc", "p:" + probe + ` "work(%d, %s)", arg1, arg2`}, nil
		},
		marker: func(j job) string {
			if j.kind.ofSQL() {
				return "pgbench_accounts"
			}
			return j.function
		}}
}
