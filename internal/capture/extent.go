package capture

import (
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// side is the moment at which the size of a buffer is known: the entry of the call, or its return.
type side interface {
	// value is what parameter i holds; "return" is no parameter.
	value(i int) plan.Expr
	// pointer is the address that parameter i holds.
	pointer(i int) plan.Expr
	// result is what the call gave back, nil at its entry.
	result() plan.Expr
}

// extent is how much a pointer leads to, in units of Param.Len (bytes) or Param.Count (elements): "n", "*n", "a*b", "return".
// It is nil when it cannot be computed.
func (b *builder) extent(p *ctype.Param, at side) plan.Expr {
	text := p.Len
	if text == "" {
		text = p.Count
	}
	if name, ok := strings.CutPrefix(text, "*"); ok {
		i := b.named(name)
		if i < 0 || !isPointer(b.sig.Params[i].Type) {
			return nil
		}
		address := at.pointer(i)
		if address == nil {
			return nil
		}
		return only(address, number(b.sig.Params[i].Type.Underlying().Elem, origin{addr: address}))
	}
	var product plan.Expr
	for _, name := range strings.Split(text, "*") {
		factor := b.factor(strings.TrimSpace(name), at)
		if factor == nil {
			return nil
		}
		if product != nil {
			factor = binary("*", product, factor)
		}
		product = factor
	}
	return product
}

func (b *builder) factor(name string, at side) plan.Expr {
	if n, err := strconv.ParseInt(name, 0, 64); err == nil {
		return constant(n)
	}
	if name == "return" {
		return at.result()
	}
	if i := b.named(name); i >= 0 && !isPointer(b.sig.Params[i].Type) {
		return at.value(i)
	}
	return nil
}

// named is the number of a parameter, -1 when there is none.
func (b *builder) named(name string) int {
	for i := range b.sig.Params {
		if b.sig.Params[i].Name == name {
			return i
		}
	}
	return -1
}

// entrySide reads parameters where the ABI put them.
type entrySide struct {
	b  *builder
	at ctype.Placement
}

func (s entrySide) value(i int) plan.Expr {
	return number(s.b.sig.Params[i].Type, origin{pieces: pieces(s.at.Params, i)})
}

func (s entrySide) pointer(i int) plan.Expr {
	return origin{pieces: pieces(s.at.Params, i)}.word(0, 8, false)
}

func (s entrySide) result() plan.Expr { return nil }

// returnSide reads parameters as the frame kept them, and the result.
type returnSide struct {
	b    *builder
	at   ctype.Placement
	save Keep
}

func (s returnSide) value(i int) plan.Expr {
	n := entrySide{s.b, s.at}.value(i)
	if n == nil {
		return nil
	}
	return &plan.Saved{Slot: s.save(plan.Slot{Kind: plan.SlotInt, X: n}), T: n.Type()}
}

func (s returnSide) pointer(i int) plan.Expr {
	address := entrySide{s.b, s.at}.pointer(i)
	if address == nil {
		return nil
	}
	return &plan.Saved{Slot: s.save(plan.Slot{Kind: plan.SlotInt, X: address}), T: unsigned}
}

// result is what the call gave back; a negative one is 0, for it counts nothing.
func (s returnSide) result() plan.Expr {
	if len(s.b.sig.Results) == 0 {
		return nil
	}
	n := number(s.b.sig.Results[0].Type, origin{pieces: pieces(s.at.Results, 0)})
	if n == nil {
		return nil
	}
	positive := &plan.Binary{Op: ">", X: n, Y: constant(0), Signed: true, T: signed}
	return &plan.Choose{C: positive, X: n, Y: constant(0), T: unsigned}
}
