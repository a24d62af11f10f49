package capture

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

const (
	// maxSlots bounds the slots of one half of a call: each costs instructions in every program.
	maxSlots = 64
	// maxVisits bounds the walk through the types of a call: a hostile file can make them huge.
	maxVisits = 2000
	// maxNesting bounds structs within structs.
	maxNesting = 16
)

// builder plans one half of a call. It goes breadth first: the values themselves, then what they point at, then what that
// points at, so that neither the bound on slots nor a full record cuts a later parameter for the depths of an earlier one.
type builder struct {
	limits plan.Limits
	sig    *ctype.Signature
	lang   event.Language
	keep   Keep
	queues [][]func() // by depth
	slots  int
	visits int
}

func newBuilder(limits plan.Limits, keep Keep, sig *ctype.Signature) *builder {
	return &builder{limits: limits, keep: keep, sig: sig, lang: sig.Lang}
}

// tree is a node whose followers are still being found.
type tree struct {
	plan.Node
	follow []*tree
}

func flatten(trees []*tree) []plan.Node {
	var nodes []plan.Node
	for _, t := range trees {
		n := t.Node
		n.Follow = flatten(t.follow)
		nodes = append(nodes, n)
	}
	return nodes
}

// later has something planned after everything that is less deep.
func (b *builder) later(depth int, f func()) {
	depth = min(max(depth, 0), maxNesting)
	for len(b.queues) <= depth {
		b.queues = append(b.queues, nil)
	}
	b.queues[depth] = append(b.queues[depth], f)
}

func (b *builder) run() {
	for depth := 0; depth < len(b.queues); {
		if len(b.queues[depth]) == 0 {
			depth++
			continue
		}
		next := b.queues[depth][0]
		b.queues[depth] = b.queues[depth][1:]
		next()
		depth = 0
	}
}

// room reports whether n more slots may be planned.
func (b *builder) room(n int) bool { return b.slots+n <= maxSlots }

// piece keeps a slot and gives the piece of a block that it fills; beyond the bound, one that says so.
func (b *builder) piece(s plan.Slot, at, size int64) plan.NodePiece {
	if !b.room(1) {
		return plan.NodePiece{At: at, Size: size, Problem: event.Cut}
	}
	b.slots++
	return plan.NodePiece{Slot: b.keep(s), At: at, Size: size}
}

// count adds the piece that holds the number of elements; without x there is none.
func (b *builder) count(n *tree, x plan.Expr) {
	if x != nil && b.room(1) {
		n.Pieces = append(n.Pieces, b.piece(plan.Slot{Kind: plan.SlotInt, X: x}, plan.CountAt, 8))
	}
}

// maxBlock is how much of one struct is captured.
func (b *builder) maxBlock() int64 { return int64(max(b.limits.Capture/4, 16)) }

// block captures the bytes of a value of type t.
func (b *builder) block(n *tree, t *ctype.Type, from origin) {
	size := t.Sizeof()
	switch {
	case from.addr != nil:
		if size > 0 {
			size = min(size, b.maxBlock())
			n.Pieces = append(n.Pieces, b.piece(plan.Slot{Kind: plan.SlotMem, X: from.addr, Size: int(size), If: from.guard()}, 0, size))
		}
	case from.words != nil:
		for i, x := range from.words {
			n.Pieces = append(n.Pieces, b.piece(plan.Slot{Kind: plan.SlotInt, X: x}, int64(8*i), 8))
		}
	default:
		for _, p := range from.pieces {
			if piece := trimmed(b.placed(p)); piece.Size > 0 {
				n.Pieces = append(n.Pieces, piece)
			}
		}
	}
}

// trimmed leaves out of a piece what lies before the block.
func trimmed(p plan.NodePiece) plan.NodePiece {
	if p.At < 0 {
		p.Skip, p.Size, p.At = -p.At, p.Size+p.At, 0
	}
	return p
}

// fromName reports whether types come from a mangled name, which does not tell how large classes are.
func (b *builder) fromName() bool { return b.sig.Source == "demangled" || b.sig.Source == "guess" }

// placed captures one piece of a parameter or result.
func (b *builder) placed(p ctype.Piece) plan.NodePiece {
	switch {
	case p.Kind == ctype.InRegister && !p.Reg.Vector():
		return b.piece(plan.Slot{Kind: plan.SlotInt, X: reg(p.Reg)}, p.At, p.Size)
	case p.Kind == ctype.InRegister, p.Kind == ctype.InX87, p.Kind == ctype.Absolute:
		return plan.NodePiece{At: p.At, Size: p.Size, Problem: event.Unavailable}
	}
	base := pieceAddress(p)
	switch {
	case p.Kind == ctype.Nowhere && b.fromName():
		return plan.NodePiece{At: p.At, Size: max(p.Size, 1), Problem: event.NoPlace}
	case base == nil:
		return plan.NodePiece{At: p.At, Size: max(p.Size, 1), Problem: event.OptimizedOut}
	case p.Kind == ctype.OnStack && (p.Size == 1 || p.Size == 2 || p.Size == 4 || p.Size == 8):
		return b.piece(plan.Slot{Kind: plan.SlotInt, X: load(base, p.Size, false)}, p.At, p.Size)
	}
	size := min(p.Size, b.maxBlock())
	return b.piece(plan.Slot{Kind: plan.SlotMem, X: base, Size: int(size)}, p.At, size)
}
