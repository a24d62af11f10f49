package capture

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

// recognise captures a value of a library's type, known by its name, as what it means to its author: a string class as
// text, a vector as its elements. It fills the node and reports true; false leaves the value to its fields.
func (b *builder) recognise(n *tree, t *ctype.Type, from origin, depth int) bool {
	if !b.known(n, t, from, depth) {
		return false
	}
	// An expression whose memory cannot be read is 0, and 0 would read as an empty vector. Text without an address is
	// unreadable anyway.
	if at := from.address(0); at != nil && n.View != plan.AsText {
		witness := b.piece(plan.Slot{Kind: plan.SlotMem, X: at, Size: int(min(t.Sizeof(), 8)), If: origin{addr: at, when: from.when}.guard()}, plan.WitnessAt, 8)
		n.Pieces = append(n.Pieces, witness)
	}
	return true
}

// known is recognise for a value within a block that is captured as well.
func (b *builder) known(n *tree, t *ctype.Type, from origin, depth int) bool {
	u := t.Underlying()
	if u == nil || u.Kind != ctype.Struct {
		return false
	}
	switch u.Lang {
	case event.LangCPP:
		return b.cplusplus(n, u, from, depth)
	case event.LangRust:
		return b.rust(n, u, from, depth)
	}
	return false
}
