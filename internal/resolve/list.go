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

// ListStatic describes the USDT probes of the objects that a point names; its function, if any, is a pattern of their names.
func ListStatic(pt script.Point, scope Scope) ([]event.Function, error) {
	r := newResolver(&script.Script{}, scope)
	objects, err := r.locate(&pt)
	if err != nil {
		return nil, err
	}
	var out []event.Function
	for _, obj := range objects {
		for _, n := range obj.file.Notes() {
			if !fits(pt.Provider, n.Provider) || !fits(pt.Function, n.Name) {
				continue
			}
			out = append(out, event.Function{Target: obj.Path, Provider: n.Provider, Name: n.Name, Signature: n.Raw, Address: uint64(n.Addr)})
		}
	}
	if len(out) == 0 {
		return nil, r.diag(pt.Span, "no-usdt", "no static probe in "+pt.Target)
	}
	return out, nil
}

// ListLines describes the source lines at which the functions that a point names can be probed.
func ListLines(pt script.Point, scope Scope) ([]event.Function, error) {
	r := newResolver(&script.Script{}, scope)
	matches, err := r.find(&pt)
	if err != nil {
		return nil, err
	}
	var out []event.Function
	for _, m := range matches {
		for _, l := range m.obj.file.LinesOf(m.fn) {
			out = append(out, event.Function{Target: m.obj.Path, Name: m.name(), Address: uint64(l.Addr), File: l.File, Line: l.Line, Language: m.fn.Lang})
		}
	}
	if len(out) == 0 {
		return nil, r.diag(pt.Span, "no-line", pt.Target+" has no line table", "compile with -g")
	}
	return out, nil
}

func (r *resolver) describe(m match) event.Function {
	f := event.Function{
		Target: m.obj.Path, Name: m.name(), Address: uint64(m.fn.Addr) + m.offset, Size: m.fn.Size,
		Language: m.fn.Lang, IFunc: m.fn.IFunc, Version: m.fn.VersionSuffix(), Cost: entryCost(m.obj, m.fn),
	}
	if m.fn.Name != f.Name {
		f.Linkage = m.fn.Name
	}
	sig := r.signature(match{obj: m.obj, fn: m.fn})
	if sig != nil {
		f.Signature = sig.String(f.Name)
	}
	if sig == nil || named(sig) {
		if split := m.obj.file.SplitTypes(m.fn); split != nil {
			f.SplitTypes, f.SplitProblem = split.Path, split.Problem
		}
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

// FunctionNames gives the names of the functions that a point names, without looking at their code or types.
func FunctionNames(pt script.Point, scope Scope) ([]string, error) {
	r := newResolver(&script.Script{}, scope)
	matches, err := r.find(&pt)
	var names []string
	for _, m := range matches {
		names = append(names, m.name())
	}
	return names, err
}
