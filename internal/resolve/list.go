package resolve

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/script"
)

// List describes the functions that a point names, object by object, in order of address.
func List(pt script.Point, scope Scope) ([]event.Function, error) {
	if scope.Objects == nil {
		scope.Objects = NewObjects()
		defer scope.Objects.Close()
	}
	r := newResolver(&script.Script{}, scope)
	matches, err := r.find(&pt)
	if err != nil {
		return nil, err
	}
	out := make([]event.Function, 0, len(matches))
	for _, m := range matches {
		out = append(out, r.describe(m))
	}
	return out, nil
}

func (r *resolver) describe(m match) event.Function {
	f := event.Function{
		Target: m.obj.Path, Name: m.name(), Address: uint64(m.fn.Addr) + m.offset, Size: m.fn.Size,
		Language: m.fn.Lang, IFunc: m.fn.IFunc, Cost: entryCost(m.obj, m.fn),
	}
	if m.fn.Name != f.Name {
		f.Linkage = m.fn.Name
	}
	if sig := r.signature(match{obj: m.obj, fn: m.fn}); sig != nil {
		f.Signature = sig.String(f.Name)
	}
	f.File, f.Line, _ = m.obj.file.Line(m.fn.Addr + symbol.Addr(m.offset))
	return f
}

// entryCost is the cost class of a function's entry site, "" when it cannot be armed.
func entryCost(obj *object, fn *symbol.Function) string {
	if fn.IFunc {
		impl := obj.file.Implementations(fn)
		if len(impl) == 0 {
			return ""
		}
		fn = impl[0]
	}
	code, err := obj.file.Code(fn)
	if err != nil {
		return ""
	}
	c, err := site.ChooseEntry(code, fn.Lang)
	if err != nil {
		return ""
	}
	return c.Cost.String()
}
