// Package codegen writes the eBPF programs of a plan.
//
// In: a plan, and what the kernel can do. Out: map and program specifications. Invariant: what it stores lies where
// plan/layout.go and plan/mapping.go say, and every hit is counted as delivered, filtered or lost. It makes no system call
// and must not know how programs are attached.
//
// An engine that runs the programs elsewhere must offer these helpers: map_lookup_elem, map_update_elem, map_delete_elem,
// ktime_get_ns, get_prandom_u32, get_smp_processor_id, get_current_pid_tgid, get_current_uid_gid, get_current_comm,
// get_current_cgroup_id, get_current_task (for the thread pointer), get_stack, probe_read_user, probe_read_user_str, copy_from_user, probe_read_kernel (of the program's own
// memory), ringbuf_query, ringbuf_output, get_attach_cookie, get_func_ip, and, depending on Features, get_current_task_btf with
// task_storage_get, get_ns_current_pid_tgid, and the kernel function bpf_copy_from_user_str. Its map types: HASH, ARRAY, PERCPU_ARRAY,
// RINGBUF, TASK_STORAGE: all that sleepable programs may use since 6.1. Programs have no functions but the main
// one, and no loop but Loop's and the one over a stack.
package codegen

import (
	"errors"

	"github.com/cilium/ebpf"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// Compile translates a plan. The plan and what it points at are not changed.
func Compile(p *plan.Plan, f Features) (*Program, error) {
	c := &compiler{p: p, f: f, limits: limits(p), used: map[string]bool{}, frames: map[int]*FrameMap{}, frameSize: map[int]int{}}
	if err := c.check(); err != nil {
		return nil, err
	}
	for m := range p.Maps {
		c.arrays = append(c.arrays, p.Array(m))
	}
	c.ownHits = hitMaps(p, c.arrays)
	for i := range p.Probes {
		if err := c.probe(i); err != nil {
			return nil, err
		}
	}
	if err := c.followForks(); err != nil {
		return nil, err
	}
	return c.program()
}

// compiler is the state of one Compile.
type compiler struct {
	p         *plan.Plan
	f         Features
	limits    plan.Limits
	arrays    []bool       // by plan map: plan.Array
	ownHits   map[int]bool // plan maps whose counts are hits
	used      map[string]bool
	frames    map[int]*FrameMap
	frameSize map[int]int
	scratch   int
	progs     []Prog
}

// limits fills in what the plan leaves open.
func limits(p *plan.Plan) plan.Limits {
	l, d := p.Limits, plan.DefaultLimits()
	for _, pair := range [][2]*int{{&l.Capture, &d.Capture}, {&l.Frames, &d.Frames}, {&l.Keys, &d.Keys}, {&l.Ring, &d.Ring}, {&l.Stack, &d.Stack}} {
		if *pair[0] <= 0 {
			*pair[0] = *pair[1]
		}
	}
	return l
}

// Limits of the kernel.
const (
	maxKey         = 512   // MAX_BPF_STACK, kernel/bpf/hashtab.c
	maxPerCPUValue = 32768 // PCPU_MIN_UNIT_SIZE
	maxStackFrames = 127   // PERF_MAX_STACK_DEPTH
)

func (c *compiler) check() error {
	if len(c.p.Functions) > maxFunctions {
		return tooLarge("", "%d functions, more than %d", len(c.p.Functions), maxFunctions)
	}
	for m := range c.p.Maps {
		desc := &c.p.Maps[m]
		if size := c.p.KeySize(m); size > maxKey {
			return tooLarge("use fewer or shorter parts", "map @%s: its key has %d bytes, more than %d", desc.Name, size, maxKey)
		}
		if size := desc.ValueSize(); size > maxPerCPUValue {
			return tooLarge("use fewer buckets", "map @%s: its values have %d bytes, more than %d", desc.Name, size, maxPerCPUValue)
		}
	}
	for i := range c.p.Probes {
		if n := len(c.p.Probes[i].Bodies); n > maxBodies {
			return tooLarge("", "probe %s: %d ways to capture a call, more than %d", c.p.Probes[i].Name, n, maxBodies)
		}
	}
	return nil
}

// use notes that a map is needed.
func (c *compiler) use(name string) string {
	c.used[name] = true
	return name
}

func (c *compiler) useScratch(size int) {
	c.use(ScratchMap)
	c.scratch = max(c.scratch, size)
}

func (c *compiler) stackFrames() int { return min(c.limits.Stack, maxStackFrames) }

// useFrames notes the map of a probe's frames; values have room for the largest.
func (c *compiler) useFrames(probe int, f *frameLayout) {
	fm := c.frames[probe]
	if fm == nil {
		fm = &FrameMap{Name: frameMapName(probe), Probe: probe}
		c.frames[probe] = fm
	}
	fm.Record = max(fm.Record, f.record)
	c.frameSize[probe] = max(c.frameSize[probe], f.size)
}

func (c *compiler) program() (*Program, error) {
	if c.used[RingMap] && !c.f.RingBuf {
		return nil, errors.New("codegen: records need ring buffers (kernel 5.8)")
	}
	prog := &Program{Maps: c.maps(), Progs: c.progs, Stripes: map[int]Stripes{}}
	for m := range c.p.Maps {
		if stripes := c.stripes(m); stripes.Count > 1 {
			prog.Stripes[m] = stripes
		}
	}
	for i := range c.p.Probes {
		if fm := c.frames[i]; fm != nil {
			prog.Frames = append(prog.Frames, *fm)
		}
	}
	for m := range c.p.Maps {
		if c.ownHits[m] && c.used[MapName(m)] {
			prog.HitsFrom = append(prog.HitsFrom, m)
		}
	}
	cleared := clearedMaps(c.p)
	for m := range c.p.Maps {
		if c.arrays[m] && !cleared[m] {
			prog.Kept = append(prog.Kept, m)
		}
	}
	return prog, nil
}

// hitMaps finds the maps that count exactly the hits of their bodies: dense counts that stand alone at the start of bodies without
// predicate, and that nothing clears. Their bodies need no counter of hits beside them.
func hitMaps(p *plan.Plan, arrays []bool) map[int]bool {
	own := map[int]bool{}
	cleared := clearedMaps(p)
	for m := range p.Maps {
		own[m] = arrays[m] && p.Maps[m].Kind == event.AggCount && !cleared[m]
	}
	for i := range p.Probes {
		for j := range p.Probes[i].Bodies {
			body := &p.Probes[i].Bodies[j]
			alone := ownCount(&p.Probes[i], body)
			for _, m := range countedMaps(body.Stmts) {
				if m != alone {
					delete(own, m)
				}
			}
			if alone >= 0 && len(body.Stmts) > 1 && len(countedMaps(body.Stmts[1:])) > 0 {
				delete(own, alone)
			}
		}
	}
	return own
}

// clearedMaps are those whose values are set back, all or one.
func clearedMaps(p *plan.Plan) map[int]bool {
	cleared := map[int]bool{}
	for _, em := range p.Emissions {
		if em.Kind == plan.EmitMapClear || em.Kind == plan.EmitMapZero {
			cleared[em.Map] = true
		}
	}
	p.Walk(func(node any) {
		if s, ok := node.(*plan.MapDelete); ok {
			cleared[s.Map] = true
		}
	})
	return cleared
}

// ownCount is the map that a body of an entry probe counts in first and always, -1 none.
func ownCount(probe *plan.Probe, body *plan.Body) int {
	if probe.Kind != plan.Entry || body.Pred != nil || len(body.Stmts) == 0 {
		return -1
	}
	if s, ok := body.Stmts[0].(*plan.MapAggregate); ok {
		return s.Map
	}
	return -1
}

// countedMaps lists the maps that statements aggregate in or delete from.
func countedMaps(stmts []plan.Stmt) []int {
	var found []int
	for _, s := range stmts {
		switch s := s.(type) {
		case *plan.MapAggregate:
			found = append(found, s.Map)
		case *plan.MapDelete:
			found = append(found, s.Map)
		case *plan.If:
			found = append(append(found, countedMaps(s.Then)...), countedMaps(s.Else)...)
		case *plan.Loop:
			found = append(found, countedMaps(s.Body)...)
		}
	}
	return found
}

// maps writes the specifications of the maps that programs use, in a fixed order.
func (c *compiler) maps() []*ebpf.MapSpec {
	var list []*ebpf.MapSpec
	for _, spec := range c.allMaps() {
		if c.used[spec.Name] {
			list = append(list, spec)
		}
	}
	return list
}
