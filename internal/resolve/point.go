package resolve

import (
	"path/filepath"

	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// match is one place that a probe point names: a function, or an instruction inside it (offset).
type match struct {
	obj    *object
	fn     *symbol.Function
	offset uint64
	within bool         // an instruction was asked for: FUNCTION+offset, address, line
	note   *symbol.USDT // a static probe; fn may then be nil
}

func (m match) inside() bool { return m.within && m.offset != 0 }
func (m match) name() string {
	if m.note != nil {
		return m.note.Provider + ":" + m.note.Name
	}
	return m.obj.file.Display(m.fn)
}

// find gives the places that a point names, or says why there is none.
func (r *resolver) find(pt *script.Point) ([]match, error) {
	if m, ok := r.matches[pt]; ok {
		return m, nil
	}
	objects, err := r.locate(pt)
	if err != nil {
		return nil, err
	}
	var out []match
	for _, obj := range objects {
		more, err := r.inObject(pt, obj)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	if len(out) == 0 {
		return nil, r.nothing(pt, objects)
	}
	r.matches[pt] = out
	return out, nil
}

// reached is a place that a point of a probe names.
type reached struct {
	probe *script.Probe
	kind  script.PointKind
	match match
}

// unlike leaves out what an earlier point of the same probe names: what was libpthread is libc today, a pattern may have the name that stands
// beside it, and whoever lists both wants a call once. Records of one call that came twice would be taken for nested ones, too.
func (r *resolver) unlike(probe *script.Probe, pt *script.Point, matches []match) []match {
	out := make([]match, 0, len(matches))
	for _, m := range matches {
		at := reached{probe, pt.Kind, m}
		first, ok := r.reached[at]
		if !ok {
			r.reached[at] = pt
		}
		if !ok || first == pt {
			out = append(out, m)
		}
	}
	return out
}

func (r *resolver) inObject(pt *script.Point, obj *object) ([]match, error) {
	switch {
	case pt.Kind == script.USDT:
		return staticProbes(pt, obj), nil
	case pt.HasAddress:
		return r.atAddress(pt, obj, symbol.Addr(pt.Address))
	case pt.File != "":
		var out []match
		for _, a := range obj.file.Lines(pt.File, pt.Line) {
			m, err := r.atAddress(pt, obj, a)
			if err != nil {
				return nil, err
			}
			out = append(out, m...)
		}
		return out, nil
	}
	fns, err := obj.file.Find(symbol.Pattern{Text: pt.Function, Regexp: pt.Regexp})
	if err != nil {
		return nil, r.place(err, pt)
	}
	var out []match
	for _, fn := range fns {
		m := match{obj: obj, fn: fn}
		if pt.HasOffset {
			m.offset, m.within = pt.Offset, true
		}
		out = append(out, m)
	}
	return out, nil
}

func (r *resolver) atAddress(pt *script.Point, obj *object, a symbol.Addr) ([]match, error) {
	fn, off, ok := obj.file.At(a)
	if !ok {
		return nil, r.diag(pt.Span, "no-function", a.String()+" is in no function of "+obj.Path,
			"addresses are those of `sonde list` and of nm: virtual addresses of the ELF file")
	}
	return []match{{obj: obj, fn: fn, offset: off, within: true}}, nil
}

// place gives a diagnostic of another package the place in the script.
func (r *resolver) place(err error, pt *script.Point) error {
	if d, ok := isDiagnostic(err); ok && d.Text == "" {
		c := *d
		c.Text, c.Span = r.script.Text, pt.Span
		return &c
	}
	return err
}

// locate gives the objects that the point's target names.
func (r *resolver) locate(pt *script.Point) ([]*object, error) {
	var found []target.Object
	var err error
	switch {
	case pt.Target == "":
		found, err = r.programs(pt)
	case pt.Target == "*":
		found, err = r.everything(pt)
	default:
		found, err = r.named(pt.Target)
	}
	if err != nil {
		return nil, r.place(err, pt)
	}
	var out []*object
	var first error
	for _, t := range found {
		obj, err := r.objects.get(t)
		switch {
		case err == nil:
			out = appendNew(out, obj)
		case pt.Target != "*":
			return nil, r.place(err, pt)
		case first == nil: // one odd mapping does not stop the rest
			first = err
		}
	}
	if len(out) == 0 && first != nil {
		return nil, r.place(first, pt)
	}
	return out, nil
}

func appendNew(list []*object, obj *object) []*object {
	for _, o := range list {
		if o == obj {
			return list
		}
	}
	return append(list, obj)
}

// programs is what an empty target means: the observed programs themselves.
func (r *resolver) programs(pt *script.Point) ([]target.Object, error) {
	if r.scope.Program != "" {
		o, err := target.FindProgram(r.scope.Program)
		return []target.Object{o}, err
	}
	if len(r.scope.PIDs) == 0 {
		return nil, r.diag(pt.Span, "no-target", "which program or library is meant?", "write TARGET:"+pt.Function+", for example libc:"+pt.Function, "or say -p PID, or -- COMMAND")
	}
	var out []target.Object
	for _, pid := range r.scope.PIDs {
		p, err := target.Open(pid)
		if err != nil {
			return nil, err
		}
		o, err := p.Executable()
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// everything is what * means: all objects of the observed processes.
func (r *resolver) everything(pt *script.Point) ([]target.Object, error) {
	if r.scope.Program != "" {
		return r.closure(r.scope.Program)
	}
	if len(r.scope.PIDs) == 0 {
		return nil, r.diag(pt.Span, "no-target", "* means every object of a process, and no process is given", "add -p PID or -- COMMAND")
	}
	return r.mapped()
}

// closure is a program that has not run yet and the libraries that it needs, and theirs.
func (r *resolver) closure(program string) ([]target.Object, error) {
	first, err := target.FindProgram(program)
	if err != nil {
		return nil, err
	}
	out := []target.Object{first}
	seen := map[string]bool{}
	for i := 0; i < len(out); i++ {
		obj, err := r.objects.get(out[i])
		if err != nil {
			if i == 0 {
				return nil, err
			}
			continue
		}
		needed := obj.file.Needed()
		if interp := obj.file.Interp(); interp != "" {
			needed = append(needed, interp)
		}
		for _, name := range needed {
			if seen[name] {
				continue
			}
			seen[name] = true
			if lib, err := target.FindLibrary(name); err == nil {
				out = append(out, lib)
			}
		}
	}
	return out, nil
}

// named finds a library or program by name or path, as the observed processes see it.
func (r *resolver) named(name string) ([]target.Object, error) {
	if r.scope.Started || len(r.scope.PIDs) == 0 {
		return one(target.Find(name))
	}
	var out []target.Object
	var first error
	for _, pid := range r.scope.PIDs {
		p, err := target.Open(pid)
		if err != nil {
			return nil, err
		}
		o, err := p.Find(name)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		out = append(out, o)
	}
	if len(out) == 0 {
		return nil, first
	}
	return out, nil
}

func one(o target.Object, err error) ([]target.Object, error) { return []target.Object{o}, err }

// soname is the name by which prototypes know an object.
func soname(obj *object) string { return filepath.Base(obj.Path) }
