package safety

import (
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

// program is a row of the conformance table.
type program struct {
	name   string
	source string
	flags  string // space separated
	args   []string
	// shared is a library that the program gets as its first argument, with its flags.
	shared, sharedFlags string
	// long is left to the soak: too many functions for every test run.
	long bool
	// uncounted: its own counts are not compared (threads of the program race, or names differ).
	uncounted bool
	needs     string
	// inside are functions, space separated, that cannot be probed from inside the process, or one of whose ends cannot; "*" if the program
	// is refused, "-" if its own functions are.
	inside string
}

const (
	musl   = "CC=musl-gcc -static"
	glibc  = "-static"
	pie    = "-static-pie"
	plain  = "CC=clang"
	gcAll  = "-gcflags=all=-N -l"
	ripped = "-s -rdynamic"
)

// programs is the table.
var programs = []program{
	{name: "recursion", source: "c/recursion.c"},
	{name: "recursion at -O0", source: "c/recursion.c", flags: "-O0", inside: "deep"},
	{name: "recursion, clang", source: "c/recursion.c", flags: plain},
	{name: "recursion, musl", source: "c/recursion.c", flags: musl, needs: "musl-gcc"},
	{name: "tail calls and assembler", source: "c/tailcalls.c", inside: "bare loopy popret maybe hop"},
	{name: "tail calls, clang", source: "c/tailcalls.c", flags: plain, inside: "bare loopy popret maybe hop"},
	{name: "tail calls, IBT", source: "c/tailcalls.c", flags: "-fcf-protection=full -O3", inside: "bare loopy popret maybe hop"},
	{name: "tail calls, static", source: "c/tailcalls.c", flags: glibc, inside: "bare loopy popret maybe hop"},
	{name: "tail calls, static-PIE", source: "c/tailcalls.c", flags: pie, long: true, inside: "bare loopy popret maybe hop"},
	{name: "longjmp", source: "c/longjmp.c"},
	{name: "longjmp, static", source: "c/longjmp.c", flags: glibc},
	{name: "longjmp, musl", source: "c/longjmp.c", flags: musl, needs: "musl-gcc"},
	{name: "signals", source: "c/signals.c", inside: "broken usr"},
	{name: "signals, SIGTERM", source: "c/signals.c", args: []string{"15"}, inside: "broken usr"},
	{name: "signals, SIGSEGV", source: "c/signals.c", args: []string{"11"}, inside: "broken usr"},
	{name: "signals, static", source: "c/signals.c", flags: glibc, long: true, inside: "broken usr"},
	{name: "signals, musl", source: "c/signals.c", flags: musl, needs: "musl-gcc", inside: "broken usr"},
	{name: "processes", source: "c/processes.c"},
	{name: "processes, then exec", source: "c/processes.c", args: []string{"exec"}},
	{name: "processes, entries that can be patched", source: "c/processes.c", flags: plain + " -fpatchable-function-entry=5", inside: "vforked vfork_exits"},
	{name: "processes, static", source: "c/processes.c", flags: glibc},
	{name: "processes, musl", source: "c/processes.c", flags: musl, needs: "musl-gcc"},
	{name: "a storm of short children", source: "c/forks.c"},
	{name: "threads", source: "c/threads.c", flags: "-fexceptions"},
	{name: "threads, static", source: "c/threads.c", flags: "-fexceptions " + glibc, long: true},
	{name: "threads, musl", source: "c/threads.c", flags: musl, needs: "musl-gcc"},
	{name: "contexts", source: "c/contexts.c"},
	{name: "contexts, static-PIE", source: "c/contexts.c", flags: pie},
	{name: "libraries", source: "c/libraries.c"},
	{name: "libraries, stripped", source: "c/libraries.c", flags: ripped, uncounted: true},
	{name: "environment", source: "c/environment.c", inside: "complex_"},
	{name: "environment, -O0, clang", source: "c/environment.c", flags: plain + " -O0"},
	{name: "environment, static", source: "c/environment.c", flags: glibc, long: true, inside: "complex_"},

	{name: "exceptions", source: "cc/exceptions.cc", inside: "rethrows"},
	{name: "exceptions, -O0", source: "cc/exceptions.cc", flags: "-O0"},
	{name: "exceptions, clang", source: "cc/exceptions.cc", flags: "CC=clang++", inside: "rethrows"},
	{name: "exceptions, noexcept", source: "cc/exceptions.cc", args: []string{"n"}, inside: "rethrows"},
	{name: "exceptions, uncaught", source: "cc/exceptions.cc", args: []string{"u"}, inside: "rethrows"},
	{name: "exceptions, static", source: "cc/exceptions.cc", flags: glibc, args: []string{"few"}, long: true, inside: "rethrows"},
	{name: "coroutines", source: "cc/coroutines.cc", flags: "-std=c++20"},
	{name: "coroutines, -O0", source: "cc/coroutines.cc", flags: "-std=c++20 -O0", long: true},
	{name: "cancellation", source: "cc/cancel.cc"},
	{name: "asynchronous cancellation", source: "cc/async.cc", inside: "*"},
	{name: "asynchronous cancellation, C", source: "c/async.c", flags: "-fexceptions", inside: "*"},
	{name: "asynchronous cancellation, C without exception tables", source: "c/cancelled.c"},
	{name: "asynchronous cancellation, static", source: "c/async.c", flags: "-fexceptions " + glibc, long: true, inside: "*"},
	{name: "exceptions from signal handlers", source: "cc/faults.cc", flags: "-fnon-call-exceptions", inside: "divides reads"},
	{name: "a plugin throws through its host", source: "c/host.c", shared: "cc/plugin.cc", sharedFlags: "-shared -fPIC"},
	{name: "throws through C", source: "cc/visitor.cc", shared: "c/visit.c", sharedFlags: "-shared -fPIC -fexceptions"},

	{name: "panics", source: "rust/panics.rs", flags: "--edition=2021"},
	{name: "panics, debug", source: "rust/panics.rs", flags: "--edition=2021 -Copt-level=0", long: true},
	{name: "panics, abort", source: "rust/panics.rs", flags: "--edition=2021 -Cpanic=abort", args: []string{"abort"}},

	{name: "stacks", source: "go/stacks"},
	{name: "stacks, a panic at the end", source: "go/stacks", args: []string{"panic"}},
	{name: "stacks, without optimisation", source: "go/stacks", flags: gcAll, long: true},
	{name: "stacks, stripped", source: "go/stacks", flags: "-ldflags=-s -w", long: true, inside: "-"},
	{name: "stacks, race detector", source: "go/stacks", flags: "-race", long: true},
	{name: "stacks, PIE", source: "go/stacks", flags: "-buildmode=pie", long: true},
	{name: "callbacks", source: "go/callbacks"},
	{name: "stacks, Go 1.21", source: "go/stacks", flags: "GO=go1.21.13"},
	{name: "callbacks, Go 1.21", source: "go/callbacks", flags: "GO=go1.21.13", long: true},
	{name: "stacks, Go 1.22", source: "go/stacks", flags: "GO=go1.22.12", long: true},
	{name: "callbacks, Go 1.22", source: "go/callbacks", flags: "GO=go1.22.12", long: true},
	{name: "stacks, Go 1.23", source: "go/stacks", flags: "GO=go1.23.12", long: true},
	{name: "callbacks, Go 1.23", source: "go/callbacks", flags: "GO=go1.23.12", long: true},
	{name: "stacks, Go 1.24", source: "go/stacks", flags: "GO=go1.24.13", long: true},
	{name: "callbacks, Go 1.24", source: "go/callbacks", flags: "GO=go1.24.13", long: true},
	{name: "stacks, Go 1.25", source: "go/stacks", flags: "GO=go1.25.5", long: true},
	{name: "callbacks, Go 1.25", source: "go/callbacks", flags: "GO=go1.25.5", long: true},
	{name: "stacks, Go 1.21, stripped", source: "go/stacks", flags: "GO=go1.21.13 -ldflags=-s -w", long: true, inside: "-"},
	{name: "stacks, Go 1.21, PIE", source: "go/stacks", flags: "GO=go1.21.13 -buildmode=pie", long: true},
	{name: "plugins", source: "go/plugged", shared: "go/plugin", sharedFlags: "-buildmode=plugin", long: true},
}

// build makes the program and says how it is started.
func (p program) build(t *testing.T) []string {
	if p.needs != "" {
		fixture.Need(t, p.needs)
	}
	argv := []string{fixture.Build(t, "safety/"+p.source, options(p.flags)...)}
	if p.shared != "" {
		argv = append(argv, fixture.Build(t, "safety/"+p.shared, options(p.sharedFlags)...))
	}
	return append(argv, p.args...)
}

// probed are the files whose every function is probed.
func (p program) probed(argv []string) []string {
	probes := []string{argv[0] + ":*"}
	if p.shared != "" {
		probes = append(probes, argv[1]+":*")
	}
	return probes
}
