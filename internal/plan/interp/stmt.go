package interp

import (
	"encoding/binary"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// flow says how statements were left.
type flow uint8

const (
	through flow = iota
	broken
	continued
	finished
)

func (x *thread) stmts(list []plan.Stmt) flow {
	for _, s := range list {
		if f := x.stmt(s); f != through {
			return f
		}
	}
	return through
}

func (x *thread) stmt(s plan.Stmt) flow {
	switch s := s.(type) {
	case *plan.SetVar:
		value := x.part(s.X, x.m.plan.Vars[s.Var].Type)
		if x.vars == nil {
			x.vars = map[int][]byte{}
		}
		x.vars[s.Var] = value
	case *plan.MapSet:
		x.mapSet(s)
	case *plan.MapAdd:
		x.mapAdd(s)
	case *plan.MapAggregate:
		x.aggregate(s)
	case *plan.MapDelete:
		if key := x.key(s.Map, s.Key); !x.m.plan.Array(s.Map) {
			delete(x.m.tables[s.Map], key)
		}
	case *plan.If:
		if x.eval(s.Cond) != 0 {
			return x.stmts(s.Then)
		}
		return x.stmts(s.Else)
	case *plan.Loop:
		return x.loop(s)
	case *plan.Break:
		return broken
	case *plan.Continue:
		return continued
	case *plan.Finish:
		return finished
	case *plan.Emit:
		x.emit(s.Emission)
	}
	return through
}

// loop runs at most Max rounds; that more were wanted is counted.
func (x *thread) loop(s *plan.Loop) flow {
	for round := 0; x.eval(s.Cond) != 0; round++ {
		if round >= s.Max {
			x.m.Counts[plan.CountTruncated]++
			break
		}
		switch x.stmts(s.Body) {
		case broken:
			return through
		case finished:
			return finished
		}
	}
	return through
}

// emit sends a record.
func (x *thread) emit(index int) {
	em := &x.m.plan.Emissions[index]
	var h Header
	var slots []Captured
	if em.Frame && x.ends {
		h, slots = x.frame.header, append(slots, x.frame.slots...)
	} else {
		h = x.header()
		h.Depth = int(x.builtin(&plan.Value{B: plan.Depth}))
		if x.ends && em.Kind == plan.EmitCall {
			h.Time = x.frame.header.Time
		}
	}
	h.Emission, h.Duration = index, x.duration()
	h.Outcome, h.Callee = x.outcome()
	slots = x.capture(slots, em.Slots)
	x.m.Counts[plan.CountEvents]++
	x.m.send(Record(em.Kind, h, slots))
}

// header is what a record says about the hit itself.
func (x *thread) header() Header {
	h := Header{Function: x.function(), Time: x.Time, PID: x.PID, TID: x.TID, Comm: x.Comm}
	h.Goroutine = x.goroutine(x.body.Goid)
	return h
}

// outcome is how the call ended: the site knows.
func (x *thread) outcome() (event.Outcome, int) {
	if x.Site == nil || x.m.plan.Probes[x.probe].Kind != plan.Return || !Leaves(x.Site.Role) {
		return event.Entered, 0
	}
	switch x.Site.Role {
	case site.TailJump:
		return event.TailCalled, x.Site.Callee + 1
	case site.DeferReturn:
		return event.Recovered, 0
	}
	return event.Returned, 0
}

// inGo reports whether the site is in a function of Go.
func (x *thread) inGo() bool {
	return x.Site != nil && x.m.plan.Functions[x.Site.Function].Lang == event.LangGo
}

func putNumber(b []byte, at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
