package event

import "time"

// Snapshot is every map of a running script, read out at one moment.
type Snapshot struct {
	Time time.Time
	Maps []Map
}

// Map is one script map ("@name", "" for "@") with its entries, in no order.
type Map struct {
	Name    string
	Kind    AggKind
	Keys    []string // what each part of the key is: "func", "comm", ...; empty for a map without key
	Entries []Entry
}

// Entry is one key with what was gathered under it.
type Entry struct {
	Key []Value
	// Function is set when the key's first part is a probed function.
	Function *FunctionRef
	Agg      Aggregate
}

// FunctionRef names a probed function in results.
type FunctionRef struct {
	Target   string
	Function string
	Language Language
}

// AggKind says which fields of an Aggregate count.
type AggKind uint8

const (
	AggValue     AggKind = iota // Value: last value assigned
	AggCount                    // Count
	AggSum                      // Sum
	AggAvg                      // Count, Sum
	AggMin                      // Min
	AggMax                      // Max
	AggStats                    // Count, Sum
	AggHist                     // Buckets, powers of two; Count, Sum
	AggLhist                    // Buckets, linear; Count, Sum
	AggQuantiles                // Count, Sum, Min, Max, Buckets log-linear: what `sonde time` shows
)

// Aggregate is the value of a map entry, summed over all CPUs.
type Aggregate struct {
	Kind   AggKind
	Signed bool  // whether Sum, Min, Max are of a signed expression
	Value  Value // AggValue
	Count  uint64
	Sum    int64
	Min    int64
	Max    int64
	// Buckets are ascending and leave out empty ones at both ends; units are those of the expression.
	Buckets []Bucket
}

// Bucket counts values v with Low <= v < High. The first bucket of hist and lhist may have
// Low = math.MinInt64 (everything below), the last High = math.MaxInt64.
type Bucket struct {
	Low, High int64
	Count     uint64
}

// Stats accounts for a run: hits = events + filtered + lost for records, and says what was missed.
type Stats struct {
	Hits     uint64 // probe hits that passed the process filter (returns are not hits)
	Filtered uint64 // rejected by a predicate
	Events   uint64 // records delivered
	Lost     uint64 // records or map updates dropped: sum of LostBy
	LostBy   map[LostCause]uint64
	// MissedReturns counts calls whose return was not seen although they are over: sum of MissedBy.
	MissedReturns uint64
	MissedBy      map[MissCause]uint64
	Unfinished    uint64        // calls still running at the end
	Truncated     uint64        // captures cut by a limit
	Unreadable    uint64        // captures whose memory could not be read
	Cost          time.Duration // time added to the observed programs, estimated: hits times cost class
	Elapsed       time.Duration
	// Stopped is for how long the observed process stood still at most, while probes were put into it or taken out; 0 when that
	// needs no stop.
	Stopped time.Duration
	// Stops is how often it did.
	Stops int
	// Unobserved is for how long processes ran programs that they had executed (execve) before probes were in them: at most, in sum.
	Unobserved time.Duration
}

// LostCause says why something was dropped.
type LostCause string

const (
	LostRing    LostCause = "ring full"      // the reader was too slow
	LostFrames  LostCause = "too many calls" // no room to remember an entry
	LostMap     LostCause = "map full"       // a script map had no room for a new key
	LostScratch LostCause = "no scratch"     // no buffer for the capture
	LostNested  LostCause = "nested"         // the kernel skipped the program (recursion)
)

// MissCause says why a return was not seen.
type MissCause string

const (
	MissedUnwound MissCause = "unwound"    // longjmp, exception, panic: the frame was reused
	MissedExit    MissCause = "exit"       // the thread or process ended inside the call
	MissedKernel  MissCause = "trampoline" // the kernel had no return instance left
	MissedTail    MissCause = "tail call"  // it ended in another function, which makes the result that is asked for
)

// Function describes a function that can be probed: one line of `sonde list`.
type Function struct {
	Target  string
	Name    string // as Call.Function
	Linkage string // symbol name as in the object, when it differs
	// Version is the symbol version, "" none: "@@V" where the plain name means this function to the linker, "@V" for programs linked
	// before. Name and Version together name one function of the object.
	Version   string
	Signature string // "" when types are unknown
	// SplitTypes is the file that has the types and is not read, for SplitProblem: the function was compiled with -gsplit-dwarf.
	SplitTypes, SplitProblem string
	Address                  uint64 // ELF virtual address
	Size                     uint64
	File                     string
	Line                     int
	Language                 Language
	Cost                     string // cost class of its entry site: "nop", "emulated", "stepped"
	IFunc                    bool
	Inlined                  int    // number of inlined instances; Address is 0 when there is nothing else
	Provider                 string // USDT provider; Name is the probe, Signature its arguments
	// Typed says that Params and Results are known, not only empty.
	Typed   bool
	Params  []Parameter
	Results []Parameter
	// Entry is how far after Address the entry is armed.
	Entry uint64
}
