package resolve

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/itanium"
	"github.com/sonde-project/sonde/internal/site"
)

// Without debug information the name of a C++ function tells the types of its parameters, and neither whether there is a `this`, nor
// whether the caller passes the address of a place for the result. Both come in registers before the parameters. The function's code tells more:
// which registers it looks at, as what, and whether it may give back what came in the first. Of the ways that are left the
// most likely one is taken, and marked as a guess unless it is the only one.

// How ctype.Signature.Source names them.
const (
	fromName = "demangled"
	guessed  = "guess"
)

// named reports whether types come from a function's name.
func named(sig *ctype.Signature) bool { return sig.Source == fromName || sig.Source == guessed }

// resultUnknown reports whether nothing tells what a function gives back, or how large that is.
func resultUnknown(sig *ctype.Signature) bool {
	return named(sig) && len(sig.Results) > 0 && sig.Results[0].Type.Sizeof() < 0
}

// demangled is the signature that a function's name tells; nil when it tells nothing.
func demangled(m match) *ctype.Signature {
	if m.fn.IFunc {
		return nil
	}
	fn, ok := m.obj.file.Mangled(m.fn)
	if !ok {
		return nil
	}
	read := site.Arguments{Repeats: true}
	if code, err := m.obj.file.Code(m.fn); err == nil {
		read = site.ReadArguments(code)
	}
	f := naming{fn: fn, read: read, table: table(m, fn)}
	return f.choose(m.fn.Local)
}

// table reports a constructor or destructor that is given a table behind `this`: that of a base with virtual bases of its own.
func table(m match, fn itanium.Function) bool {
	if !fn.Structor || !m.obj.file.VirtualBases(fn.Class) {
		return false
	}
	whole := func(name string) bool {
		return strings.Contains(name, "C1E") || strings.Contains(name, "D1E") || strings.Contains(name, "D0E")
	}
	return !whole(m.fn.Name) && !slices.ContainsFunc(m.fn.Aliases, whole)
}

// naming is a function while the way is chosen in which it is called.
type naming struct {
	fn    itanium.Function
	read  site.Arguments
	table bool
}

// way is one way to call it.
type way struct {
	this, hidden bool
	sig          *ctype.Signature
	uses         uint8 // the registers it needs, a bit each as in site.Arguments
	ignored      int   // how many of them the code leaves alone
}

func (f *naming) choose(local bool) *ctype.Signature {
	var all, possible []way
	for _, w := range f.ways() {
		all = append(all, w)
		if f.fits(&all[len(all)-1]) {
			possible = append(possible, all[len(all)-1])
		}
	}
	sure := len(possible) == 1
	if len(possible) == 0 {
		possible = all
	}
	slices.SortStableFunc(possible, func(a, b way) int {
		if a.ignored != b.ignored {
			return a.ignored - b.ignored
		}
		return f.distance(a) - f.distance(b)
	})
	best := possible[0]
	exact := best.uses&^f.read.Read == 0
	if exact && best.ignored == 0 && (len(possible) == 1 || possible[1].ignored > 0) && best.this == f.fn.Known {
		sure = true
	}
	// Of a function whose callers it knows a compiler may drop parameters.
	if !sure || local && !exact {
		best.sig.Source = guessed
	}
	return best.sig
}

// distance orders ways that fit alike: methods of classes first, and results in registers.
func (f *naming) distance(w way) int {
	d := 0
	if w.this != f.fn.Known {
		d += 2
	}
	if w.hidden {
		d++
	}
	return d
}

// ways are those that the name leaves open.
func (f *naming) ways() []way {
	var out []way
	for _, this := range []bool{false, true} {
		if this && f.fn.This == itanium.Never || !this && f.fn.This == itanium.Always {
			continue
		}
		for _, hidden := range []bool{false, true} {
			known := f.fn.Structor || f.fn.Result != nil && (f.fn.Result.NonTrivial || f.fn.Result.Sizeof() >= 0)
			if hidden && (known || !f.read.Repeats) {
				continue
			}
			out = append(out, way{this: this, hidden: hidden, sig: f.signature(this, hidden)})
		}
	}
	return out
}

func (f *naming) signature(this, hidden bool) *ctype.Signature {
	sig := &ctype.Signature{Lang: event.LangCPP, Source: fromName, Variadic: f.fn.Variadic}
	first := 0
	if this {
		first = 1
		sig.Params = append(sig.Params, ctype.Param{Name: "this", Receiver: true, Type: pointerTo(f.fn.Receiver)})
	}
	if f.table {
		sig.Params = append(sig.Params, ctype.Param{Name: "vtt", Type: pointerTo(&ctype.Type{Kind: ctype.Void, Lang: event.LangCPP})})
	}
	for i, t := range f.fn.Params {
		sig.Params = append(sig.Params, ctype.Param{Name: "arg" + strconv.Itoa(first+i), Type: t})
	}
	switch result := f.fn.Result; {
	case f.fn.Structor:
	case result == nil || hidden:
		sig.Results = []ctype.Param{{Type: &ctype.Type{Kind: ctype.Opaque, Lang: event.LangCPP, Size: -1, NonTrivial: hidden}}}
	case result.Kind != ctype.Void:
		sig.Results = []ctype.Param{{Type: result}}
	}
	return sig
}

func pointerTo(t *ctype.Type) *ctype.Type {
	return &ctype.Type{Kind: ctype.Pointer, Lang: event.LangCPP, Size: 8, Elem: t}
}

// fits reports whether the code does not speak against a way: it looks at no register that passes nothing, takes no number for an address, and
// no address for a number.
func (f *naming) fits(w *way) bool {
	places := ctype.Place(w.sig)
	if places.Hidden {
		w.uses = 1
	}
	addresses, lost := w.uses, w.sig.Variadic
	for i, pieces := range places.Params {
		t := w.sig.Params[i].Type.Underlying()
		for _, p := range pieces {
			bit := argumentBit(p)
			w.uses |= bit
			switch {
			case p.Kind == ctype.Nowhere:
				lost = true
			case p.Kind == ctype.InMemory, t.Kind == ctype.Pointer, t.Kind == ctype.Reference:
				addresses |= bit
			case t.Sizeof() <= 4 && (f.read.Wide|f.read.Address)&bit != 0, t.Kind == ctype.Int && f.read.Address&bit != 0, t.Kind == ctype.Uint && f.read.Address&bit != 0:
				return false
			}
		}
	}
	w.ignored = bits.OnesCount8(w.uses &^ (f.read.Read | f.read.Passed))
	return f.read.Narrow&addresses == 0 && (lost || f.read.Read&^w.uses == 0)
}

// argumentBit numbers the registers that pass numbers and pointers.
func argumentBit(p ctype.Piece) uint8 {
	if p.Kind != ctype.InRegister && p.Kind != ctype.InMemory {
		return 0
	}
	if i := slices.Index(sysvRegisters, p.Reg); i >= 0 {
		return 1 << i
	}
	return 0
}
