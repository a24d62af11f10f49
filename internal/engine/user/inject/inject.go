// Package inject does what has to be done to an observed process from outside: it stops it for a moment, maps a region that both sides
// share, overwrites instructions, and takes all of that back.
//
// In: a process, how much memory is wanted near which code, and which bytes are to become which jumps. Out: the region, and for every
// place that was left alone the reason. Invariant: at every moment, that of our own death by SIGKILL included, each thread can run on and each
// place holds either its own bytes or a jump to finished code; what was overwritten is in the region's journal before it is overwritten.
// It must not know what the code in the region does.
package inject

import (
	"fmt"
	"os"
	"time"

	"github.com/sonde-project/sonde/internal/target"
)

// Process is a process that may be stopped. Its methods may be called from any goroutine, one at a time.
type Process struct {
	PID    int
	golang goProgram
	start  uint64
	thread *thread
	// held: somebody else's thread traces the process already and keeps it stopped (see Adopt).
	held bool
	// followed: that thread is a Follower's, and the process outlives us.
	followed bool
	// slice is how many pages are changed in one stop; see slicePages.
	slice int
	room  []byte // see roomFor
	// alone is the one thread that is held while others run; 0: there is only the first.
	alone int
	// step is called after each thing done to the process; tests end the tracer there.
	step func(what string)
	mem  *os.File // while the process is stopped
	// stuck: a thread is traced that has not stopped.
	stuck bool
	self  identity
}

// Open looks at a running process and refuses, as a *script.Diagnostic, one that cannot be observed this way. It does not touch it.
// Close must be called.
func Open(pid int) (*Process, error) {
	if err := Supported(); err != nil {
		return nil, err
	}
	p, err := target.Open(pid)
	if err != nil {
		return nil, err
	}
	if err := permitted(p); err != nil {
		return nil, err
	}
	return newProcess(p, newThread()), nil
}

// Adopt takes a process that is held at an instruction by the thread that do runs functions on, traced since PTRACE_TRACEME. It has
// one thread, and must stay held while methods run.
func Adopt(pid int, do func(func())) (*Process, error) {
	if err := Supported(); err != nil {
		return nil, err
	}
	p, err := target.Open(pid)
	if err != nil {
		return nil, err
	}
	if err := wellFormed(p); err != nil {
		return nil, err
	}
	q := newProcess(p, &thread{do: do})
	q.held = true
	return q, nil
}

func newProcess(p *target.Process, t *thread) *Process {
	return &Process{PID: p.PID, start: p.StartTime, thread: t, slice: slicePages, step: func(string) {}, self: whoWeAre()}
}

// Alive reports whether the process still runs, whatever program.
func (p *Process) Alive() bool {
	one := target.Process{PID: p.PID, StartTime: p.start}
	return one.Alive()
}

// Close lets the tracing thread go. The process is left as it is: Detach takes back what was done.
func (p *Process) Close() {
	if p.thread.close != nil { // somebody else's thread is his to end
		p.thread.close()
	}
}

// Release makes an adopted process one that is stopped like any other, once it runs by itself.
func (p *Process) Release() {
	p.thread, p.held = newThread(), false
}

// Span is a stretch of the process's memory.
type Span struct{ Start, End uint64 }

func (s Span) contains(addr uint64) bool { return addr >= s.Start && addr < s.End }

// Area is memory that both sides see: at Addr there, as Local here. Local is nil for what only the process sees.
type Area struct {
	Addr  uint64
	Size  uint64
	Local []byte
}

func (a Area) span() Span { return Span{a.Addr, a.Addr + a.Size} }

// Request says what memory is wanted.
type Request struct {
	// Near are the stretches of code that will be patched: each is within a jump's reach of some Text.
	Near []Span
	// Text is the size of each area of code, Data that of the memory which both sides write, Private that of memory of the process alone,
	// of which a forked child gets a copy, but for zeros in the first page. Sites is how many places will be patched at most.
	Text, Data, Private uint64
	Sites               int
	// Pads is the size of the memory behind each area of code in which the kernel can put probes; see Region.Pads.
	Pads uint64
	// Avoid is where it must not lie, though the process has nothing there.
	Avoid []Span
	// Share is a region of another process, or of a program that was replaced, whose data are to be this one's too; nil: none.
	Share *Region
}

// Patch is one place to overwrite with a jump.
type Patch struct {
	Addr uint64
	// Function is where the function begins that it belongs to, or what else tells it from others: patches of one are made in one stop.
	Function uint64
	// Bytes are what memory must hold there, at least five: those of the file, or those of an earlier jump.
	Bytes []byte
	// Jump is where the jump goes, Bypass where the moved instructions run without anything added.
	Jump, Bypass uint64
	// Moves are the places inside the bytes at which a thread may stand, and where it goes on instead.
	Moves []Move
}

// Move says where a thread goes on that stands From bytes behind the start of a patch.
type Move struct{ From, To uint64 }

// Refusal is a patch that was not made.
type Refusal struct {
	Patch int // of those asked for
	Err   error
}

// Result says what stops did.
type Result struct {
	Stopped time.Duration // for how long threads stood still, the longest time
	Stops   int
	Threads int
	Refused []Refusal
}

// add adds what a further stop did.
func (r *Result) add(one Result) {
	r.Stopped, r.Stops, r.Threads = max(r.Stopped, one.Stopped), r.Stops+one.Stops, one.Threads
	r.Refused = append(r.Refused, one.Refused...)
}

func place(addr uint64) string { return fmt.Sprintf("%#x", addr) }

// mappings lists what the process maps.
func (p *Process) mappings() ([]target.Mapping, error) {
	one := target.Process{PID: p.PID, StartTime: p.start}
	return one.Maps()
}
