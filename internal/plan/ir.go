package plan

import "github.com/sonde-project/sonde/internal/ctype"

// Expr is a typed expression. Integers are 64-bit registers; strings, tuples and stacks live in memory.
// A failed memory read makes the value 0 (or "") and counts as unreadable.
type Expr interface{ Type() Type }

// Builtin names a value that every hit has.
type Builtin uint8

const (
	PID Builtin = iota
	TID
	UID
	GID
	CPU
	Nsecs   // monotonic clock, nanoseconds
	Elapsed // since the run began
	Comm    // StrType of 16
	Func    // FuncType
	ProbeID // ProbeType
	Rand
	Cgroup
	Goroutine // goroutine ID, Go functions only; Offset of goid within g is in GoroutineExpr
	Duration  // Return bodies with a Frame: nanoseconds from entry to now
	Depth     // Return bodies with Frame.Depth
	SP        // entry stack pointer
	PC        // address of the site
	// ThreadPointer is the thread's FS base, where its thread-local variables are; 0 when the engine cannot tell.
	ThreadPointer
)

type (
	// Const is an integer.
	Const struct {
		V int64
		T Type
	}
	// Text is a string literal.
	Text struct{ S string }
	// Value is a builtin.
	Value struct {
		B Builtin
		T Type
		// GoidOffset is the offset of goid in runtime.g, for Goroutine.
		GoidOffset int64
	}
	// Reg is a general register at this site. At a Return site RAX and RDX hold results.
	Reg struct {
		R ctype.Register
		T Type
	}
	// Load reads user memory: Size 1, 2, 4 or 8 bytes at Addr, extended by T.Signed.
	Load struct {
		Addr Expr
		Size int
		T    Type
	}
	// Str reads text from user memory: up to a NUL or Max bytes, whichever is first; Len (nil: none) limits it
	// further, and then NULs do not end it, unless UntilNUL says so.
	Str struct {
		Addr     Expr
		Len      Expr
		Max      int
		UntilNUL bool
	}
	// Buf is bytes of user memory.
	Buf struct {
		Addr Expr
		Len  Expr
		Max  int
	}
	// UserStack is the stack of the hit. Caller: at the entry of a function, which has not set up its frame: the return address there
	// belongs behind the first PC, if a stack that follows frame pointers lacks it.
	UserStack struct {
		Frames int
		Caller bool
	}
	// Saved is slot Slot of the body's Frame: a SlotInt as a number, a SlotStr as a string. UntilNUL: text that was captured by a length and
	// ends at its first NUL.
	Saved struct {
		Slot     int
		UntilNUL bool
		T        Type
	}
	// VarRef is a $variable.
	VarRef struct {
		Var int
		T   Type
	}
	// MapGet is the value under a key, 0 or "" when there is none. For aggregating maps: the value on this CPU's
	// sum over all CPUs is not available in programs, so resolve allows AggValue only.
	MapGet struct {
		Map int
		Key []Expr
		T   Type
	}
	// MapHas is has_key(@m, key).
	MapHas struct {
		Map int
		Key []Expr
	}
	// Unary is "-", "!", "~".
	Unary struct {
		Op string
		X  Expr
		T  Type
	}
	// Binary is + - * / % & | ^ << >> == != < <= > >= && ||. Comparison, division and >> follow T.Signed of X
	// (Signed says which was chosen). == and != also compare strings. Division by zero gives 0.
	Binary struct {
		Op     string
		X, Y   Expr
		Signed bool
		T      Type
	}
	// Choose is c ? x : y.
	Choose struct {
		C, X, Y Expr
		T       Type
	}
	// Cast truncates or extends to T.Size bytes by T.Signed.
	Cast struct {
		X Expr
		T Type
	}
	// HasPrefix compares the first N bytes of two strings: strncmp(a, b, n) == 0 is Binary{"==", StrCmp, 0}.
	StrCmp struct {
		X, Y Expr
		N    int
	}
	// TupleOf builds a tuple.
	TupleOf struct {
		Elems []Expr
		T     Type
	}
	// SymOf is usym(addr) or a function pointer that wants its symbol.
	SymOf struct{ X Expr }
)

// Stmt is one action.
type Stmt interface{ isStmt() }

type (
	// SetVar assigns a $variable.
	SetVar struct {
		Var int
		X   Expr
	}
	// MapSet assigns a map entry (AggValue).
	MapSet struct {
		Map int
		Key []Expr
		X   Expr
	}
	// MapAdd adds X to an AggValue entry atomically (@x++, @x += n); entries begin at 0.
	MapAdd struct {
		Map int
		Key []Expr
		X   Expr
	}
	// MapAggregate feeds X to an aggregating map: count (X nil), sum, avg, min, max, stats, hist, lhist, quantiles.
	MapAggregate struct {
		Map int
		Key []Expr
		X   Expr
	}
	// MapDelete removes an entry.
	MapDelete struct {
		Map int
		Key []Expr
	}
	// If branches.
	If struct {
		Cond       Expr
		Then, Else []Stmt
	}
	// Loop runs Body while Cond holds, at most Max times; more is counted as truncated.
	Loop struct {
		Cond Expr
		Body []Stmt
		Max  int
	}
	// Break, Continue and Finish leave a loop, go on with it, and end the body.
	Break    struct{}
	Continue struct{}
	Finish   struct{}
	// Emit sends record Emission of the plan.
	Emit struct{ Emission int }
	// Trap ends the body and hands the hit on, where programs do no more than decide which hits are (codegen.Features.Decides).
	Trap struct{}
)

func (*SetVar) isStmt()       {}
func (*MapSet) isStmt()       {}
func (*MapAdd) isStmt()       {}
func (*MapAggregate) isStmt() {}
func (*MapDelete) isStmt()    {}
func (*If) isStmt()           {}
func (*Loop) isStmt()         {}
func (*Break) isStmt()        {}
func (*Continue) isStmt()     {}
func (*Finish) isStmt()       {}
func (*Emit) isStmt()         {}
func (*Trap) isStmt()         {}

var (
	intType  = Type{Kind: IntType, Size: 8, Signed: true}
	uintType = Type{Kind: IntType, Size: 8}
)

func (e *Const) Type() Type     { return e.T }
func (e *Text) Type() Type      { return Type{Kind: StrType, Size: len(e.S) + 1} }
func (e *Value) Type() Type     { return e.T }
func (e *Reg) Type() Type       { return e.T }
func (e *Load) Type() Type      { return e.T }
func (e *Str) Type() Type       { return Type{Kind: StrType, Size: e.Max} }
func (e *Buf) Type() Type       { return Type{Kind: BytesType, Size: e.Max} }
func (e *UserStack) Type() Type { return Type{Kind: StackType, Size: 8 * e.Frames} }
func (e *Saved) Type() Type     { return e.T }
func (e *VarRef) Type() Type    { return e.T }
func (e *MapGet) Type() Type    { return e.T }
func (e *MapHas) Type() Type    { return uintType }
func (e *Unary) Type() Type     { return e.T }
func (e *Binary) Type() Type    { return e.T }
func (e *Choose) Type() Type    { return e.T }
func (e *Cast) Type() Type      { return e.T }
func (e *StrCmp) Type() Type    { return intType }
func (e *TupleOf) Type() Type   { return e.T }
func (e *SymOf) Type() Type     { return Type{Kind: UsymType, Size: 16} }
