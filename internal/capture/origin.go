package capture

import (
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
)

var (
	unsigned = plan.Type{Kind: plan.IntType, Size: 8}
	signed   = plan.Type{Kind: plan.IntType, Size: 8, Signed: true}
)

// origin is where the bytes of a value come from: an address, or the places the ABI gave to its parts, or its words as
// expressions.
type origin struct {
	addr   plan.Expr
	pieces []ctype.Piece
	words  []plan.Expr
	when   plan.Expr // nil: always; else the value is there only if this is not 0
}

// guard is the condition of a slot that reads at the address itself: that it is not 0 an engine sees for itself.
func (o origin) guard() plan.Expr {
	if o.when == o.addr {
		return nil
	}
	return o.when
}

// from is the origin of what begins at off.
func (o origin) from(off int64) origin {
	switch {
	case off == 0:
		return o
	case o.addr != nil:
		return origin{addr: add(o.addr, off), when: o.when}
	case o.words != nil:
		return origin{words: o.words[min(int(off/8), len(o.words)):], when: o.when}
	}
	rest := origin{pieces: []ctype.Piece{}, when: o.when}
	for _, p := range o.pieces {
		p.At -= off
		rest.pieces = append(rest.pieces, p)
	}
	return rest
}

// word is the number of size bytes at off; nil when no program can read it.
func (o origin) word(off, size int64, sign bool) plan.Expr {
	if o.addr != nil {
		return load(add(o.addr, off), size, sign)
	}
	if i := int(off / 8); o.words != nil {
		if i >= len(o.words) || off%8+size > 8 {
			return nil
		}
		return narrow(o.words[i], off%8, size, sign)
	}
	for _, p := range o.pieces {
		if off < p.At || off+size > p.At+p.Size {
			continue
		}
		if p.Kind == ctype.InRegister {
			if p.Reg.Vector() {
				return nil
			}
			return narrow(reg(p.Reg), off-p.At, size, sign)
		}
		if base := pieceAddress(p); base != nil {
			return load(add(base, off-p.At), size, sign)
		}
	}
	return nil
}

// address is where the byte at off lies in memory; nil when it does not, or not everything after it.
func (o origin) address(off int64) plan.Expr {
	if o.addr != nil {
		return add(o.addr, off)
	}
	if len(o.pieces) != 1 {
		return nil
	}
	if base := pieceAddress(o.pieces[0]); base != nil {
		return add(base, off-o.pieces[0].At)
	}
	return nil
}

// pieceAddress is the address of a piece that lies in memory, nil for any other.
func pieceAddress(p ctype.Piece) plan.Expr {
	switch p.Kind {
	case ctype.OnStack:
		return add(stackPointer(), p.Offset)
	case ctype.InMemory:
		if !p.Reg.Vector() {
			return add(reg(p.Reg), p.Offset)
		}
	case ctype.ByStackedAddress:
		return load(add(stackPointer(), p.Offset), 8, false)
	}
	return nil
}

func reg(r ctype.Register) plan.Expr { return &plan.Reg{R: r, T: unsigned} }

func stackPointer() plan.Expr { return &plan.Value{B: plan.SP, T: unsigned} }

func constant(v int64) plan.Expr { return &plan.Const{V: v, T: signed} }

// add moves an address; constants of nested additions are joined.
func add(x plan.Expr, n int64) plan.Expr {
	if sum, ok := x.(*plan.Binary); ok && sum.Op == "+" {
		if c, ok := sum.Y.(*plan.Const); ok {
			x, n = sum.X, n+c.V
		}
	}
	if n == 0 {
		return x
	}
	return &plan.Binary{Op: "+", X: x, Y: constant(n), T: unsigned}
}

func binary(op string, x, y plan.Expr) plan.Expr {
	return &plan.Binary{Op: op, X: x, Y: y, T: unsigned}
}

func compare(op string, x plan.Expr, n int64) plan.Expr {
	return &plan.Binary{Op: op, X: x, Y: constant(n), T: signed}
}

// and is true when both are; nil is true.
func and(x, y plan.Expr) plan.Expr {
	switch {
	case x == nil:
		return y
	case y == nil || x == y:
		return x
	}
	return binary("&&", x, y)
}

// only is x, but 0 where it cannot be read because when does not hold.
func only(when, x plan.Expr) plan.Expr {
	if when == nil {
		return x
	}
	return &plan.Choose{C: when, X: x, Y: constant(0), T: x.Type()}
}

func load(addr plan.Expr, size int64, sign bool) plan.Expr {
	return &plan.Load{Addr: addr, Size: int(size), T: plan.Type{Kind: plan.IntType, Size: int(size), Signed: sign}}
}

// narrow takes size bytes from byte off of a word.
func narrow(x plan.Expr, off, size int64, sign bool) plan.Expr {
	if off > 0 {
		x = binary(">>", x, constant(8*off))
	}
	if size < 8 {
		x = &plan.Cast{X: x, T: plan.Type{Kind: plan.IntType, Size: int(size), Signed: sign}}
	}
	return x
}
