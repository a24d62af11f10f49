package resolve

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/prototype"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/script"
)

// resolver makes one plan. It compiles the script twice: the first pass learns the types of maps and variables, which
// may be used before they are set, the second pass writes the plan.
type resolver struct {
	scope       *Scope
	script      *script.Script
	plan        *plan.Plan
	maps        map[string]int
	learning    bool
	objects     *Objects
	matches     map[*script.Point][]match
	ids         map[match]int
	statics     map[static]int
	vars        map[*script.Probe]map[string]int
	reached     map[reached]*script.Point // the point that reached it first
	sigs        map[match]*ctype.Signature
	places      map[placing]placement
	errnos      map[*object]*symbol.ErrnoPlace // nil: none
	hazards     map[*object]string             // what replaced return addresses meet in the processes of an object, "" nothing
	interrupted map[*object]string             // why even functions that call nothing may be left early, "" they are not
	calls       map[*object]map[symbol.Addr][]symbol.Addr
	missing     bool             // a point may match nothing
	types       *prototype.Table // what the script defines; nil: nothing
	functions   []plan.Function  // as the first pass found and numbered them
}

// Resolve decides what a script does to its targets. Errors are *script.Diagnostic; several are joined.
func Resolve(s *script.Script, scope Scope) (*plan.Plan, error) {
	r := newResolver(s, scope)
	r.objects.planning.Lock()
	defer r.objects.planning.Unlock()
	if err := r.define(); err != nil {
		return nil, err
	}
	if err := r.pass(&plan.Plan{}); err != nil {
		return nil, err
	}
	r.learning = false
	learnt := r.plan
	next := &plan.Plan{Maps: learnt.Maps, Vars: learnt.Vars}
	r.functions = learnt.Functions
	if err := r.pass(next); err != nil {
		return nil, err
	}
	r.finish()
	return r.plan, nil
}

func newResolver(s *script.Script, scope Scope) *resolver {
	if scope.Objects == nil {
		scope.Objects = NewObjects()
	}
	if scope.Limits == (plan.Limits{}) {
		scope.Limits = plan.DefaultLimits()
	}
	return &resolver{
		scope: &scope, script: s, objects: scope.Objects, maps: map[string]int{},
		matches: map[*script.Point][]match{}, sigs: map[match]*ctype.Signature{}, places: map[placing]placement{},
		errnos: map[*object]*symbol.ErrnoPlace{}, hazards: map[*object]string{}, interrupted: map[*object]string{}, calls: map[*object]map[symbol.Addr][]symbol.Addr{},
		vars: map[*script.Probe]map[string]int{}, learning: true,
	}
}

func (r *resolver) pass(p *plan.Plan) error {
	r.plan = p
	if err := r.configure(); err != nil {
		return err
	}
	r.ids, r.statics, r.reached = map[match]int{}, map[static]int{}, map[reached]*script.Point{}
	p.Filter, p.Limits, p.Unsafe = r.scope.Filter, r.scope.Limits, r.scope.Unsafe
	r.objects.forget()
	var absent error
	matched := false
	for _, probe := range r.script.Probes {
		for i := range probe.Points {
			pt := &probe.Points[i]
			switch err := r.point(probe, pt); {
			case err == nil:
				matched = matched || pt.Kind <= script.USDT
			case r.absent(pt, err):
				absent = err
			default:
				return err
			}
		}
	}
	if !matched {
		return absent
	}
	return nil
}

// finish settles what needs the whole plan: dense maps, which tail jump goes to which probed function, and where entries and returns cost less.
func (r *resolver) finish() {
	p := r.plan
	for i := range p.Maps {
		m := &p.Maps[i]
		m.Dense = len(m.Keys) == 1 && m.Keys[0].Kind == plan.FuncType && !forgets(p, i)
	}
	r.nameCallees()
	r.moveEntries()
	r.moveReturns()
}

// nameCallees says of each direct tail jump which probed function it goes to.
func (r *resolver) nameCallees() {
	at := map[symbol.Addr]int{}
	key := func(object int, a symbol.Addr) symbol.Addr { return a | symbol.Addr(object)<<48 }
	for id, f := range r.plan.Functions {
		at[key(f.Object, f.Addr)] = id
	}
	for _, p := range r.plan.Probes {
		for i := range p.Sites {
			s := &p.Sites[i]
			if s.Role != site.TailJump || s.Target == 0 {
				continue
			}
			if id, ok := at[key(s.Object, r.plan.Functions[s.Function].Addr+symbol.Addr(s.Target))]; ok {
				s.Callee = id
			}
		}
	}
}

// forgets reports whether a script deletes single entries of a map or asks whether they are there: an array has them all, always.
func forgets(p *plan.Plan, m int) bool {
	found := false
	p.Walk(func(node any) {
		switch n := node.(type) {
		case *plan.MapDelete:
			found = found || n.Map == m
		case *plan.MapHas:
			found = found || n.Map == m
		}
	})
	return found
}

// point plans one probe point: a plan.Probe with a body per distinct specialisation.
func (r *resolver) point(probe *script.Probe, pt *script.Point) error {
	out := plan.Probe{Name: pt.String(), Interval: pt.Every}
	if pt.Regexp || isGlob(pt.Function) || isGlob(pt.Provider) {
		out.Prefix = pt.Kind.String() + ":" + pt.Target + ":"
	}
	switch pt.Kind {
	case script.Begin, script.End, script.Interval:
		out.Kind = map[script.PointKind]plan.ProbeKind{script.Begin: plan.Begin, script.End: plan.End, script.Interval: plan.Interval}[pt.Kind]
		return r.unhit(probe, out)
	case script.Uprobe, script.USDT:
		out.Kind = plan.Entry
	case script.Uretprobe:
		out.Kind = plan.Return
	default:
		return r.diag(pt.Span, "unsupported", pt.Kind.String()+" probes are not known here", "probes: uprobe, uretprobe, usdt, BEGIN, END, interval")
	}
	matches, err := r.find(pt)
	if err != nil {
		return err
	}
	if matches = r.unlike(probe, pt, matches); len(matches) == 0 {
		return nil
	}
	return r.hits(probe, pt, out, matches)
}

// unhit plans BEGIN, END and interval.
func (r *resolver) unhit(probe *script.Probe, out plan.Probe) error {
	b := r.body(probe, &out, nil)
	c, err := b.compile(probe)
	if err != nil {
		return err
	}
	out.Bodies = []plan.Body{r.adopt(c, -1)}
	r.plan.Probes = append(r.plan.Probes, out)
	return nil
}

func (r *resolver) body(probe *script.Probe, point *plan.Probe, fn *function) *body {
	vars, ok := r.vars[probe]
	if !ok {
		vars = map[string]int{}
		r.vars[probe] = vars
	}
	return &body{r: r, text: r.script.Text, kind: point.Kind, point: point.Name, prefix: point.Prefix, fn: fn, vars: vars}
}

// hits plans the sites of a point. Functions whose types make no difference share a body, if their returns are seen in the same way: a program
// must know whether the kernel has room to see a call return.
func (r *resolver) hits(probe *script.Probe, pt *script.Point, out plan.Probe, matches []match) error {
	known := map[string]int{} // dump of a compiled body -> index in out.Bodies
	shared := map[plan.ReturnWay]*compiled{}
	var failed []error
	refused := len(r.plan.Refusals)
	out.Sites = make([]plan.Site, 0, len(matches))
	r.plan.Functions = slices.Grow(r.plan.Functions, len(matches))
	for _, m := range matches {
		fn, sites, err := r.function(m, pt, out.Kind)
		if err != nil {
			if _, ok := isDiagnostic(err); ok {
				failed = append(failed, err)
			}
			r.refuse(m, err.Error())
			last := &r.plan.Refusals[len(r.plan.Refusals)-1]
			last.Uncalled = fn != nil && fn.place.refused == uncalled && strings.ContainsAny(pt.Function, "*?[/")
			continue
		}
		var c compiled
		if s := shared[fn.place.way]; s != nil {
			c = *s
		} else {
			b := r.body(probe, &out, fn)
			b.inside, b.note = m.inside(), m.note
			if c, err = b.compile(probe); err != nil {
				failed = append(failed, err)
				r.refuse(m, err.Error())
				continue
			}
			if !c.typed {
				shared[fn.place.way] = &c
			}
			if c.body.Frame != nil {
				c.key += fmt.Sprint(fn.place.way)
			}
		}
		if c.result && out.Kind == plan.Return && !returns(sites) {
			err := errors.New("it leaves only through jumps to other functions, which make its result: probe their returns")
			failed = append(failed, r.diag(pt.Span, "no-return", m.fn.Name+": "+err.Error()))
			r.refuse(m, err.Error())
			continue
		}
		index := r.share(&out, known, c, fn.id)
		for _, s := range sites {
			if s.Role == 0 && out.Kind == plan.Return && out.Bodies[index].Frame == nil {
				continue // nothing of the entry is needed
			}
			s.Body = index
			out.Sites = append(out.Sites, s)
		}
	}
	if len(out.Sites) == 0 {
		if len(failed) > 0 {
			return failed[0]
		}
		return r.allRefused(pt, refused)
	}
	r.plan.Probes = append(r.plan.Probes, out)
	return nil
}

// returns reports whether a function returns by itself from some site.
func returns(sites []plan.Site) bool {
	return slices.ContainsFunc(sites, func(s plan.Site) bool { return s.Role != 0 && s.Role != site.TailJump })
}

// share finds an equal body or adds this one, and notes how the function's records read.
func (r *resolver) share(out *plan.Probe, known map[string]int, c compiled, function int) int {
	if i, ok := known[c.key]; ok {
		emissions := emissionsOf(out.Bodies[i].Stmts)
		for n, e := range c.emissions {
			r.plan.Emissions[emissions[n]].ByFunction[function] = e.shape
		}
		return i
	}
	out.Bodies = append(out.Bodies, r.adopt(c, function))
	known[c.key] = len(out.Bodies) - 1
	return len(out.Bodies) - 1
}

// machine is the part of an emission that programs depend on.
func machine(e plan.Emission) any {
	return struct {
		Kind                  plan.EmissionKind
		Format                string
		Map, Top, Code, Entry int
		Div                   int64
		Frame                 bool
		Slots                 []plan.Slot
	}{e.Kind, e.Format, e.Map, e.Top, e.Code, e.Entry, e.Div, e.Frame, e.Slots}
}

// adopt moves a compiled body's emissions into the plan.
func (r *resolver) adopt(c compiled, function int) plan.Body {
	for _, e := range c.emissions {
		e.stmt.Emission = len(r.plan.Emissions)
		e.Emission.ByFunction = map[int]plan.Shape{}
		if function >= 0 {
			e.Emission.ByFunction[function] = e.shape
		}
		e.Emission.Shape = e.shape
		r.plan.Emissions = append(r.plan.Emissions, e.Emission)
	}
	return c.body
}

// emissionsOf lists the emissions of a body in the order in which they were compiled.
func emissionsOf(stmts []plan.Stmt) []int {
	var out []int
	for _, s := range stmts {
		switch s := s.(type) {
		case *plan.Emit:
			out = append(out, s.Emission)
		case *plan.If:
			out = append(append(out, emissionsOf(s.Then)...), emissionsOf(s.Else)...)
		case *plan.Loop:
			out = append(out, emissionsOf(s.Body)...)
		}
	}
	return out
}

func (r *resolver) refuse(m match, why string) {
	r.plan.Refusals = append(r.plan.Refusals, plan.Refusal{Object: m.obj.Path, Function: m.name(), Why: why})
}

// allRefused says why nothing is left to probe.
func (r *resolver) allRefused(pt *script.Point, since int) error {
	d := &script.Diagnostic{Code: "refused", Message: "nothing left to probe", Text: r.script.Text, Span: pt.Span}
	for i, f := range r.plan.Refusals[since:] {
		if i == 3 {
			d.Hints = append(d.Hints, fmt.Sprintf("and %d more", len(r.plan.Refusals)-since-i))
			break
		}
		d.Hints = append(d.Hints, f.Function+": "+f.Why)
	}
	return d
}

func (r *resolver) diag(at script.Span, code script.Code, message string, hints ...string) error {
	return &script.Diagnostic{Code: code, Message: message, Text: r.script.Text, Span: at, Hints: hints}
}

// isDiagnostic finds the diagnostic in an error.
func isDiagnostic(err error) (*script.Diagnostic, bool) {
	var d *script.Diagnostic
	return d, errors.As(err, &d)
}
