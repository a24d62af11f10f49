package resolve

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
	"github.com/sonde-project/sonde/script"
)

// nothing says why a point matches no function: a near name, inlined everywhere, in another library, stripped.
func (r *resolver) nothing(pt *script.Point, objects []*object) error {
	where := pt.Target
	if len(objects) == 1 {
		where = soname(objects[0])
	}
	d := &script.Diagnostic{Code: "no-function", Text: r.script.Text, Span: pt.FunctionSpan}
	switch {
	case pt.Kind == script.USDT:
		d.Code, d.Message = "no-usdt", fmt.Sprintf("no static probe %s:%s in %s", pt.Provider, pt.Function, where)
		d.Hints = staticHints(pt, objects)
	case pt.File != "":
		d.Message = fmt.Sprintf("no code at %s:%d in %s", pt.File, pt.Line, where)
		d.Hints = r.lineHints(pt, objects)
		return d
	case pt.Regexp:
		d.Message = fmt.Sprintf("no function of %s matches /%s/", where, pt.Function)
	case isGlob(pt.Function):
		d.Message = fmt.Sprintf("no function of %s matches %q", where, pt.Function)
	default:
		d.Message = fmt.Sprintf("no function %q in %s", pt.Function, where)
		for _, obj := range objects {
			d.Hints = append(d.Hints, r.whyNot(pt.Function, obj)...)
		}
	}
	listing := len(d.Hints) == 0 && pt.Function != "*"
	if len(d.Hints) == 0 && len(objects) == 1 {
		d.Hints = stripped(objects[0])
	}
	if pt.Target == "" && isTarget(pt.Function) {
		d.Hints, listing = append(d.Hints, fmt.Sprintf("functions of %s are %s:NAME", pt.Function, pt.Function)), false
	}
	if listing {
		d.Hints = append(d.Hints, fmt.Sprintf("sonde list %s shows what can be probed", r.listed(pt, objects)))
	}
	return d
}

// listed is how `sonde list` is asked for what a point's target means.
func (r *resolver) listed(pt *script.Point, objects []*object) string {
	name := pt.Target
	of := len(r.scope.PIDs) > 0
	switch {
	case name != "" && name != "*":
	case of && len(objects) == 1:
		name = filepath.Base(objects[0].Path)
	case len(objects) > 0 && !of:
		name = objects[0].Path
	default:
		name = ""
	}
	if of {
		return strings.TrimSpace(fmt.Sprintf("-p %d %s", r.scope.PIDs[0], name))
	}
	return name
}

// isTarget reports whether a name that is no function is a library or a file.
func isTarget(name string) bool {
	_, err := target.Find(name)
	return err == nil
}

// isGlob reports a pattern; the star of a Go method, main.(*Store).Put, makes none.
func isGlob(name string) bool { return strings.ContainsAny(strings.ReplaceAll(name, "(*", "("), "*?[") }

// whyNot collects what explains that a name is missing in an object.
func (r *resolver) whyNot(name string, obj *object) []string {
	var hints []string
	if in := obj.file.Inlined(name); len(in) > 0 {
		hints = append(hints, inlinedHint(name, in))
	}
	if near := obj.file.Near(name, 3); len(near) > 0 {
		hints = append(hints, "near names: "+strings.Join(near, ", "))
	}
	if lib := r.elsewhere(name, obj); lib != "" {
		hints = append(hints, fmt.Sprintf("%s is in %s: probe %s:%s", name, lib, lib, name))
	}
	if len(hints) == 0 {
		hints = stripped(obj)
	}
	return hints
}

// stripped says so of an object whose functions have no names.
func stripped(obj *object) []string {
	if !obj.file.Stripped() {
		return nil
	}
	hint := soname(obj) + " is stripped: only what it exports has a name"
	if pkg := obj.file.DebugPackage(); pkg.Debug != "" {
		hint += "; its debug package is " + pkg.Debug
	}
	return []string{hint}
}

func inlinedHint(name string, in []symbol.InlineSite) string {
	callers := map[string]bool{}
	var list []string
	for _, s := range in {
		if !callers[s.Caller] && len(list) < 3 {
			callers[s.Caller] = true
			list = append(list, s.Caller)
		}
	}
	places := fmt.Sprintf("%d places", len(in))
	if len(in) == 1 {
		places = "one place"
	}
	return fmt.Sprintf("%s was inlined at %s; probe a function that contains it: %s", name, places, strings.Join(list, ", "))
}

// elsewhere looks for the name in the libraries that the object needs.
func (r *resolver) elsewhere(name string, obj *object) string {
	for _, lib := range obj.file.Needed() {
		t, err := target.Find(lib)
		if err != nil {
			continue
		}
		o, err := r.objects.get(t)
		if err != nil {
			continue
		}
		if fns, err := o.file.Find(symbol.Pattern{Text: name}); err == nil && len(fns) > 0 {
			return lib
		}
	}
	return ""
}

func (r *resolver) lineHints(pt *script.Point, objects []*object) []string {
	for _, obj := range objects {
		for d := 1; d <= 20; d++ {
			for _, line := range []int{pt.Line + d, pt.Line - d} {
				if line > 0 && len(obj.file.Lines(pt.File, line)) > 0 {
					return []string{fmt.Sprintf("the nearest line with code is %s:%d", pt.File, line)}
				}
			}
		}
	}
	return []string{"lines come from debug information: compile with -g, and name the file as the compiler did"}
}

// staticHints offers the static probes that are there.
func staticHints(pt *script.Point, objects []*object) []string {
	names := map[string]bool{}
	var all []string
	for _, obj := range objects {
		for _, n := range obj.file.Notes() {
			if name := n.Provider + ":" + n.Name; !names[name] {
				names[name] = true
				all = append(all, name)
			}
		}
	}
	if near := script.Near(pt.Provider+":"+pt.Function, all, 3); len(near) > 0 {
		return []string{"near names: " + strings.Join(near, ", ")}
	}
	if len(all) > 0 {
		return []string{"static probes: " + strings.Join(all[:min(len(all), 5)], ", ")}
	}
	return []string{"it has no static probes: they are put in by <sys/sdt.h> when a program is compiled"}
}
