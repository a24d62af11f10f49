// Package sonde looks inside running programs: which functions are called, how often, with what arguments, what they
// return and how long they take, without changing, recompiling or restarting them.
//
// A Target says what is observed. Its methods Count, Trace, Time and Run arm probes and give a Session, whose
// Events are read with a range loop; SQL gathers the statements of database drivers and servers:
//
//	t, err := sonde.Open(sonde.PID(4242))
//	...
//	defer t.Close()
//	s, err := t.Trace(ctx, "libc:getaddrinfo", sonde.If(`node != 0`))
//	...
//	for call := range s.Calls() {
//		fmt.Println(call.Function, call.Arg("node"), call.Duration)
//	}
//	return s.Err()
//
// Values are typed: call.Arg("node").Chars(), call.Return.Int64(). What could not be read says so (event.Value.Err).
//
// Everything that a person can get wrong comes back as a *script.Diagnostic with a code, a place and hints;
// errors.Is(err, script.NoFunction) tells one from another. A context that is over before the probes are armed is its
// own error; later it ends the run. Nothing is printed. A session holds file descriptors only: whatever ends the process,
// no probe stays behind.
package sonde

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/resolve"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// Target is what is observed: processes, a command that has not started yet, or, without either, every process of the
// machine. It is safe for use from several goroutines. Close it when the last session has ended.
type Target struct {
	pids    []int
	argv    []string
	start   target.Options
	filter  plan.Filter
	object  string // what a function without a target belongs to; "" the observed programs
	objects *resolve.Objects
}

// Option narrows a Target.
type Option func(*Target) error

// Open makes a target of its options; without any, every process is observed. It does not touch the processes.
func Open(options ...Option) (*Target, error) {
	t := &Target{objects: resolve.NewObjects()}
	for _, o := range options {
		if err := o(t); err != nil {
			return nil, err
		}
	}
	if len(t.argv) > 0 && len(t.pids) > 0 {
		return nil, diagnostic("usage", "either processes are observed, or a command", "leave out -p, or what stands behind --")
	}
	t.filter.PIDs = t.pids
	return t, nil
}

// Close frees the symbols that sessions read.
func (t *Target) Close() error { return t.objects.Close() }

// PID observes running processes. Names resolve in their mount namespace.
func PID(pids ...int) Option {
	return func(t *Target) error {
		for _, pid := range pids {
			if _, err := target.Open(pid); err != nil {
				return err
			}
			t.pids = append(t.pids, pid)
		}
		return nil
	}
}

// Command observes a program, and what it forks, from its first instruction. It starts when the first session's probes
// are armed, with this process's standard input, output and error.
func Command(argv ...string) Option {
	return func(t *Target) error {
		if len(argv) == 0 {
			return errors.New("an empty command")
		}
		t.argv = argv
		return nil
	}
}

// Library says that functions named without a target are those of a library: a name such as "libc", or a soname. Every
// process that uses it is observed, unless another option narrows that.
func Library(name string) Option {
	return func(t *Target) error {
		if _, err := target.FindLibrary(name); err != nil {
			return err
		}
		return t.belongs(name)
	}
}

// File says that functions named without a target are those of a program or library file. Every process that runs it is
// observed, unless another option narrows that.
func File(path string) Option {
	return func(t *Target) error {
		full, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if _, err := os.Stat(full); err != nil {
			return diagnostic(script.NoFile, "no file "+path)
		}
		return t.belongs(full)
	}
}

func (t *Target) belongs(object string) error {
	if t.object != "" {
		return errors.New("functions without a target cannot belong to both " + t.object + " and " + object)
	}
	t.object = object
	return nil
}

// Comm observes threads of this name only (the kernel keeps 15 bytes of it).
func Comm(name string) Option {
	return func(t *Target) error {
		t.filter.Comm = name
		return nil
	}
}

// UID observes processes of this user only.
func UID(uid uint32) Option {
	return func(t *Target) error {
		t.filter.UID = &uid
		return nil
	}
}

// RunOption shapes one run.
type RunOption func(*run) error

// run collects what a session is made with.
type run struct {
	also       []string
	condition  script.Expr
	sample     int
	by         []script.Expr
	duration   time.Duration
	maxEvents  int
	stack      bool
	engine     Engine
	limits     plan.Limits
	returns    resolve.ReturnPolicy
	unsafe     bool
	prototypes string
	params     []string
	ready      func() error
	idle       func() error
	progress   func(stage string)
	newcomers  *newcomers // nil: nothing is armed later
	reuse      bool       // events are made of those before
	compiled
}

// Engine names a way to run probes.
type Engine string

const (
	EngineAuto   Engine = "auto"   // the cheapest that can
	EngineKernel Engine = "kernel" // uprobes and eBPF
	// EngineTracefs is uprobes without eBPF: events that this process works on.
	EngineTracefs Engine = "tracefs"
	// EngineUser is machine code inside the process, for those that may trace it.
	EngineUser Engine = "user"
	// EngineMixed is EngineUser for each function that can be patched, and EngineKernel for the others.
	EngineMixed Engine = "user,kernel"
	// EngineHybrid evaluates predicates inside the process, as EngineUser does, and everything else in the kernel.
	EngineHybrid Engine = "hybrid"
)

// Also adds probes to that of Count, Trace or Time.
func Also(probes ...string) RunOption {
	return func(r *run) error { r.also = append(r.also, probes...); return nil }
}

// If keeps calls for which the expression is not 0: `size > 4096 && comm == "nginx"`. In it a parameter's name stands for
// its value.
func If(expression string) RunOption {
	return func(r *run) (err error) { r.condition, err = script.ParseExpr(expression); return err }
}

// Sample keeps one call in n, by chance. Those that it leaves out are counted as filtered.
func Sample(n int) RunOption {
	return func(r *run) error {
		if n < 1 {
			return diagnostic("bad-limit", "a sample is one call in 1 or more")
		}
		r.sample = n
		return nil
	}
}

// By splits what is counted or timed by expressions: `comm, node`.
func By(expressions string) RunOption {
	return func(r *run) (err error) { r.by, err = script.ParseExprs(expressions); return err }
}

// For ends the session after a time.
func For(d time.Duration) RunOption {
	return func(r *run) error { r.duration = d; return nil }
}

// MaxEvents ends the session after so many events.
func MaxEvents(n int) RunOption {
	return func(r *run) error { r.maxEvents = n; return nil }
}

// Stack records the user stack of each call.
func Stack() RunOption {
	return func(r *run) error { r.stack = true; return nil }
}

// WithEngine asks for one engine instead of the cheapest.
func WithEngine(e Engine) RunOption {
	return func(r *run) error {
		switch e {
		case "", EngineAuto, EngineKernel, EngineTracefs, EngineUser, EngineMixed, EngineHybrid:
			r.engine = e
			return nil
		}
		return diagnostic("no-engine", "no engine "+string(e), "engines: auto, kernel, user, \"user,kernel\", hybrid, tracefs")
	}
}

// StringLimit is how many bytes of a string are captured; the default is 200.
func StringLimit(n int) RunOption {
	return func(r *run) error {
		if n < 1 || n > 65536 {
			return diagnostic("bad-limit", "a string limit must be from 1 to 65536 bytes")
		}
		r.limits.String = n
		r.limits.Capture = max(r.limits.Capture, 4*n)
		return nil
	}
}

// PointerDepth is how many pointers are followed inside a value; the default is 2.
func PointerDepth(n int) RunOption {
	return func(r *run) error {
		if n < 0 || n > 8 {
			return diagnostic("bad-limit", "a depth must be from 0 to 8")
		}
		r.limits.Depth = n
		return nil
	}
}

// ReturnBy overrides how returns are seen: "auto", "trampoline" (the kernel replaces return addresses) or "sites" (each ret
// instruction is probed).
func ReturnBy(way string) RunOption {
	return func(r *run) error {
		ways := map[string]resolve.ReturnPolicy{"": resolve.ReturnAuto, "auto": resolve.ReturnAuto, "trampoline": resolve.ReturnTrampoline, "sites": resolve.ReturnSites}
		p, ok := ways[way]
		if !ok {
			return diagnostic("bad-return", "returns are seen by auto, trampoline or sites, not "+way)
		}
		r.returns = p
		return nil
	}
}

// Unsafe arms also what is refused because it may end the observed program.
func Unsafe() RunOption {
	return func(r *run) error { r.unsafe = true; return nil }
}

// Prototypes adds C declarations from a file to the embedded ones, and prefers them.
func Prototypes(file string) RunOption {
	return func(r *run) error { r.prototypes = file; return nil }
}

// Params are a script's positional parameters $1, $2, ...
func Params(params ...string) RunOption {
	return func(r *run) error { r.params = params; return nil }
}

// Reuse makes the events of the run last until the loop over them asks for the next one: a *event.Call and a *event.Print are then the same each time,
// with other values. It is for those who read millions a second and keep none. Text that was taken out of an event stays.
func Reuse() RunOption {
	return func(r *run) error { r.reuse = true; return nil }
}

// OnReady is called once, when all probes are armed and before a command runs. Its error ends the run.
func OnReady(f func() error) RunOption {
	return func(r *run) error { r.ready = f; return nil }
}

// OnIdle is called by the loop over Events whenever everything that has come was handed on: the moment to flush what is buffered. That is some
// fifty times a second while something comes, and at least once a second otherwise. Its error ends the run.
func OnIdle(f func() error) RunOption {
	return func(r *run) error { r.idle = f; return nil }
}

// OnProgress is told what the start of a run is doing: "reading symbols", "loading", "arming".
func OnProgress(f func(stage string)) RunOption {
	return func(r *run) error { r.progress = f; return nil }
}

// diagnostic is a mistake in how this package was called.
func diagnostic(code script.Code, message string, hints ...string) error {
	return &script.Diagnostic{Code: code, Message: message, Hints: hints}
}
