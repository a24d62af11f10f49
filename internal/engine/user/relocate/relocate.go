// Package relocate plans how a jump is put over a function's own instructions, and moves those away.
//
// In: the bytes of one function, the address it runs at, and the instructions that are to be seen. Out: windows, each with the
// bytes to overwrite and the same instructions written for another place. Invariant: a window is whole instructions that nothing
// enters but through its first byte, and its copy does what the original does, flags, stack and return addresses included. It must not
// know processes, and does no I/O of its own.
package relocate

import (
	"fmt"
	"slices"

	"github.com/sonde-project/sonde/internal/site"
)

// JumpLen is what a window's start is overwritten with: jmp rel32.
const JumpLen = 5

// Function is what is known of a function's code.
type Function struct {
	Name string
	// Addr is where its first byte runs.
	Addr uint64
	Code []byte
	// After are bytes behind the code that belong to no function: padding. It may be empty.
	After []byte
	// Cold are parts of the function elsewhere: they may jump into it. Sites may lie in them.
	Cold []site.Part
	// Landings are places that the unwinder continues at, from the function's start.
	Landings []int64
	// Read gives memory by run-time address, to read jump tables; nil: none can be read.
	Read func(addr uint64, buf []byte) bool
	// Refuse says what else is wrong with moving some instructions, "" nothing. It may be nil.
	Refuse func(code []byte) string
	// Seen is told the function's instructions, those of cold parts left out, where they can be told. It may be nil.
	Seen func([]site.Inst)
	// Aside: the window of a site at the first instruction may begin behind it.
	Aside bool
}

// Refusal says why a site has no window.
type Refusal struct {
	Site int // of those asked for
	Why  string
}

func (r Refusal) Error() string { return r.Why }

// Window is a stretch of whole instructions whose first five bytes are overwritten.
type Window struct {
	// Addr is where its first byte runs.
	Addr uint64
	// Bytes are those of its instructions, padding left out; memory must hold exactly these before a jump is written.
	Bytes []byte
	// Over are the bytes that the jump replaces: five, padding included.
	Over []byte
	// Sites are the sites in it, as places in the list asked for, in order of address.
	Sites []int
	// Lower is by how many bytes the stack pointer is lower at each site than at the instruction that was asked for.
	Lower []int64
	// Aside: it begins behind the function's first instruction, which has sites that are seen at its start.
	Aside bool

	insts []site.Inst // offsets count from the window's start
	at    []int       // for each site, the place of its instruction in insts
	// chained is where the window's bytes already jump to, when they are another tracer's; 0 none.
	chained uint64
}

// End is where control goes on behind the window.
func (w *Window) End() uint64 { return w.Addr + uint64(len(w.Bytes)) }

// Chained is the window for a place where another tracer's jump lies already: what is moved is that jump. All of the sites of
// the other window must be at its start.
func Chained(addr, to uint64, over []byte, w *Window) Window {
	return Window{Addr: addr, Bytes: over, Over: over, Sites: w.Sites, Lower: w.Lower, Aside: w.Aside, chained: to}
}

// At is the window where the same code lies elsewhere, by a distance of whole pages.
func (w Window) At(distance uint64) Window {
	w.Addr += distance
	return w
}

// AtStart reports whether all sites are at the window's first instruction.
func (w *Window) AtStart() bool { return !slices.ContainsFunc(w.at, func(i int) bool { return i > 0 }) }

// Pieces is the number of pieces that the window's copy comes in: before the first site, then from each site to the next. A caller
// puts the code that is to run at site n (counted in Window.Sites) between piece n and piece n+1.
func (w *Window) Pieces() int { return len(w.Sites) + 1 }

// FarError says that a copy lies too far from what its instructions refer to.
type FarError struct{ From, To uint64 }

func (e *FarError) Error() string {
	return fmt.Sprintf("%#x is more than 2 GiB away from %#x", e.To, e.From)
}

// Emit writes piece n for the address at. Its length does not depend on at. The last piece ends in a jump to End, or in an instruction
// after which control never goes on.
func (w *Window) Emit(n int, at uint64) ([]byte, error) {
	if w.chained != 0 {
		if n < len(w.Sites) {
			return nil, nil
		}
		return appendJump(nil, at, w.chained)
	}
	from, to := w.piece(n)
	var out []byte
	for _, in := range w.insts[from:to] {
		code, err := move(in, w.Addr, at+uint64(len(out)))
		if err != nil {
			return nil, err
		}
		out = append(out, code...)
	}
	if n == len(w.Sites) && !ends(w.insts[len(w.insts)-1]) {
		return appendJump(out, at+uint64(len(out)), w.End())
	}
	return out, nil
}

// Len is how long all pieces are together.
func (w *Window) Len() (n int) {
	if w.chained != 0 {
		return JumpLen
	}
	for _, in := range w.insts {
		n += movedLen(in)
	}
	if !ends(w.insts[len(w.insts)-1]) {
		n += JumpLen
	}
	return n
}

// piece gives the instructions of piece n.
func (w *Window) piece(n int) (from, to int) {
	to = len(w.insts)
	if n > 0 {
		from = w.at[n-1]
	}
	if n < len(w.at) {
		to = w.at[n]
	}
	return from, to
}

// Move says where a thread goes on that was stopped inside a window.
type Move struct {
	From uint64 // bytes from the window's start; the start itself needs no move
	To   uint64
}

// Moves lists the places inside the window at which a thread can have been stopped. pieces are the addresses that Emit was given, sites
// those of the code that runs at each site: a thread that stands before a site has yet to pass it.
func (w *Window) Moves(pieces, sites []uint64) []Move {
	if w.chained != 0 {
		return nil
	}
	var moves []Move
	for n := range w.Pieces() {
		from, to := w.piece(n)
		at := pieces[n]
		for i := from; i < to; i++ {
			in := w.insts[i]
			where := at
			if n > 0 && i == from {
				where = sites[n-1]
			}
			if in.Offset > 0 {
				moves = append(moves, Move{in.Offset, where})
			}
			at += uint64(movedLen(in))
		}
	}
	return moves
}
