package resolve

import (
	"fmt"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/capture"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/script"
)

// function is a probed function while its plan is made.
type function struct {
	r     *resolver
	match match
	id    int // in Plan.Functions
	obj   *object
	lang  event.Language
	place placement
}

// types is the function's signature, nil when it is not known. It is looked up when it is first asked for: to count calls takes no types.
func (f *function) types() *ctype.Signature {
	if f.match.fn == nil {
		return nil
	}
	sig := f.r.signature(f.match)
	f.r.plan.Functions[f.id].Signature = sig
	if sig == nil || named(sig) {
		if split := f.obj.file.SplitTypes(f.match.fn); split != nil {
			fn := &f.r.plan.Functions[f.id]
			fn.SplitTypes, fn.SplitProblem = split.Path, split.Problem
		}
	}
	return sig
}

// placed is where the calling convention puts its values.
func (f *function) placed() ctype.Placement { return ctype.Place(f.types()) }

// errno is where it says why a call failed, nil: nowhere.
func (f *function) errno() *capture.ErrnoAt { return f.r.errnoAt(f) }

// body compiles a probe's statements for one function.
type body struct {
	r    *resolver
	text string // what diagnostics point into
	kind plan.ProbeKind
	// inside: the probe is not at the function's entry, so parameters are not where the ABI put them.
	inside bool
	fn     *function    // nil for BEGIN, END, interval
	note   *symbol.USDT // the static probe, nil at functions
	point  string       // the point as it was written
	prefix string       // plan.Probe.Prefix
	vars   map[string]int
	frame  plan.Frame
	paired bool // something of the entry is needed: the frame counts
	// entry: an entry-time expression is being compiled on behalf of a Return body.
	entry bool
	// typed: the outcome depends on the function's types or language.
	typed     bool
	result    bool // what the function returned is asked for
	emissions []emission
	loops     int
}

// emission is a record being planned: the part that machine code depends on, and how this function reads it.
type emission struct {
	plan.Emission
	shape plan.Shape
	stmt  *plan.Emit
}

// compiled is the outcome of compiling a body.
type compiled struct {
	body      plan.Body
	emissions []emission
	typed     bool
	result    bool   // see body
	key       string // equal for bodies that are one program
}

func (b *body) compile(p *script.Probe) (compiled, error) {
	out := compiled{}
	if p.Pred != nil {
		if err := b.predicate(p.Pred, &out.body); err != nil {
			return out, err
		}
	}
	stmts, err := b.stmts(p.Body)
	if err != nil {
		return out, err
	}
	out.body.Stmts, out.body.Result = stmts, b.result && b.kind == plan.Return
	if b.kind == plan.Return && b.paired {
		frame := b.frame
		out.body.Frame = &frame
	}
	for i := range b.emissions {
		if e := &b.emissions[i]; e.Kind == plan.EmitCall && out.body.Frame != nil {
			e.Frame, e.Entry = true, len(b.frame.Slots)
		}
	}
	b.numberSlots()
	out.emissions, out.typed, out.result = b.emissions, b.typed, b.result
	out.key = dump(out.body)
	for _, e := range out.emissions {
		out.key += dump(machine(e.Emission))
	}
	return out, nil
}

// predicate puts the conjuncts that the entry can decide into the frame, the others at the return.
func (b *body) predicate(pred script.Expr, out *plan.Body) error {
	for _, term := range conjuncts(pred) {
		atEntry := b.kind == plan.Return && !b.returnOnly(term)
		if atEntry {
			b.entry, b.paired = true, true
		}
		x, err := b.truth(term)
		b.entry = false
		if err != nil {
			return err
		}
		if atEntry {
			b.frame.Pred = and(b.frame.Pred, x)
		} else {
			out.Pred = and(out.Pred, x)
		}
	}
	return nil
}

func and(x, y plan.Expr) plan.Expr {
	if x == nil {
		return y
	}
	return &plan.Binary{Op: "&&", X: x, Y: y, T: int64Type}
}

// conjuncts splits a && b && c.
func conjuncts(e script.Expr) []script.Expr {
	if b, ok := e.(*script.Binary); ok && b.Op == "&&" {
		return append(conjuncts(b.X), conjuncts(b.Y)...)
	}
	return []script.Expr{e}
}

// returnSlot marks the number of a slot captured by the emission itself until the number of slots in the frame, which
// come before it in the record, is known.
const returnSlot = 1 << 16

// numberSlots counts slots over the whole record.
func (b *body) numberSlots() {
	for i := range b.emissions {
		e := &b.emissions[i]
		numberNodes(e.shape.Args, e.Entry)
		if e.shape.Result != nil {
			numberNode(e.shape.Result, e.Entry)
		}
		e.shape.ErrnoSlot = numberSlot(e.shape.ErrnoSlot, e.Entry)
		e.shape.StackSlot = numberSlot(e.shape.StackSlot, e.Entry)
		if e.shape.CallerSlot > 0 {
			e.shape.CallerSlot = numberSlot(e.shape.CallerSlot-1, e.Entry) + 1
		}
	}
}

func numberSlot(n, entry int) int {
	if n >= returnSlot {
		return n - returnSlot + entry
	}
	return n
}

func numberNodes(nodes []plan.Node, entry int) {
	for i := range nodes {
		numberNode(&nodes[i], entry)
	}
}

func numberNode(n *plan.Node, entry int) {
	for i := range n.Pieces {
		n.Pieces[i].Slot = numberSlot(n.Pieces[i].Slot, entry)
	}
	numberNodes(n.Follow, entry)
}

func (b *body) stmts(list []script.Stmt) ([]plan.Stmt, error) {
	var out []plan.Stmt
	for _, s := range list {
		more, err := b.stmt(s)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

func (b *body) stmt(s script.Stmt) ([]plan.Stmt, error) {
	switch s := s.(type) {
	case *script.ExprStmt:
		return b.effect(s.X)
	case *script.Assign:
		return b.assign(s)
	case *script.If:
		return b.branch(s)
	case *script.While:
		return b.while(s)
	case *script.For:
		return b.forRange(s)
	case *script.Jump:
		return b.jump(s)
	}
	return nil, b.diag(s.Pos(), "unsupported", fmt.Sprintf("cannot compile %T", s))
}

func (b *body) branch(s *script.If) ([]plan.Stmt, error) {
	cond, err := b.truth(s.Cond)
	if err != nil {
		return nil, err
	}
	then, err := b.stmts(s.Then)
	if err != nil {
		return nil, err
	}
	other, err := b.stmts(s.Else)
	if err != nil {
		return nil, err
	}
	return []plan.Stmt{&plan.If{Cond: cond, Then: then, Else: other}}, nil
}

func (b *body) while(s *script.While) ([]plan.Stmt, error) {
	if s.Unroll {
		return b.unroll(s)
	}
	cond, err := b.truth(s.Cond)
	if err != nil {
		return nil, err
	}
	b.loops++
	inner, err := b.stmts(s.Body)
	b.loops--
	if err != nil {
		return nil, err
	}
	return []plan.Stmt{&plan.Loop{Cond: cond, Body: inner, Max: b.r.scope.Limits.LoopBound}}, nil
}

// maxUnroll is bpftrace's bound of unroll(n).
const maxUnroll = 100

func (b *body) unroll(s *script.While) ([]plan.Stmt, error) {
	n, ok := s.Cond.(*script.Int)
	if !ok || n.Value < 1 || n.Value > maxUnroll {
		return nil, b.diag(s.Cond.Pos(), "bad-unroll", fmt.Sprintf("unroll takes a constant from 1 to %d", maxUnroll))
	}
	var out []plan.Stmt
	for range n.Value {
		inner, err := b.stmts(s.Body)
		if err != nil {
			return nil, err
		}
		out = append(out, inner...)
	}
	return out, nil
}

func (b *body) forRange(s *script.For) ([]plan.Stmt, error) {
	from, err := b.number(s.From)
	if err != nil {
		return nil, err
	}
	to, err := b.number(s.To)
	if err != nil {
		return nil, err
	}
	v := b.variable(s.Var, int64Type)
	b.loops++
	inner, err := b.stmts(s.Body)
	b.loops--
	if err != nil {
		return nil, err
	}
	// The step stands before the body so that continue takes it: $i runs from one below.
	ref := func() plan.Expr { return &plan.VarRef{Var: v, T: int64Type} }
	one := func(op string, x plan.Expr) plan.Expr {
		return &plan.Binary{Op: op, X: x, Y: constant(1), T: int64Type, Signed: true}
	}
	step := &plan.SetVar{Var: v, X: one("+", ref())}
	return []plan.Stmt{
		&plan.SetVar{Var: v, X: one("-", from)},
		&plan.Loop{
			Cond: &plan.Binary{Op: "<", X: one("+", ref()), Y: to, Signed: true, T: int64Type},
			Body: append([]plan.Stmt{step}, inner...),
			Max:  b.r.scope.Limits.LoopBound,
		},
	}, nil
}

func (b *body) jump(s *script.Jump) ([]plan.Stmt, error) {
	if s.Word == "return" {
		return []plan.Stmt{&plan.Finish{}}, nil
	}
	if b.loops == 0 {
		return nil, b.diag(s.Span, "outside-loop", s.Word+" outside a loop")
	}
	if s.Word == "break" {
		return []plan.Stmt{&plan.Break{}}, nil
	}
	return []plan.Stmt{&plan.Continue{}}, nil
}

// variable gives the index of $name, declaring it with a type the first time.
func (b *body) variable(name string, t plan.Type) int {
	if v, ok := b.vars[name]; ok {
		old := &b.r.plan.Vars[v].Type
		if old.Kind == plan.StrType && t.Kind == plan.StrType {
			old.Size = max(old.Size, t.Size)
		}
		return v
	}
	b.r.plan.Vars = append(b.r.plan.Vars, plan.Var{Name: name, Type: t})
	b.vars[name] = len(b.r.plan.Vars) - 1
	return b.vars[name]
}

// save keeps a slot of the entry for the return, once however often it is asked for.
func (b *body) save(s plan.Slot) int {
	b.paired = true
	want := dump(s)
	for i := range b.frame.Slots {
		if dump(b.frame.Slots[i]) == want {
			return i
		}
	}
	b.frame.Slots = append(b.frame.Slots, s)
	return len(b.frame.Slots) - 1
}

// diag makes a diagnostic about a place in the script.
func (b *body) diag(at script.Span, code script.Code, message string, hints ...string) error {
	return &script.Diagnostic{Code: code, Message: message, Text: b.text, Span: at, Hints: hints}
}
