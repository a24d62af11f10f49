package plan

// A record in the ring:
//
//	+0   u32 emission        index into Plan.Emissions
//	+4   u32 function        function ID
//	+8   u64 time            monotonic ns; of the entry in a call record with a frame, else of the hit
//	+16  u64 pid<<32 | tid
//	     call records only:
//	+24  u64 duration ns
//	+32  u64 goroutine ID
//	+40  u32 depth
//	+44  u32 outcome         event.Outcome | callee function ID + 1 << 8
//	+48  comm [16]
//	     all records, from Header on:
//	     u64 slot[0..n)      entry slots first, then return slots
//	     tail                what the slots point at, one after the other, each aligned to 8
//
// A slot of kind SlotInt holds the number. Any other holds, in its low half, the offset of its data from the start
// of the record, and in its high half the length in bytes, or one of the Slot* codes below with offset 0.
const (
	PrintHeader = 24
	CallHeader  = 64

	RecordEmission = 0
	RecordFunction = 4
	RecordTime     = 8
	RecordPID      = 16
	RecordDuration = 24
	RecordGoid     = 32
	RecordDepth    = 40
	RecordOutcome  = 44
	RecordComm     = 48

	// CommSize is TASK_COMM_LEN.
	CommSize = 16
)

// Codes in the high half of a memory slot.
const (
	SlotUnreadable = 0xffffffff // the low half's offset is 0
	SlotFull       = 0xfffffffe // the tail had no room
	SlotSkipped    = 0xfffffffd // its If was false
	// SlotUnavailable: the engine has no way to read it. Programs never write it.
	SlotUnavailable = 0xfffffffc
	// SlotMaxLen is the highest length a slot can hold; bit 31 of a length says that more was there than was captured.
	SlotCut    = 0x80000000
	SlotMaxLen = 0x00ffffff
)

// SlotKind says how a slot is captured.
type SlotKind uint8

const (
	SlotInt   SlotKind = iota // X, an integer
	SlotMem                   // Size bytes at X; all or unreadable
	SlotStr                   // text at X up to a NUL, at most Size bytes (SlotCut when no NUL was met); the NUL is not captured
	SlotBuf                   // Len bytes at X, at most Size (SlotCut when Len was more)
	SlotStack                 // user stack: up to Size/8 PCs
	SlotText                  // X is an expression of StrType that is not in user memory (comm, a map value, a variable); NUL-padded
	SlotTuple                 // X is a TupleType expression: its bytes
	SlotSym                   // X, a code address: like SlotInt, shown as symbol
)

// Slot is one thing captured.
type Slot struct {
	Kind SlotKind
	X    Expr
	Len  Expr
	Size int
	If   Expr // nil: always
}

// EmissionKind says what a record means.
type EmissionKind uint8

const (
	EmitCall EmissionKind = iota
	EmitPrintf
	EmitPrint // print(value)
	EmitMapPrint
	EmitMapClear
	EmitMapZero
	EmitExit
	EmitTime // prints the wall-clock time by Format, as strftime does
)

// Emission is one kind of record. Slots are captured when the Emit statement runs; a call record in a body with a Frame
// carries the frame's slots before them.
type Emission struct {
	Kind   EmissionKind
	Format string
	Map    int
	Top    int
	Div    int64
	Code   int
	// Frame: the slots of the body's frame come first. Then Entry is their number.
	Frame bool
	Entry int
	Slots []Slot
	// Shape tells how the slots read as values; ByFunction, when the function's ID is in it, does so for that function:
	// functions with the same slots and other types share one program.
	Shape
	ByFunction map[int]Shape
}

// Shape reads the slots of a record as values. Slots are counted over the whole record, those of the frame first.
type Shape struct {
	// Args of a call are its parameters (then those filled by the callee, marked Out), of a printf its arguments.
	Args   []Node
	Result *Node
	Errno  ErrnoRule
	// ErrnoSlot is the slot holding errno, -1 none; StackSlot the one holding the stack, -1 none.
	ErrnoSlot int
	StackSlot int
	// CallerSlot, one more than its number, is the slot holding the return address as the entry found it; 0 none. Before a
	// function has set up its frame, a stack that follows frame pointers leaves out its caller.
	CallerSlot int
}

// For gives the shape that records of the function have.
func (e *Emission) For(function int) *Shape {
	if len(e.ByFunction) > 0 {
		if s, ok := e.ByFunction[function]; ok {
			return &s
		}
	}
	return &e.Shape
}

// ErrnoRule says when errno means something; see ctype.Signature.Fails.
type ErrnoRule string

// Header is the size of the record's header.
func (e *Emission) Header() int {
	if e.Kind == EmitCall {
		return CallHeader
	}
	return PrintHeader
}

// Counter indexes the per-CPU statistics array that every engine keeps.
type Counter int

const (
	CountHits Counter = iota
	CountFiltered
	CountEvents
	CountReturns
	CountLostRing
	CountLostFrames
	CountLostMap
	CountLostScratch
	CountMissedUnwound
	CountMissedKernel
	CountMissedTail
	CountTruncated
	CountUnreadable
	Counters
)
