package plan

import (
	"encoding/binary"
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// record is one record while it is being decoded.
type record struct {
	d        *Decoder
	bytes    []byte
	header   int
	kinds    []SlotKind
	emission *Emission
	function int
	pid, tid int
	time     time.Time
	left     int // values that may still be built: a bound for types that a hostile file made huge
}

// valueBudget bounds the values of one record.
const valueBudget = 4096

// got is what a slot holds.
type got struct {
	problem event.Problem
	skipped bool
	cut     bool   // more was there than was captured
	bytes   []byte // of a number its 8 bytes
}

func (g got) number() uint64 {
	if len(g.bytes) < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(g.bytes)
}

// slot reads slot i. A record that ends before the slot, as that of a call which never returned does, has it skipped.
func (r *record) slot(i int) got {
	at := r.header + 8*i
	if i < 0 || at > len(r.bytes)-8 {
		return got{problem: event.Cut, skipped: true}
	}
	word := r.bytes[at : at+8]
	if i < len(r.kinds) && (r.kinds[i] == SlotInt || r.kinds[i] == SlotSym) {
		return got{bytes: word}
	}
	offset, length := binary.LittleEndian.Uint32(word), binary.LittleEndian.Uint32(word[4:])
	switch length {
	case SlotUnreadable:
		return got{problem: event.Unreadable}
	case SlotUnavailable:
		return got{problem: event.Unavailable}
	case SlotFull:
		return got{problem: event.Lost}
	case SlotSkipped:
		return got{problem: event.Cut, skipped: true}
	}
	cut := length&SlotCut != 0
	length &= SlotMaxLen
	if uint64(offset)+uint64(length) > uint64(len(r.bytes)) {
		return got{problem: event.Lost}
	}
	return got{bytes: r.bytes[offset : offset+length], cut: cut}
}

// skipped reports whether the node was not captured because there was no reason to.
func (r *record) skipped(n *Node) bool {
	for i := range n.Pieces {
		p := &n.Pieces[i]
		switch {
		case p.Problem == "" && r.slot(p.Slot).skipped:
			return true
		case p.At >= 0:
			return false
		}
	}
	return false
}

// block is the memory image that a node's pieces make, with what is missing of it.
type block struct {
	node  *Node
	bytes []byte
	holes []hole
	base  uint64 // address in the observed process, 0 unknown
	cut   bool   // the last piece was cut
}

type hole struct {
	from, to int64
	problem  event.Problem
}

// maxBlock bounds the block that a plan can ask to put together.
const maxBlock = 1 << 16

// newBlock gives a block for as long as the record is decoded.
func (d *Decoder) newBlock() *block {
	if d.used == len(d.blocks) {
		return &block{}
	}
	d.used++
	return &d.blocks[d.used-1]
}

// block puts the pieces of a node together.
func (r *record) block(n *Node, base uint64) *block {
	b := r.d.newBlock()
	b.node, b.base = n, base
	if p := n.only(); p != nil {
		g := r.slot(p.Slot)
		b.bytes, b.cut = g.bytes, g.cut
		if g.problem != "" {
			b.holes = []hole{{0, max(p.Size, maxBlock), g.problem}}
		}
		return b
	}
	for _, p := range n.Pieces {
		if p.At >= 0 {
			r.piece(b, p)
		}
	}
	return b
}

// only gives the one piece that makes the whole block, nil when several do.
func (n *Node) only() *NodePiece {
	var found *NodePiece
	for i := range n.Pieces {
		switch p := &n.Pieces[i]; {
		case p.At < 0:
		case found != nil || p.At > 0 || p.Skip > 0 || p.Problem != "":
			return nil
		default:
			found = p
		}
	}
	return found
}

func (r *record) piece(b *block, p NodePiece) {
	if p.Size < 0 || p.Skip < 0 || p.At > maxBlock || p.Size > maxBlock {
		return
	}
	end := p.At + p.Size
	if p.Problem != "" {
		b.holes = append(b.holes, hole{p.At, end, p.Problem})
		return
	}
	g := r.slot(p.Slot)
	if g.problem != "" {
		b.holes = append(b.holes, hole{p.At, end, g.problem})
		return
	}
	b.cut = b.cut || g.cut
	data := g.bytes[min(p.Skip, int64(len(g.bytes))):]
	data = data[:min(p.Size, int64(len(data)))]
	if missing := p.At + int64(len(data)); missing < end {
		b.holes = append(b.holes, hole{missing, end, event.Cut})
	}
	if grow := p.At + int64(len(data)) - int64(len(b.bytes)); grow > 0 {
		b.bytes = append(b.bytes, make([]byte, grow)...)
	}
	copy(b.bytes[p.At:], data)
}

// count is the number that the node's CountAt piece holds; false when it has none.
func (r *record) count(n *Node) (uint64, bool) {
	for _, p := range n.Pieces {
		if p.At == CountAt && p.Problem == "" {
			g := r.slot(p.Slot)
			return g.number(), g.problem == "" && len(g.bytes) == 8
		}
	}
	return 0, false
}

// at gives size bytes from off, or why they are not there.
func (b *block) at(off, size int64) ([]byte, event.Problem) {
	if p := b.problem(off, size); p != "" {
		return nil, p
	}
	if off < 0 || size < 0 || off > int64(len(b.bytes))-size {
		return nil, event.Cut
	}
	return b.bytes[off : off+size], ""
}

// problem is that of the first hole which touches the bytes.
func (b *block) problem(off, size int64) event.Problem {
	for _, h := range b.holes {
		if h.from < off+size && off < h.to {
			return h.problem
		}
	}
	return ""
}

// gone is the problem of bytes of which none is there.
func (b *block) gone(off, size int64) event.Problem {
	for _, h := range b.holes {
		if h.from <= off && off+size <= h.to {
			return h.problem
		}
	}
	if off >= int64(len(b.bytes)) && size > 0 {
		return b.problem(off, size)
	}
	return ""
}

// word reads an unsigned number of size 1, 2, 4 or 8 bytes.
func (b *block) word(off, size int64) (uint64, event.Problem) {
	raw, problem := b.at(off, size)
	if problem != "" {
		return 0, problem
	}
	switch size {
	case 1:
		return uint64(raw[0]), ""
	case 2:
		return uint64(binary.LittleEndian.Uint16(raw)), ""
	case 4:
		return uint64(binary.LittleEndian.Uint32(raw)), ""
	case 8:
		return binary.LittleEndian.Uint64(raw), ""
	}
	return 0, event.Unavailable
}

// missing says why what lies at off is not there.
func (b *block) missing(p event.Problem, off int64) event.Value {
	if p == event.Unreadable && b.base != 0 {
		return event.Missing(p, b.base+uint64(off))
	}
	return event.Missing(p, 0)
}

// follow gives the node that the pointer of type t at off leads to.
func (b *block) follow(off int64, t *ctype.Type) *Node {
	for i := range b.node.Follow {
		f := &b.node.Follow[i]
		if f.At == off && !f.Over && (f.From == nil || f.From == t || f.From.Kind == t.Kind && alike(t)) {
			return f
		}
	}
	return nil
}

// alike reports a type of which all kinds are captured alike: what lies at the beginning of a dynamic value is
// captured before it is known.
func alike(t *ctype.Type) bool {
	return t.Kind == ctype.GoString || t.Kind == ctype.Str || t.Kind == ctype.Interface
}
