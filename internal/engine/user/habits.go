package user

import (
	"slices"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
)

// habits are what a program does with its threads that matters to code at other addresses than its own.
type habits struct {
	// cancelled is an error if threads that are cancelled anywhere could miss clean-ups.
	cancelled error
	// throws: exceptions may come out of signal handlers.
	throws bool
}

// manner is what a file does to a program that it is part of.
type manner struct {
	cancels  bool // it may have threads cancelled at any instruction
	cleansUp bool
	throws   bool // it may throw out of signal handlers
	// goroutines: it is a Go program with no thread-local variable but the one for the goroutine.
	goroutines bool
}

const setCancelType = "pthread_setcanceltype"

func mannerOf(f *symbol.File) manner {
	return manner{
		cancels: imports(f, setCancelType), cleansUp: f.CleansUp(), throws: f.Unwinds() && (f.Static() || imports(f, symbol.SignalHandling()...)),
		goroutines: f.Program() && f.Language() == event.LangGo && f.ThreadLocal() <= 8,
	}
}

// habitsOf looks at what the objects of a process import.
//
// A thread that is cancelled at any instruction unwinds from where it is. If that is in our code the unwinder knows no way out, and takes this
// for the end of the stack. glibc then runs what pthread_cleanup_push has registered, step by step, as it always does for C, and ends the thread;
// destructors, and clean-ups in exception tables (-fexceptions), it does not find. So a program that asks for such threads itself and has
// no such tables is taken. A library that asks may do so for anyone.
//
// Who throws out of a handler has installed it: no object that does both, no such exceptions.
func (s *Survey) habitsOf(process *target.Process) (h habits, err error) {
	objects, err := process.Objects()
	if err != nil {
		return h, err
	}
	for _, o := range objects {
		m := s.manner(o.Open)
		if h.cancelled == nil && m.cancels && (m.cleansUp || o.Path != process.Exe) {
			d := notOffered("leaves alone what %s is part of: it may have threads cancelled at any instruction (%s), and they could miss clean-ups", o.Path, setCancelType)
			d.Hints = append(d.Hints, "--unsafe goes on: a thread that is cancelled while it is in a probe ends without its clean-ups")
			h.cancelled = d
		}
		h.throws = h.throws || m.throws
	}
	return h, nil
}

// imports reports whether an object may call one of the functions, as far as symbols tell.
func imports(file *symbol.File, names ...string) bool {
	if !file.Static() {
		return slices.ContainsFunc(file.Imports(), func(name string) bool { return slices.Contains(names, name) })
	}
	return slices.ContainsFunc(names, func(name string) bool {
		found, err := file.Find(symbol.Pattern{Text: name})
		return err == nil && len(found) > 0
	})
}
