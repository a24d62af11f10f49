package sonde

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/object"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// compiled is what a run of a compiled object is made with.
type compiled struct {
	object     *object.Object
	armed      []object.Armed
	aim        object.Aim
	sets       []string
	events     []string
	histograms []string
	sum        bool
	verifier   io.Writer
}

// RunObject loads a compiled eBPF object, as clang, bpf2go and Aya make them, and arms its programs for user-space probes where their sections
// say ("uprobe/libc:malloc", "usdt//usr/bin/app:provider:name"), or where Place and Attach do. Events yields an *event.Record for what programs
// send through ring buffers and perf event arrays, an *event.Log for lines of bpf_printk and aya-log, and at the end an *event.MapPrint for each map
// and each variable that programs write. Only the processes of the target pass: a guard before each program sees to that.
func (t *Target) RunObject(ctx context.Context, path string, options ...RunOption) (*Session, error) {
	r, s, err := t.prepareObject(path, options)
	if err != nil {
		return nil, err
	}
	return t.session(ctx, s, r)
}

// ExplainObject writes where the object's programs would be armed, and why, and arms nothing.
func (t *Target) ExplainObject(w io.Writer, path string, options ...RunOption) error {
	r, s, err := t.prepareObject(path, options)
	if err != nil {
		return err
	}
	return t.explain(w, s, r)
}

// prepareObject reads the object and makes the script of its probes.
func (t *Target) prepareObject(path string, options []RunOption) (*run, *script.Script, error) {
	r, err := newRun(options)
	if err != nil {
		return nil, nil, err
	}
	switch r.engine {
	case "", EngineAuto:
		r.engine = EngineKernel
	case EngineTracefs:
		return nil, nil, diagnostic("no-engine", "the programs of an object are eBPF, and engine tracefs runs none", "--engine=kernel")
	case EngineMixed, EngineHybrid:
		return nil, nil, diagnostic("no-engine", "the programs of an object share maps, and run on one engine", "--engine=kernel or --engine=user")
	}
	if r.object, err = object.Open(path); err != nil {
		return nil, nil, err
	}
	if r.armed, err = r.object.Arm(r.aim); err != nil {
		return nil, nil, err
	}
	var errs []error
	for _, assignment := range r.sets {
		errs = append(errs, r.object.Set(assignment))
	}
	var declared object.Declarations
	if r.prototypes != "" && len(r.events) > 0 {
		if declared, err = loadEvents(r.prototypes); err != nil {
			return nil, nil, err
		}
	}
	r.prototypes = "" // functions of an object have no use for types
	for _, text := range r.events {
		errs = append(errs, r.object.Events(text, declared))
	}
	errs = append(errs, r.object.Show(r.histograms, r.sum))
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	var probes [][]script.Point
	for _, a := range r.armed {
		probes = append(probes, a.Points)
	}
	return r, script.Bare(probes...), nil
}

// loadObject is load for a compiled object.
func (s *Session) loadObject() (err error) {
	if err := s.part.open(s.command); err != nil {
		return err
	}
	o := s.run.object
	s.decoder, s.tables = objectDecoder{o.NewDecoder(now())}, len(o.Tables)
	return nil
}

// objectDecoder reads what an object sends and keeps.
type objectDecoder struct{ *object.Decoder }

// Map reads a table; objects have no stacks to name.
func (d objectDecoder) Map(i int, cells plan.Cells, _ func(uint64) []uint64) (event.Map, error) {
	return d.Decoder.Map(i, cells)
}

// Place says where the programs of an object belong whose sections do not: a function or USDT probe, and the target that it is in, "" for
// the observed program.
func Place(target, function string) RunOption {
	return func(r *run) error {
		r.aim.Target, r.aim.Function = target, function
		return nil
	}
}

// Attach runs only the named programs of an object, each at the probes given, whatever their sections say: "handle_entry=libc:getaddrinfo".
func Attach(programs ...string) RunOption {
	return func(r *run) error { r.aim.Attach = append(r.aim.Attach, programs...); return nil }
}

// Set gives global variables of an object their values before it is loaded: "target_pid=42", "name=text", "filter.port=80".
func Set(assignments ...string) RunOption {
	return func(r *run) error { r.sets = append(r.sets, assignments...); return nil }
}

// EventType says what the records of an object hold where it does not say so itself: "events=struct event". A type that the object does not
// have is looked up in the C declarations of Prototypes.
func EventType(texts ...string) RunOption {
	return func(r *run) error { r.events = append(r.events, texts...); return nil }
}

// Histogram shows maps and variables of an object as histograms of powers of two: arrays of counts, or structures with a member slots.
func Histogram(names ...string) RunOption {
	return func(r *run) error { r.histograms = append(r.histograms, names...); return nil }
}

// SumCPUs adds up the values of per-CPU maps of an object; without it they are shown one by one.
func SumCPUs() RunOption {
	return func(r *run) error { r.sum = true; return nil }
}

// VerifierLog writes all that the kernel's verifier says where it refuses an object; without it the error has the reason and the line of source.
func VerifierLog(w io.Writer) RunOption {
	return func(r *run) error { r.verifier = w; return nil }
}

// IsObject reports whether a file is a compiled eBPF object, by its first bytes.
func IsObject(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	head := make([]byte, object.Head)
	n, _ := io.ReadFull(file, head)
	return object.Is(head[:n])
}
