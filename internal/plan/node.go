package plan

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// Node is a value to be built from captured bytes: a block put together from Pieces, read as View says, with what its
// pointers lead to in Follow.
//
//	char *name        Pieces: the pointer            Follow: [{AsText, At 0}]
//	struct s *p       Pieces: the pointer            Follow: [{Type s, At 0, Follow: blocks of its pointers by their offset}]
//	std::string &s    Pieces: the reference          Follow: [{Over, AsText, At 0}]
type Node struct {
	Name   string
	Type   *ctype.Type // nil: T says what it is
	T      Type
	Lang   event.Language
	View   View
	Elem   *ctype.Type // AsElems, AsBits: what there is many of
	Pieces []NodePiece
	// Follow are blocks that pointers inside this block lead to: Follow[i].At is the pointer's offset in the block.
	// AsList, AsPairs and AsBox have their members here instead.
	Follow []Node
	// At is the offset in the block of the node that this one follows. Of an argument: the number of the parameter.
	At int64
	// Over: stands for the value of Type at At itself, not for what a pointer there leads to.
	Over bool
	// From is the type of the value at At that this one follows; nil: any. Cases of a union differ in it.
	From *ctype.Type
	Out  bool // read at return
	// UntilNUL: text that was captured by a length and ends at a NUL before it.
	UntilNUL bool
	Guess    bool // of a value with a type: where it lies is one
}

// View says how the block of a node reads.
type View uint8

const (
	AsType     View = iota // a value of Type, or of T
	AsText                 // text
	AsLikely               // text if it is printable; else the pointer to it is all there is to show
	AsBytes                // bytes
	AsElems                // values of Elem one after the other
	AsBits                 // values of Elem, a bit each, from the lowest bit of each byte on
	AsList                 // Follow are the elements; those whose slots were skipped are not there
	AsPairs                // Follow are the keys and values of a map in turn
	AsBox                  // an address, or a number that says whether it is there; if it is not 0, Follow[0] is the value
	AsTuple                // Follow are the members: the results of a Go function
	AsSockaddr             // struct sockaddr of any family
	AsVariant              // a number; Follow[i].At tells for which number it is the value; without one there is none
)

// Marks as NodePiece.At for pieces that are no part of the block.
const (
	// CountAt: the number of elements, or bytes of text, that the value has in full.
	CountAt = -1
	// WitnessAt: memory that the value cannot be without. If it could not be read, neither was anything else.
	WitnessAt = -2
)

// NodePiece puts Size bytes of slot Slot at At of the block; a slot of SlotInt gives its 8 bytes from Skip on.
type NodePiece struct {
	Slot    int // counted over all slots of the record, entry slots first
	At      int64
	Skip    int64
	Size    int64
	Problem event.Problem // not "": there is no slot
}
