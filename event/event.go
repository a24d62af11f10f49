// Package event is the one model of what was observed.
//
// Engines hand out bytes, plan.Decode turns them into the values of this package, and everything
// that counts, prints or exports reads nothing else. It imports nothing of ours, so every consumer
// runs without a kernel.
package event

import "time"

// Event is one thing that happened: *Call, *Print, *MapPrint, *MapClear, *Exit; of SQL *Statement, *Query, *Transaction; of compiled objects
// *Record, *Log.
type Event interface{ isEvent() }

// Call is one call of a probed function, or the passing of a probe that has no return half.
type Call struct {
	// Time is when the function was entered, wall clock.
	Time      time.Time
	PID       int    // thread group, as the observed machine counts it
	TID       int    // thread
	Goroutine uint64 // goroutine ID, 0 when the function is not Go's or the ID is unknown
	Comm      string // name of the thread, at most 15 bytes
	// Target is the path of the object as its process names it, Function the plain name in C, Go and
	// Rust, the demangled one with parameters in C++.
	Target   string
	Function string
	Language Language
	Args     []Field
	// Return holds the result: nil for a void function and for one that did not return. A Go function with
	// several results returns a KindTuple.
	Return *Value
	// Errno is the name of errno ("ENOENT") when the call failed and says so through it, else "".
	Errno    string
	Duration time.Duration // from entry to return; 0 unless Outcome.Ended
	Outcome  Outcome
	// Callee names the function a tail jump went to, when Outcome is TailCalled.
	Callee string
	// Depth is how many probed calls of the same thread or goroutine this one is nested in.
	Depth int
	Stack []Frame // innermost first, empty unless asked for
}

// Outcome says how a call ended.
type Outcome uint8

const (
	Entered    Outcome = iota // the probe has no return half
	Returned                  // through a ret or the kernel's trampoline
	TailCalled                // left through a jump to another function
	Recovered                 // Go: a deferred function recovered a panic
	Unfinished                // still running, or left by longjmp, exception or exit, when observing ended
)

// Ended reports whether the call is over and Duration means something.
func (o Outcome) Ended() bool { return o == Returned || o == TailCalled || o == Recovered }

// Frame is one line of a stack.
type Frame struct {
	PC       uint64 // run-time address
	Function string // "" when no symbol covers PC
	Offset   uint64 // PC minus the start of Function
	Target   string // object
	File     string // source, "" when unknown
	Line     int
	Inlined  bool // an inlined instance: same PC as the frame after it
}

// Print is what a script's printf, or print of a value, said.
type Print struct {
	Time   time.Time
	PID    int
	TID    int
	Format string  // C format string; "" means one value as print() shows it
	Args   []Value // as many as the format has verbs
	// Language is that of the probed function: how Args read where the format does not say.
	Language Language
}

// MapPrint asks the consumer to show a map now: script print(@x).
type MapPrint struct {
	Map   Map
	Top   int   // at most this many entries, 0 = all
	Div   int64 // divide values by this, 0 = 1
	Final bool  // printed by the end of the run, not by the script
}

// MapClear tells that the script emptied a map.
type MapClear struct {
	Name string
	Zero bool // the keys stay, their values are 0
}

// Exit tells that the script asked to end.
type Exit struct{ Code int }

func (*Call) isEvent()     {}
func (*Print) isEvent()    {}
func (*MapPrint) isEvent() {}
func (*MapClear) isEvent() {}
func (*Exit) isEvent()     {}

// Language is the source language of a function; it decides how values read as text.
type Language uint8

// Languages.
const (
	LangUnknown Language = iota
	LangC
	LangCPP
	LangRust
	LangGo
	LangAsm
)

var languageNames = [...]string{"", "c", "c++", "rust", "go", "asm"}

// String gives the name used in JSON: "c", "c++", "rust", "go", "asm", "" when unknown.
func (l Language) String() string { return languageNames[l] }
