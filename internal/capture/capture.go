// Package capture decides what of a call's values is read: from a signature and where the ABI puts its values to the slots
// that a program fills and the nodes that read them back.
//
// In: a ctype.Signature with its Placement, or one typed expression. Out: plan.Slots, handed to keep as they are decided, and
// plan.Nodes that refer to them. Invariant: everything is bounded before anything is attached: slots per call, bytes per slot,
// pointers followed; what a bound leaves out is a value that says so. It must not know eBPF or object files.
package capture

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// Keep takes a slot and gives its number in the record.
type Keep func(plan.Slot) int

// Params captures the parameters of a function at its entry: a node per parameter, in order. What a parameter marked Out
// points at is not read: the callee has yet to fill it.
func Params(sig *ctype.Signature, at ctype.Placement, limits plan.Limits, keep Keep) []plan.Node {
	b := newBuilder(limits, keep, sig)
	nodes := make([]*tree, len(sig.Params))
	for i := range sig.Params {
		nodes[i] = b.param(i, at)
	}
	b.run()
	return flatten(nodes)
}

// param captures the bytes of one parameter and asks for what its pointers lead to.
func (b *builder) param(i int, at ctype.Placement) *tree {
	p := &b.sig.Params[i]
	n := &tree{Node: plan.Node{Name: p.Name, Type: p.Type, Lang: b.lang, At: int64(i), Guess: b.sig.Source == "guess"}}
	from := origin{pieces: pieces(at.Params, i)}
	if b.recognise(n, p.Type, from, 0) {
		return n
	}
	b.block(n, p.Type, from)
	switch {
	case p.Out:
	case isPointer(p.Type) && (p.Len != "" || p.Count != ""):
		if size := b.extent(p, entrySide{b, at}); size != nil {
			b.later(0, func() { b.buffer(n, p, origin{addr: from.word(0, 8, false)}, size) })
		}
	default:
		b.follow(n, p.Type, from, 0, 0)
	}
	return n
}

func pieces(of [][]ctype.Piece, i int) []ctype.Piece {
	if i >= len(of) {
		return []ctype.Piece{{Kind: ctype.Nowhere}}
	}
	return of[i]
}

// number is the value of an integer.
func number(t *ctype.Type, from origin) plan.Expr {
	u := t.Underlying()
	size := u.Sizeof()
	if u == nil || size != 1 && size != 2 && size != 4 && size != 8 {
		return nil
	}
	return from.word(0, size, u.Kind == ctype.Int || u.Signed)
}

// Results captures what a call gives back: the result into shape.Result, and what the callee filled behind parameters
// marked Out, read through the pointers as they were at entry, which save keeps, as further nodes of shape.Args.
func Results(sig *ctype.Signature, at ctype.Placement, limits plan.Limits, shape *plan.Shape, keep, save Keep) {
	b := newBuilder(limits, keep, sig)
	shape.Errno = plan.ErrnoRule(sig.Fails)
	results := make([]*tree, len(sig.Results))
	for i := range sig.Results {
		from := origin{pieces: pieces(at.Results, i)}
		if at.Hidden {
			slot := save(plan.Slot{Kind: plan.SlotInt, X: reg(ctype.RDI)})
			from = origin{addr: &plan.Saved{Slot: slot, T: unsigned}}
		}
		results[i] = b.result(&sig.Results[i], from)
	}
	var outs []*tree
	for i := range sig.Params {
		if p := &sig.Params[i]; p.Out && isPointer(p.Type) {
			outs = append(outs, b.out(i, at, save)...)
		}
	}
	b.run()
	shape.Args = append(shape.Args, flatten(outs)...)
	switch nodes := flatten(results); {
	case len(nodes) == 1:
		shape.Result = &nodes[0]
	case len(nodes) > 1:
		shape.Result = &plan.Node{View: plan.AsTuple, Lang: b.lang, Follow: nodes}
	}
}

func (b *builder) result(p *ctype.Param, from origin) *tree {
	n := &tree{Node: plan.Node{Name: p.Name, Type: p.Type, Lang: b.lang}}
	if b.recognise(n, p.Type, from, 0) {
		return n
	}
	b.block(n, p.Type, from)
	b.follow(n, p.Type, from, 0, 0)
	return n
}

// out reads at return what the pointer that parameter i was at entry leads to.
func (b *builder) out(i int, at ctype.Placement, save Keep) []*tree {
	p := &b.sig.Params[i]
	pointer := origin{pieces: pieces(at.Params, i)}.word(0, 8, false)
	if pointer == nil {
		return nil
	}
	slot := save(plan.Slot{Kind: plan.SlotInt, X: pointer})
	saved := &plan.Saved{Slot: slot, T: unsigned}
	n := &tree{Node: plan.Node{
		Name: p.Name, Type: p.Type, Lang: b.lang, At: int64(i), Out: true,
		Pieces: []plan.NodePiece{{Slot: slot, Size: 8}},
	}}
	when := b.succeeded(at)
	if p.Len == "" && p.Count == "" {
		b.follow(n, p.Type, origin{words: []plan.Expr{saved}, when: when}, 0, 0)
		return []*tree{n}
	}
	if size := b.extent(p, returnSide{b, at, save}); size != nil {
		b.later(0, func() { b.buffer(n, p, origin{addr: saved, when: when}, size) })
	}
	return []*tree{n}
}

// succeeded holds when the result does not say that the call failed: what a failed call would have filled is not there.
func (b *builder) succeeded(at ctype.Placement) plan.Expr {
	if len(b.sig.Results) == 0 {
		return nil
	}
	result := pieces(at.Results, 0)
	n := number(b.sig.Results[0].Type, origin{pieces: result})
	if isPointer(b.sig.Results[0].Type) {
		n = origin{pieces: result}.word(0, 8, false)
	}
	if n == nil {
		return nil
	}
	switch b.sig.Fails {
	case "negative":
		return &plan.Binary{Op: ">=", X: n, Y: constant(0), Signed: true, T: signed}
	case "null":
		return compare("!=", n, 0)
	case "nonzero":
		return compare("==", n, 0)
	case "eof":
		return compare("!=", n, -1)
	}
	return nil
}

// Expr captures a typed expression: x is a number or pointer of type t, or the address of a struct, union or array.
func Expr(x plan.Expr, t *ctype.Type, lang event.Language, limits plan.Limits, keep Keep) plan.Node {
	b := newBuilder(limits, keep, &ctype.Signature{Lang: lang})
	from := origin{words: []plan.Expr{x}}
	if inMemory(t) {
		from = origin{addr: x}
	}
	n := &tree{Node: plan.Node{Type: t, Lang: lang}}
	if !b.recognise(n, t, from, 0) {
		b.block(n, t, from)
		b.follow(n, t, from, 0, 0)
	}
	b.run()
	return flatten([]*tree{n})[0]
}

// inMemory reports a type whose values are named by their address.
func inMemory(t *ctype.Type) bool {
	switch u := t.Underlying(); {
	case u == nil:
		return false
	case u.Kind == ctype.Pointer, u.Kind == ctype.Reference, u.Kind == ctype.CString, u.Kind == ctype.Func:
		return false
	case u.Kind >= ctype.Array && u.Kind != ctype.Enum:
		return true
	default:
		return u.Sizeof() > 8
	}
}
