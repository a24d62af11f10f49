// Package plan is the decision as data: what is armed where, what is captured, filtered, counted and sent.
//
// In: nothing; resolve fills a Plan. Out: the Layout that codegen stores by and Decode loads by, and the text of
// --explain. Invariant: a Plan is complete: an engine needs nothing else to run it, and Decode nothing else to
// read what comes back. It must not do I/O.
package plan

import (
	"time"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/site"
	"github.com/sonde-project/sonde/internal/symbol"
)

// Plan is everything a run does. It is immutable once resolve returned it.
type Plan struct {
	Objects   []Object
	Functions []Function
	Probes    []Probe
	Maps      []Map
	Emissions []Emission
	Vars      []Var
	Filter    Filter
	Limits    Limits
	Ways      []site.Before // what programs do at sites before a ret: see Site.Way
	Refusals  []Refusal
	Unsafe    bool // what may harm the observed program was asked for all the same
}

// Object is a file in which sites lie.
type Object struct {
	Path    string // as results name it
	Open    string // as we and the kernel open it
	BuildID string // hexadecimal, "" none
	// File is what was read to make the plan, so that nobody reads it again. It may be nil, and is its owner's to close, after the session.
	File *symbol.File
}

// Function is a probed function; its index in Plan.Functions is the function ID that programs and records carry.
type Function struct {
	Object    int
	Name      string // as results name it
	Linkage   string
	Addr      symbol.Addr
	Size      uint64
	Lang      event.Language
	Signature *ctype.Signature // nil: unknown
	// SplitTypes is the file that has the signature and is not read, for SplitProblem, when there is one.
	SplitTypes, SplitProblem string
	ReturnWay                ReturnWay
	ReturnWhy                string
}

// ReturnWay says how returns of a function are seen.
type ReturnWay uint8

const (
	NoReturn   ReturnWay = iota // not wanted, or refused (then Plan.Refusals says why)
	Trampoline                  // the kernel replaces the return address
	Sites                       // ret instructions and tail jumps
)

// ProbeKind says when a probe's bodies run.
type ProbeKind uint8

const (
	Entry    ProbeKind = iota // at function entries and other instructions
	Return                    // when a function ends
	Begin                     // once, after everything is armed and before the target runs
	End                       // once, after everything is disarmed
	Interval                  // every Probe.Interval
)

// Probe is one probe point of the script with all its sites.
type Probe struct {
	Kind     ProbeKind
	Name     string // "uprobe:libc:malloc": the builtin probe
	Prefix   string // of a pattern, "uprobe:libc:": what the builtin has before the name of the function that was hit; else ""
	Interval time.Duration
	// Bodies are the specialisations of the probe's statements: functions whose types make no difference
	// share one.
	Bodies []Body
	// Sites are armed with this probe. A Return probe that needs a Frame has Entry sites too.
	Sites []Site
}

// Site is one address where a probe is armed.
type Site struct {
	Object   int
	Function int
	Body     int // index into Probe.Bodies
	Addr     symbol.Addr
	Offset   symbol.Offset
	RefCtr   symbol.Offset // USDT semaphore, 0 none
	Callee   int           // TailJump: function ID of a probed callee, -1 unknown
	Way      int           // BeforeRet: 1 + the index into Plan.Ways of all but the frame's size; 0 others
	Note     *symbol.USDT  // what the object says of a static probe, nil at others
	site.Choice
}

// Body is what happens at a hit.
type Body struct {
	// Frame remembers the call from entry to return; nil when nothing of the entry is needed. Return probes only.
	Frame *Frame
	Pred  Expr // nil: always
	Stmts []Stmt
	// Result: what the function returned is asked for. A call that ends by a jump to another function, which has yet to make it, is counted as
	// missed. Return probes only.
	Result bool
	// Goid is the offset of goid in runtime.g, for the call records of Go functions; 0 unknown or not Go.
	Goid int64
}

// Frame is what a Return body keeps of the entry. Its presence makes the engine pair entry and return: by owner
// (thread, or goroutine in Go), entry stack pointer (its distance from the stack's top in Go, where stacks move)
// and function.
type Frame struct {
	// Pred is the part of the predicate that the entry can decide; nil: always. A call rejected here counts as filtered.
	Pred Expr
	// Slots are captured at entry; Saved expressions and the Emission of a call refer to them by index.
	Slots []Slot
	// Depth keeps count of nesting per owner (call records show it).
	Depth bool
}

// Var is a $variable: memory of one hit.
type Var struct {
	Name string
	Type Type
}

// Filter says which processes are observed; the engine applies it before any body runs.
type Filter struct {
	PIDs     []int // thread groups in the initial PID namespace as sonde sees it; empty: all
	Children bool  // PIDs includes what these fork, and theirs
	Comm     string
	UID      *uint32
	Cgroup   uint64 // cgroup v2 ID, 0: any
}

// Limits bound memory; every cut they cause is counted.
type Limits struct {
	String    int // bytes captured of one string or buffer
	Capture   int // bytes of one record's tail
	Depth     int // pointers followed
	Elems     int // elements captured of an array
	Frames    int // calls remembered at once
	Keys      int // entries of one map
	Ring      int // bytes, a power of two
	Stack     int // frames of one stack
	LoopBound int // iterations of a script loop
}

// DefaultLimits are those of a run without flags.
func DefaultLimits() Limits {
	return Limits{String: 200, Capture: 2048, Depth: 2, Elems: 8, Frames: 65536, Keys: 65536, Ring: 16 << 20, Stack: 127, LoopBound: 1024}
}

// Refusal is a function that matched and is not probed, with the reason.
type Refusal struct {
	Object   string
	Function string
	Why      string
	// Site is the one that an engine refuses; nil: the function was refused before there were sites.
	Site *Site
	// Uncalled: it is called by nobody (_start), and only a pattern named it. What is not a call is not missing from the calls.
	Uncalled bool
}

// MapKind is event.AggKind of a script map.
type MapKind = event.AggKind

// Map is a script map.
type Map struct {
	Name  string
	Kind  MapKind
	Keys  []Type   // parts of the key; empty: one value without key
	Part  []string // how each part reads in the script: "func", "comm"
	Value Type     // AggValue: what is stored; others: signedness of the expression
	// Dense: the only key part is the function ID, so an array indexed by it serves.
	Dense bool
	// Quantiles and hist: Bits sub-buckets per power of two is 1<<Bits. lhist: Min, Max, Step.
	Bits           int
	Min, Max, Step int64
}

// TypeKind is the machine shape of a value inside programs.
type TypeKind uint8

const (
	IntType   TypeKind = iota // 64-bit register; Size and Signed say what it was
	StrType                   // NUL-padded text of at most Size bytes
	StackType                 // user stack: PCs
	TupleType                 // Elems one after the other, each aligned to 8
	BytesType                 // buf(): at most Size bytes with their length
	FuncType                  // function ID (64-bit): shown as the function's name
	ProbeType                 // probe index, of a pattern with the function ID plus one in the upper half (64-bit): shown as the probe's name
	UsymType                  // code address and process: shown as symbol
)

// Type is the type of an Expr. C is what the number means to its author (enums, pointers, signedness), nil unknown.
type Type struct {
	Kind   TypeKind
	Size   int
	Signed bool
	Elems  []Type
	C      *ctype.Type
	// Shown is what the value stands for where it is printed: see shown.go. Programs do not look at it.
	Shown  Shown
	Format string // ShownTime
}
