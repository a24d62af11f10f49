package kernel

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine"
	"github.com/sonde-project/sonde/internal/object"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// Object is a compiled object loaded into the kernel: its programs are the bodies of the plan's probes. Before each stands a guard that
// keeps the process filter and counts hits.
type Object struct {
	*engine.Compiled
	guard   *codegen.Guard
	multi   bool
	loaded  *ebpf.Collection
	follows []*ebpf.Program // like guard.Progs
	sources []source
	printk  *printk // nil: no program writes lines
	held    hold
	follow  []int
	closing sync.WaitGroup
	wake    engine.Waker
	record  []byte // the one handed out
	read    uint64 // records handed out
	lost    uint64 // records that perf buffers had no room for
	// uncounted: what ring buffers have no room for is not counted.
	uncounted bool
	verifier  io.Writer // its whole log goes there when it refuses, nil: nowhere
}

// guardPrefix begins the names of maps and programs that stand beside the object's own; C has no such names.
const guardPrefix = "sonde/"

// OpenObject loads the object's programs. Each point of armed is one probe of the plan, in their order. Where the verifier refuses one, its
// whole log is written to verifier; nil: only its end is told.
func OpenObject(p *plan.Plan, o *object.Object, armed []object.Armed, verifier io.Writer) (*Object, error) {
	c, err := engine.Compile(p, o, armed)
	if err != nil {
		return nil, err
	}
	s := &Object{Compiled: c, verifier: verifier, wake: engine.NewWaker()}
	if err := s.load(); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.openSources(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Object) load() error {
	features, err := Features(NeedsOf(s.Plan))
	if err != nil {
		return err
	}
	s.multi = features.Multi
	if s.guard, err = codegen.NewGuard(s.Plan, features, guardPrefix); err != nil {
		return err
	}
	spec, err := s.spec()
	if err != nil {
		return err
	}
	if err := s.addPrintk(spec, features); err != nil {
		return err
	}
	if s.loaded, err = s.loadCounted(spec); err != nil {
		return s.explain(err)
	}
	for i := range s.guard.Progs {
		s.follows = append(s.follows, s.loaded.Programs[guardKey(i)])
	}
	for id, b := range s.Specs {
		if err := s.loaded.Maps[object.SpecsMap].Put(uint32(id), b); err != nil {
			return fmt.Errorf("map %s: %w", object.SpecsMap, err)
		}
	}
	return nil
}

// loadCounted loads the programs with their writes to ring buffers counted, in the cheaper of two ways that the verifier takes. That takes some of their
// stack: where the verifier refuses both, they are loaded as they are, and Uncounted says so.
func (s *Object) loadCounted(spec *ebpf.CollectionSpec) (*ebpf.Collection, error) {
	for _, unseen := range []bool{false, true} {
		counting := spec.Copy()
		for _, a := range s.Armed {
			p := counting.Programs[a.Name]
			code, err := codegen.CountDrops(p.Instructions, guardPrefix, unseen)
			if err != nil {
				return nil, err
			}
			p.Instructions = code
		}
		if loaded, err := ebpf.NewCollection(counting); err == nil {
			return loaded, nil
		}
	}
	loaded, err := ebpf.NewCollection(spec)
	s.uncounted = err == nil && len(s.Object.Sources) > 0
	return loaded, err
}

// Uncounted reports that records which ring buffers have no room for are not counted.
func (s *Object) Uncounted() bool { return s.uncounted }

func guardKey(i int) string { return guardPrefix + progKey(i) }

// spec is what is loaded: the programs that run, behind their guards, and all maps.
func (s *Object) spec() (*ebpf.CollectionSpec, error) {
	spec := s.Object.Spec.Copy()
	programs := map[string]*ebpf.ProgramSpec{}
	for _, a := range s.Armed {
		p := spec.Programs[a.Name]
		p.Type, p.AttachTo, p.AttachType = ebpf.Kprobe, "", ebpf.AttachNone
		switch {
		case a.Kind == object.Session && !hasSession():
			return nil, &script.Diagnostic{Code: codeOldKernel, Message: "this kernel lacks uprobe sessions, which program " + a.Name + " is written for",
				Hints: []string{"Linux 6.13 and later have them"}}
		case a.Kind == object.Session:
			p.AttachType = attachSession
		case s.multi:
			p.AttachType = ebpf.AttachTraceUprobeMulti
		}
		p.Instructions = guarded(p.Instructions, s.guard.Code)
		programs[a.Name] = p
	}
	for i, prog := range s.guard.Progs {
		p := prog.Spec.Copy()
		p.Name = inKernelName(p.Name)
		programs[guardKey(i)] = p
	}
	spec.Programs = programs
	for _, m := range spec.Maps {
		object.Settle(m)
	}
	for _, m := range s.guard.Maps {
		spec.Maps[m.Name] = ownMap(m)
	}
	return spec, nil
}

// ownMap gives a map that stands beside the object's the name under which bpftool shows ours.
func ownMap(m *ebpf.MapSpec) *ebpf.MapSpec {
	m = m.Copy()
	m.Name = inKernelName(strings.TrimPrefix(m.Name, guardPrefix))
	return m
}

// guarded puts the guard before a program. What says where the program's function begins moves to the front.
func guarded(code, guard asm.Instructions) asm.Instructions {
	out := slices.Clone(guard)
	first := code[0]
	out[0] = btf.WithFuncMetadata(out[0].WithSymbol(first.Symbol()), btf.FuncMetadata(&first))
	if source := first.Source(); source != nil {
		out[0] = out[0].WithSource(source)
	}
	rest := slices.Clone(code)
	rest[0] = btf.WithFuncMetadata(first.WithSymbol(""), nil)
	return append(out, rest...)
}

// Arm arms every site of the plan.
func (s *Object) Arm() ([]plan.Refusal, error) {
	sets, refusals, err := s.sets()
	if err != nil {
		return nil, err
	}
	if s.follow, err = followProcesses(s.guard.Progs, s.follows); err != nil {
		return nil, err
	}
	if s.printk != nil {
		if err := s.printk.arm(); err != nil {
			return nil, err
		}
	}
	more, err := s.held.arm(s.Plan, sets)
	return append(refusals, more...), err
}

// Disarm takes every probe away: what rings and maps hold is final when it returns.
func (s *Object) Disarm() {
	s.held.end(&s.closing)
	closeAll(s.follow)
	s.follow = nil
	if s.printk != nil {
		s.printk.disarm()
	}
}

// Notes say which files were written to while they were probed, and what is not observed of a process.
func (s *Object) Notes() []string { return s.held.notes() }

// Unobserved is Session.Unobserved.
func (s *Object) Unobserved() time.Duration { return s.held.heir.unobserved() }

// Close disarms and gives everything back.
func (s *Object) Close() error {
	s.Disarm()
	s.closing.Wait()
	var errs []error
	for _, src := range s.sources {
		errs = append(errs, src.close())
	}
	if s.printk != nil {
		errs = append(errs, s.printk.close())
	}
	if s.loaded != nil {
		s.loaded.Close()
	}
	s.sources, s.loaded, s.printk = nil, nil, nil
	return errors.Join(errs...)
}

// Cells calls fn for every entry of a table of the object; see Session.Cells. A variable is one entry without key.
func (s *Object) Cells(table int, fn func(key []byte, values [][]byte) error) error {
	t := &s.Object.Tables[table]
	m := s.loaded.Maps[t.Map]
	if m == nil {
		return nil
	}
	if t.Variable {
		b, err := m.LookupBytes(uint32(0))
		if err != nil || t.At+t.Size > len(b) {
			return err
		}
		return fn(nil, [][]byte{b[t.At:][:t.Size]})
	}
	return cellsOfMap(t.Name, m, fn)
}

// Counts adds up the hits of all programs and what was lost.
func (s *Object) Counts() (engine.Counts, error) {
	var c engine.Counts
	if s.loaded == nil {
		return c, nil
	}
	err := cellsOfMap(codegen.StatsMap, s.loaded.Maps[guardPrefix+codegen.StatsMap], func(_ []byte, values [][]byte) error {
		return addCounters(&c, values)
	})
	c.Of[plan.CountEvents] += s.read
	c.Of[plan.CountLostRing] += s.lost
	for _, a := range s.Armed {
		if stats, err := s.loaded.Programs[a.Name].Stats(); err == nil {
			c.Nested += stats.RecursionMisses
		}
	}
	return c, err
}

// What scripts have and objects do not.

// Run does nothing: objects have no programs that run by themselves.
func (s *Object) Run(int) error { return nil }

// Clear does nothing: only scripts clear maps.
func (s *Object) Clear(int, bool) error { return nil }

// Stack knows none: what an object keeps of stacks is its own matter.
func (s *Object) Stack(uint64) []uint64 { return nil }

// Unfinished has none: an object pairs entries and returns itself.
func (s *Object) Unfinished(func(engine.OpenCall) error) error { return nil }

// Sweep has nothing to forget.
func (s *Object) Sweep(func(engine.OpenCall)) error { return nil }
