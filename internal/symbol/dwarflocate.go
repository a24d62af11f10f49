package symbol

import (
	"debug/dwarf"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// locate asks the debug information where each parameter is at the entry, and notes what differs from the convention:
// compilers drop, reorder and split parameters of functions that nobody else calls.
func (r *typeReader) locate(sig *ctype.Signature, params, chain []entryAt, fn *Function) {
	e := chain[0]
	entry, ok := e.unit.entryAddress(e)
	if !ok || len(params) == 0 {
		return
	}
	v := verdict{changed: r.rewritten(chain, fn), dense: sig.Lang == event.LangGo}
	// What Rust calls public is still only the program's own.
	v.local = sig.Lang == event.LangRust || !inheritedFlag(chain, dwarf.AttrExternal)
	v.llvm = !v.dense && !strings.HasPrefix(e.unit.producer(), "GNU")
	v.drops = v.local && v.llvm
	kept := !v.changed && !v.drops // gcc names what it rewrites, LLVM does not always
	cfa := frameBaseIsCFA(e)
	placement := ctype.Place(sig)
	said := make([]located, len(params))
	moved := false
	for i, c := range params {
		said[i] = c.whereAt(entry, sig.Params[i].Type.Sizeof(), cfa)
		agrees, somewhere := compare(said[i], placement.Params[i], v.dense)
		moved = moved || !agrees && inRegisters(said[i].pieces) && inRegisters(placement.Params[i])
		// LLVM gives a parameter on the caller's stack the place that it has after the prologue, from the first instruction on.
		late := v.llvm && !v.local && onStack(placement.Params[i]) && onStack(said[i].pieces)
		if (said[i].whole || late) && !agrees && kept {
			said[i] = located{}
			continue
		}
		if somewhere && !agrees && !v.dense && len(placement.Params[i]) > 0 {
			v.changed = true // one that moved tells that others may have
		}
	}
	if v.dense && moved && leavesOutBlanks(e.unit.producer()) {
		believe(sig.Params, said)
		return
	}
	lost := v.changed
	for i := range params {
		lost = lost || said[i].absent && sig.Params[i].Type.Sizeof() != 0
		w := v
		w.llvm = v.llvm && scalar(sig.Params[i].Type)
		sig.Params[i].Where = settle(said[i], placement.Params[i], sig.Params[i].Type.Sizeof(), w)
	}
	if lost && v.drops && !placement.Hidden {
		doubt(sig.Results)
	}
}

// doubt marks results of a function that LLVM rewrote: it may have dropped them or put constants in their callers' hands, and
// nothing says so.
func doubt(results []ctype.Param) {
	for i := range results {
		results[i].Where = nowhere(max(results[i].Type.Sizeof(), 0))
	}
}

// verdict is how much the calling convention can be relied on.
type verdict struct {
	changed bool // the compiler says that it did not keep to it
	local   bool // it may not have, as all callers are known
	drops   bool // a parameter without any place is not passed: LLVM drops those of local functions that need it not
	llvm    bool // callers in the same file set no register that the function has no use for, be it public
	dense   bool // pieces are said without the padding between them: Go's compiler
}

// settle decides between what debug information says and what the convention says; nil means that the latter holds.
func settle(said located, expected []ctype.Piece, size int64, v verdict) []ctype.Piece {
	if len(expected) == 0 || v.dense {
		return nil // an empty class; Go, which keeps to its convention, and whose debug information loses parts of split values
	}
	if !said.known {
		if v.changed || v.drops && said.absent || v.llvm && (said.absent || said.unlisted) {
			return nowhere(max(size, 0))
		}
		return nil
	}
	agrees, somewhere := compare(said, expected, v.dense)
	switch {
	case !somewhere && !v.changed && !v.local && !v.llvm:
		return nil // a value that the function happens not to look at
	case somewhere && agrees && !v.changed:
		return nil
	}
	return said.pieces
}

// onStack reports a value that the convention passes in memory.
func onStack(pieces []ctype.Piece) bool {
	return !slices.ContainsFunc(pieces, func(p ctype.Piece) bool { return p.Kind != ctype.OnStack })
}

// inRegisters reports a value that has a place, and all of it in registers.
func inRegisters(pieces []ctype.Piece) bool {
	return len(pieces) > 0 && !slices.ContainsFunc(pieces, func(p ctype.Piece) bool { return p.Kind != ctype.InRegister })
}

// scalar reports a type of which a value is one number: debug information does not lose parts of those.
func scalar(t *ctype.Type) bool {
	switch u := t.Underlying(); u.Kind {
	case ctype.Bool, ctype.Int, ctype.Uint, ctype.Char, ctype.Rune, ctype.Enum, ctype.Pointer, ctype.Reference:
		return u.Sizeof() <= 8
	}
	return false
}

// compare tells whether a location has a place at all, and whether its places are the expected ones.
func compare(said located, expected []ctype.Piece, dense bool) (agrees, somewhere bool) {
	agrees = true
	for _, p := range said.pieces {
		if p.Kind == ctype.Nowhere {
			continue
		}
		somewhere = true
		agrees = agrees && slices.ContainsFunc(expected, func(q ctype.Piece) bool {
			return samePlace(p, q) && (p.At == q.At || dense)
		})
	}
	return agrees, somewhere
}

// samePlace compares without sizes: debug information gives a whole value one size, and the ABI cuts it.
func samePlace(p, q ctype.Piece) bool {
	return p.Kind == q.Kind && (p.Kind == ctype.InX87 || p.Reg == q.Reg && p.Offset == q.Offset)
}

// rewritten reports whether the compiler marked a function as having another interface than its source: clones of gcc,
// and DW_CC_nocall of LLVM.
func (r *typeReader) rewritten(chain []entryAt, fn *Function) bool {
	if v, _, ok := inherited(chain[:1], dwarf.AttrCalling); ok && v.n == callingNocall {
		return true
	}
	_, suffix := r.file.Clone(fn)
	return strings.Contains(suffix, ".isra") || strings.Contains(suffix, ".constprop") || strings.Contains(suffix, ".part")
}

const callingNocall = 3

func frameBaseIsCFA(e entryAt) bool {
	v, ok := e.get(dwarf.AttrFrameBase)
	return ok && len(v.data) == 1 && v.data[0] == opCallFrameCFA
}
