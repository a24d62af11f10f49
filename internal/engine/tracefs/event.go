package tracefs

import (
	"fmt"
	"strings"

	model "github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/plan/interp"
	"github.com/sonde-project/sonde/internal/site"
)

// part is a kind of site of a probe.
type part uint8

const (
	entries     part = iota // and other instructions
	trampolines             // at the return, through the kernel's trampoline
	exits                   // instructions that leave
)

func partOf(kind plan.ProbeKind, r site.Role) part {
	switch {
	case kind != plan.Return || !interp.Leaves(r):
		return entries
	case r == site.Trampoline:
		return trampolines
	}
	return exits
}

// event is one event of tracefs: all sites of one body in one file at one kind of place, which carry the same.
type event struct {
	probe, body int
	part        part
	sites       []int // indexes into the probe's sites
	want        wants
	shape       shape // where a record has what, once the kernel has told
	name        string
	pushed
	rest   *event // tells the hits that the pushed predicate rejects; nil: nothing is pushed
	kept   error  // why nothing is
	counts bool   // it is such a rest
}

// layout decides which events a plan takes; an error is the reason why it cannot be run.
func layout(p *plan.Plan) ([]*event, error) {
	var all []*event
	for i := range p.Probes {
		probe := &p.Probes[i]
		byPlace := map[[3]int]*event{}
		for j := range probe.Sites {
			s := &probe.Sites[j]
			at := partOf(probe.Kind, s.Role)
			if probe.Kind == plan.Return && at == entries && probe.Bodies[s.Body].Frame == nil {
				continue
			}
			key := [3]int{s.Body, int(at), s.Object}
			e := byPlace[key]
			if e == nil {
				e = &event{probe: i, body: s.Body, part: at, name: fmt.Sprintf("e%d", len(all))}
				byPlace[key] = e
				all = append(all, e)
			}
			e.sites = append(e.sites, j)
			e.want.flags = e.want.flags || s.Cond != 0
		}
	}
	for _, e := range all {
		if err := e.wish(p); err != nil {
			return nil, err
		}
		e.kept = e.push(p)
	}
	return all, nil
}

// wish finds out what the event must carry.
func (e *event) wish(p *plan.Plan) error {
	w, probe := &e.want, &p.Probes[e.probe]
	body := &probe.Bodies[e.body]
	w.trampoline, w.following, w.vars = e.part == trampolines, map[int]bool{}, map[int][]plan.Expr{}
	setVars(body.Stmts, w.vars)
	atEntry := e.part == entries && probe.Kind == plan.Return
	w.comm = p.Filter.Comm != "" && (atEntry || body.Frame == nil)
	if body.Frame != nil {
		e.frame(p)
	}
	if atEntry {
		w.expr(body.Frame.Pred)
		w.slots(body.Frame.Slots)
		w.comm = w.comm || len(calls(p, body.Stmts)) > 0
		w.goroutine(body.Goid)
	} else {
		w.expr(body.Pred)
		w.stmts(p, body)
	}
	w.blocks = merged(w.blocks)
	if w.err != nil {
		return fmt.Errorf("%s: %w", probe.Name, w.err)
	}
	return e.fits(probe.Name)
}

// frame notes what calls are paired by.
func (e *event) frame(p *plan.Plan) {
	e.want.regs[stackPointer] = true
	for _, j := range e.sites {
		if isGo(p, &p.Probes[e.probe].Sites[j]) {
			e.want.goroutine(goStackTop)
			return
		}
	}
}

// fits checks the event against the kernel's limits.
func (e *event) fits(probe string) error {
	size := 32 + 8*len(e.want.regs)
	for _, b := range e.want.blocks {
		size += int(b.size)
	}
	args := e.arguments(0)
	if size > maxEvent || len(args) > maxArguments {
		return fmt.Errorf("%s: an event carries at most %d bytes in %d parts: capture less (shorter strings, fewer fields)", probe, maxEvent, maxArguments)
	}
	for _, a := range args {
		if len(a) > maxArgument {
			return fmt.Errorf("%s: it follows fewer pointers than this takes", probe)
		}
	}
	return nil
}

// setVars lists what statements set variables to.
func setVars(stmts []plan.Stmt, to map[int][]plan.Expr) {
	for _, s := range stmts {
		switch s := s.(type) {
		case *plan.SetVar:
			to[s.Var] = append(to[s.Var], s.X)
		case *plan.If:
			setVars(s.Then, to)
			setVars(s.Else, to)
		case *plan.Loop:
			setVars(s.Body, to)
		}
	}
}

// stmts notes what the statements of a body need.
func (w *wants) stmts(p *plan.Plan, body *plan.Body) {
	for _, s := range flat(body.Stmts) {
		switch s := s.(type) {
		case *plan.SetVar:
			w.expr(s.X)
		case *plan.MapSet:
			w.all(append(s.Key, s.X)...)
		case *plan.MapAdd:
			w.all(append(s.Key, s.X)...)
		case *plan.MapAggregate:
			w.all(append(s.Key, s.X)...)
		case *plan.MapDelete:
			w.all(s.Key...)
		case *plan.If:
			w.expr(s.Cond)
		case *plan.Loop:
			w.expr(s.Cond)
		case *plan.Emit:
			em := &p.Emissions[s.Emission]
			if em.Kind == plan.EmitCall {
				w.call(em.Slots)
			} else {
				w.slots(em.Slots)
			}
			if em.Kind == plan.EmitCall && !em.Frame {
				w.comm = true
			}
			if !em.Frame {
				w.goroutine(body.Goid)
			}
		}
	}
}

// flat lists statements and those inside them.
func flat(stmts []plan.Stmt) []plan.Stmt {
	var all []plan.Stmt
	for _, s := range stmts {
		all = append(all, s)
		switch s := s.(type) {
		case *plan.If:
			all = append(append(all, flat(s.Then)...), flat(s.Else)...)
		case *plan.Loop:
			all = append(all, flat(s.Body)...)
		}
	}
	return all
}

// calls lists the call records that statements complete from a frame.
func calls(p *plan.Plan, stmts []plan.Stmt) []int {
	var found []int
	for _, s := range flat(stmts) {
		if s, ok := s.(*plan.Emit); ok && p.Emissions[s.Emission].Frame {
			found = append(found, s.Emission)
		}
	}
	return found
}

// arguments are the event's fetch arguments at one site. The name of the thread comes first: kernels before 6.5 misplace texts that come
// after a pointer that could not be followed.
func (e *event) arguments(id int) []string {
	var args []string
	if e.want.comm {
		args = append(args, "comm=$comm:string")
	}
	args = append(args, fmt.Sprintf("site=\\%d:u32", id))
	for r, wanted := range e.want.regs {
		if wanted {
			args = append(args, fmt.Sprintf("r%d=%%%s:x64", r, registerNames[r]))
		}
	}
	if e.want.flags {
		args = append(args, "flags=%flags:x64")
	}
	args = append(args, e.args...)
	for i, b := range e.want.blocks {
		args = append(args, b.arguments(fmt.Sprintf("m%d", i))...)
	}
	return args
}

// line defines the event at one more site: sites of one event must agree in the names and types of their arguments, not in what
// those fetch, so each tells its number.
func (e *event) line(group, path string, s *plan.Site, id int) string {
	letter := "p"
	if e.part == trampolines {
		letter = "r"
	}
	ref := ""
	if s.RefCtr != 0 {
		ref = fmt.Sprintf("(%#x)", uint64(s.RefCtr))
	}
	return strings.TrimSpace(fmt.Sprintf("%s:%s/%s %s:%#x%s %s", letter, group, e.name, path, uint64(s.Offset), ref, joined(e.arguments(id))))
}

func isGo(p *plan.Plan, s *plan.Site) bool { return p.Functions[s.Function].Lang == model.LangGo }
