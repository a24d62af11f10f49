package resolve

import (
	"fmt"
	"path"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/script"
)

// staticProbes gives the USDT probes of an object that a point names, each place of a probe as a match of its own.
func staticProbes(pt *script.Point, obj *object) []match {
	var out []match
	notes := obj.file.Notes()
	for i := range notes {
		n := &notes[i]
		if fits(pt.Provider, n.Provider) && fits(pt.Function, n.Name) {
			out = append(out, match{obj: obj, note: n, within: true})
		}
	}
	return out
}

// fits matches a name against a pattern; an empty one takes all.
func fits(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return pattern == "" || pattern == name || err == nil && ok
}

// static names a static probe of an object.
type static struct {
	obj  *object
	name string
}

// static puts a place of a static probe into the plan: all places of one probe are one function in results.
func (r *resolver) static(m match) (*function, []plan.Site, error) {
	name := m.name()
	key := static{m.obj, name}
	id, known := r.statics[key]
	if !known {
		id = len(r.plan.Functions)
		r.statics[key] = id
		r.plan.Functions = append(r.plan.Functions, plan.Function{
			Object: r.planned(m.obj), Name: name, Linkage: name, Addr: m.note.Addr, Lang: event.LangC,
		})
	}
	s, err := r.staticSite(m)
	s.Function, s.Object = id, r.planned(m.obj)
	return &function{r: r, id: id, obj: m.obj, lang: event.LangC}, []plan.Site{s}, err
}

func (r *resolver) staticSite(m match) (plan.Site, error) {
	file, n := m.obj.file, m.note
	var code [16]byte
	if err := file.ReadAt(n.Addr, code[:]); err != nil {
		return plan.Site{}, err
	}
	c, err := site.At(code[:], 0)
	if err != nil {
		return plan.Site{}, err
	}
	c.Role, c.Why, c.Offset = site.Inside, "static probe "+m.name(), 0
	s := plan.Site{Addr: n.Addr, Callee: -1, Note: n, Choice: c}
	if s.Offset, err = file.Offset(n.Addr); err != nil {
		return s, err
	}
	if n.Semaphore != 0 {
		s.RefCtr, err = file.Offset(n.Semaphore)
	}
	return s, err
}

// staticArg is the n-th argument of a static probe, from where the note says it is.
func (b *body) staticArg(e *script.Ident, n int) (operand, error) {
	b.typed = true
	if n >= len(b.note.Args) {
		return operand{}, b.diag(e.Span, "no-parameter", fmt.Sprintf("%s:%s has %d arguments", b.note.Provider, b.note.Name, len(b.note.Args)),
			"arg0 is the first; sonde list --usdt shows them")
	}
	a := b.note.Args[n]
	x, ok := b.staticOperand(a)
	if !ok {
		return operand{}, b.diag(e.Span, "unavailable", fmt.Sprintf("%s of %s:%s cannot be read: %s %s", e.Name, b.note.Provider, b.note.Name, a.Raw, a.Problem))
	}
	return operand{x: x}, nil
}

// staticArgs are all arguments that can be read; one that cannot is 0.
func (b *body) staticArgs() []plan.Expr {
	var out []plan.Expr
	for _, a := range b.note.Args {
		x, ok := b.staticOperand(a)
		if !ok {
			x = constant(0)
		}
		out = append(out, x)
	}
	return out
}

// staticOperand reads an assembler operand: a constant, a register or memory.
func (b *body) staticOperand(a symbol.USDTArg) (plan.Expr, bool) {
	t := plan.Type{Kind: plan.IntType, Size: a.Size, Signed: a.Signed}
	switch {
	case a.Float:
		return nil, false
	case a.Kind == symbol.OperandConst:
		return &plan.Const{V: a.Disp, T: t}, true
	case a.Kind == symbol.OperandRegister && !a.Reg.Vector():
		var x plan.Expr = &plan.Reg{R: a.Reg, T: uint64Type}
		if a.Shift > 0 {
			x = &plan.Binary{Op: ">>", X: x, Y: constant(int64(a.Shift)), T: uint64Type}
		}
		return &plan.Cast{X: x, T: t}, true
	case a.Kind == symbol.OperandMemory:
		return &plan.Load{Addr: staticAddress(a), Size: a.Size, T: t}, true
	case a.Kind == symbol.OperandAddress: // relative to the site, whose run-time address is pc
		addr := plus(&plan.Value{B: plan.PC, T: uint64Type}, int64(a.Addr)-int64(b.note.Addr))
		return &plan.Load{Addr: addr, Size: a.Size, T: t}, true
	}
	return nil, false
}

func staticAddress(a symbol.USDTArg) plan.Expr {
	register := func(r ctype.Register) plan.Expr { return &plan.Reg{R: r, T: uint64Type} }
	var addr plan.Expr = constant(0)
	if a.HasReg {
		addr = register(a.Reg)
	}
	if a.HasIndex {
		scaled := &plan.Binary{Op: "*", X: register(a.Index), Y: constant(max(a.Scale, 1)), T: uint64Type}
		addr = &plan.Binary{Op: "+", X: addr, Y: scaled, T: uint64Type}
	}
	return plus(addr, a.Disp)
}
