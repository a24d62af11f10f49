package user

import (
	"cmp"
	"errors"
	"slices"

	"github.com/sonde-project/sonde/internal/engine/user/relocate"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
)

// spot is a site of the plan and what runs there.
type spot struct {
	site    *plan.Site
	probe   int // index into the plan's probes
	index   int // of the site, in the probe's
	program int // index into the programs
	cookie  uint64
	atEntry bool // its instruction says by itself that the return address is on top of the stack
}

// window is a stretch of the process's code that is to be patched.
type window struct {
	relocate.Window
	spots  []spot // those of its sites, in their order
	golang bool
	fn     symbol.Addr // where the function is in its file
	object *object
}

// refused is a site that cannot be patched.
type refused struct {
	site  *plan.Site
	probe int
	why   string
}

// pc is where the process has the site of a spot.
func (w *window) pc(s *spot) uint64 { return uint64(s.site.Addr.PC(w.object.bias)) }

// object is a file that the process maps, where it lies.
type object struct {
	*file
	index int // in the plan
	bias  symbol.Bias
}

// places are the windows of a plan in a process.
type places struct {
	refused []refused
	absent  []refused // of objects that the process does not map
	windows []window
}

// place finds the windows of the objects of a plan that a process maps, but for those that were placed before, and notes which they are.
func (s *Survey) place(a *aimed, process *target.Process, placed map[int]symbol.Bias) (*places, error) {
	maps, err := process.Maps()
	if err != nil {
		return nil, err
	}
	for _, i := range a.objects {
		_, _ = s.file(&a.plan.Objects[i]) // what is open need not be opened to learn its manners; object tells of errors
	}
	habits, err := s.habitsOf(process)
	switch {
	case err != nil:
		return nil, err
	case habits.cancelled != nil && !a.plan.Unsafe:
		return nil, habits.cancelled
	}
	w := &places{}
	for _, i := range a.objects {
		if _, known := placed[i]; known {
			continue
		}
		switch o, err := s.object(a.plan, i, maps); {
		case errors.Is(err, errAbsent):
			w.absent = append(w.absent, a.all(i, err)...)
		case err != nil:
			w.refused = append(w.refused, a.all(i, err)...)
		default:
			w.take(o, a.find(o.file, i, habits.throws))
			placed[i] = o.bias
		}
	}
	slices.SortFunc(w.windows, func(a, b window) int { return cmp.Compare(a.Addr, b.Addr) })
	return w, nil
}

// take takes over what was found in a file, where the process has it.
func (w *places) take(o *object, f *findings) {
	w.refused = append(w.refused, f.refused...)
	w.windows = slices.Grow(w.windows, len(f.windows))
	for _, one := range f.windows {
		one.Window, one.object = one.At(uint64(o.bias)), o
		w.windows = append(w.windows, one)
	}
}

// errAbsent says that an object is not part of the process.
var errAbsent = errors.New("the process does not map it")

// object finds where a process maps one of a plan's files.
func (s *Survey) object(p *plan.Plan, i int, maps []target.Mapping) (*object, error) {
	file, err := s.file(&p.Objects[i])
	if err != nil {
		return nil, err
	}
	for _, m := range maps {
		if !m.Exec() || m.Ino != file.id.ino || !m.File() {
			continue
		}
		if bias, ok := file.Bias(m.Symbol()); ok {
			return &object{file, i, bias}, nil
		}
	}
	return nil, errAbsent
}
