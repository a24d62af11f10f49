package user

import (
	"fmt"
	"os"
	"slices"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/inject"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/translate"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// codeNotOffered is of what this engine does not do.
const codeNotOffered script.Code = "not-offered"

const kernelHint = "--engine=kernel, as root, can"

func notOffered(format string, args ...any) *script.Diagnostic {
	return &script.Diagnostic{Code: codeNotOffered, Message: "the engine inside the process " + fmt.Sprintf(format, args...), Hints: []string{kernelHint}}
}

// Check says why this engine cannot run a plan: a *script.Diagnostic, or nil. It looks at the plan alone; what the process and its code
// allow, Open and Arm tell.
func Check(p *plan.Plan) error {
	if err := checkScope(p); err != nil {
		return err
	}
	return translatable(p)
}

// checkScope is about what is observed, whatever the programs are.
func checkScope(p *plan.Plan) error {
	if err := inject.Supported(); err != nil {
		return err
	}
	f := &p.Filter
	switch {
	case len(f.PIDs) == 0:
		d := notOffered("observes processes that are named, and every process is asked for")
		d.Hints = []string{"name them by -p PID, or a command behind --", kernelHint}
		return d
	case len(f.PIDs) > 1 && decides(p):
		return notOffered("decides for the kernel in one process, and %d are asked for", len(f.PIDs))
	case f.Cgroup != 0:
		return notOffered("does not tell cgroups")
	}
	for _, pid := range f.PIDs {
		if foreign(pid) {
			return notOffered("does not translate process IDs of another PID namespace, which process %d is in", pid)
		}
	}
	for i := range p.Probes {
		for j := range p.Probes[i].Sites {
			s := &p.Probes[i].Sites[j]
			switch {
			case s.Role == site.Trampoline:
				return notOffered("replaces no return addresses, as %s asks", p.Probes[i].Name)
			case s.RefCtr != 0:
				return notOffered("does not switch semaphores of static probes on, as %s needs", p.Probes[i].Name)
			}
		}
	}
	return nil
}

// Refused says which sites of a plan cannot be patched in its process, and why, without touching it.
func (s *Survey) Refused(p *plan.Plan) ([]plan.Refusal, error) {
	w, _, err := s.plan(p)
	if err != nil {
		return nil, err
	}
	return refusals(p, w.refused), nil
}

// Foreseen is what a run of the plan would be refused: Refused, or for a command RefusedFollowed.
func (s *Survey) Foreseen(p *plan.Plan) ([]plan.Refusal, error) {
	if p.Filter.Children {
		return s.RefusedFollowed(p)
	}
	return s.Refused(p)
}

// RefusedFollowed is Refused for a command that is held, and for what it executes: as far as files tell, and as if handlers of signals threw
// exceptions, which some program may have. Our own PID stands for a command that does not run yet, of which files alone tell.
func (s *Survey) RefusedFollowed(p *plan.Plan) ([]plan.Refusal, error) {
	if err := Check(p); err != nil {
		return nil, err
	}
	code, err := compile(p)
	if err != nil {
		return nil, err
	}
	if err := s.bearable(p); err != nil {
		return nil, err
	}
	return refusals(p, s.inFiles(newAimed(p, aims(p, code)))), nil
}

// inFiles says which sites cannot be patched wherever their file is mapped.
func (s *Survey) inFiles(a *aimed) (list []refused) {
	for _, i := range a.objects {
		file, err := s.file(&a.plan.Objects[i])
		if err != nil {
			list = append(list, a.all(i, err)...)
			continue
		}
		list = append(list, a.find(file, i, true).refused...)
	}
	return list
}

// bearable says why the habits of a command that is held do not allow a plan.
func (s *Survey) bearable(p *plan.Plan) error {
	pid := p.Filter.PIDs[0]
	if pid == os.Getpid() {
		return nil
	}
	process, err := target.Open(pid)
	if err != nil {
		return err
	}
	habits, err := s.habitsOf(process)
	if err != nil || p.Unsafe {
		return err
	}
	return habits.cancelled
}

// plan compiles a plan and finds its windows.
func (s *Survey) plan(p *plan.Plan) (*places, *codegen.Program, error) {
	if err := Check(p); err != nil {
		return nil, nil, err
	}
	code, err := compile(p)
	if err != nil {
		return nil, nil, err
	}
	w, err := s.placed(newAimed(p, aims(p, code)))
	return w, code, err
}

// placed finds the windows of sites in the plan's processes as they are.
func (s *Survey) placed(a *aimed) (*places, error) {
	var all []*places
	for _, pid := range a.plan.Filter.PIDs {
		process, err := target.Open(pid)
		if err != nil {
			return nil, err
		}
		w, err := s.place(a, process, map[int]symbol.Bias{})
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	sum := all[0]
	sum.refused = append(sum.refused, absent(all)...)
	for _, w := range all[1:] {
		sum.windows = append(sum.windows, w.windows...)
		for _, r := range w.refused {
			if !slices.Contains(sum.refused, r) {
				sum.refused = append(sum.refused, r)
			}
		}
	}
	return sum, nil
}

// translatable tries whether every program can be translated.
func translatable(p *plan.Plan) error {
	code, err := compile(p)
	if err != nil {
		return err
	}
	layout, err := lay(code)
	if err != nil {
		return notOffered("has no room: %v", err)
	}
	return tried(code, layout, func(i int) string { return p.Probes[code.Progs[i].Probe].Name })
}

// tried translates every program for nowhere.
func tried(code *codegen.Program, layout *shm.Layout, name func(i int) string) error {
	var size uint64
	env, err := farEnv(layout, &size)
	if err != nil {
		return notOffered("has no room: %v", err)
	}
	for i := range code.Progs {
		if _, err := translate.Translate(code.Progs[i].Spec.Instructions, env); err != nil {
			return notOffered("cannot run %s: %v", name(i), err)
		}
	}
	return nil
}

// farAway is an address that takes as many bytes as any.
const farAway = 0x7fff_0000_0000

// farEnv is what programs are translated with to see how large they get. The size of the routines is added.
func farEnv(layout *shm.Layout, size *uint64) (*translate.Env, error) {
	return routines(layout, shm.Place{Base: farAway, Data: farAway, Known: farAway}, func(code []byte) (uint64, error) {
		*size += uint64(len(code)) + codeAlign
		return farAway, nil
	})
}

// routines writes the routines of a layout for a place, and gives what programs are translated with that call them.
func routines(layout *shm.Layout, at shm.Place, put func(code []byte) (uint64, error)) (*translate.Env, error) {
	code, addresses, err := layout.Routines(at)
	if err != nil {
		return nil, err
	}
	if _, err := put(code); err != nil {
		return nil, err
	}
	return &translate.Env{Base: at.Base, Data: at.Data, Layout: layout, Routines: addresses}, nil
}

// compile writes the programs of a plan. Which processes are observed, the gates of the trampolines know.
func compile(p *plan.Plan) (*codegen.Program, error) {
	inside := *p
	inside.Filter.Children, inside.Filter.PIDs = false, p.Filter.PIDs[:1]
	features := translate.Features(cpus())
	features.Decides = decides(p)
	return codegen.Compile(&inside, features)
}

// foreign reports whether a process is in another PID namespace than we are.
func foreign(pid int) bool {
	ours, err := os.Stat("/proc/self/ns/pid")
	theirs, err2 := os.Stat(fmt.Sprintf("/proc/%d/ns/pid", pid))
	return err == nil && err2 == nil && !os.SameFile(ours, theirs)
}
