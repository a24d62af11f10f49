package interp

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// owner is who makes a call: a thread, or in Go the goroutine whose descriptor is at an address.
type owner struct {
	tgid int
	tid  int
	g    uint64
}

// frameKey is what entry and return of a call agree on. Go moves stacks, so there the position is the distance from the stack's top.
type frameKey struct {
	owner
	function int
	position uint64
}

// frame is a call that has begun and not ended.
type frame struct {
	body   *plan.Body
	header Header
	slots  []Captured
	depth  uint32
}

// stackHi is where runtime.g has the top of the stack: its first field is {lo, hi}.
const stackHi = 8

func (x *thread) frameKey() frameKey {
	k := frameKey{owner: owner{tgid: x.PID, tid: x.TID}, function: x.function(), position: x.SP}
	if x.inGo() {
		g := x.Regs[ctype.R14]
		k.owner = owner{tgid: x.PID, g: g}
		k.position = number(x.bytes(g+stackHi, 8)) - x.SP
	}
	return k
}

// enter keeps a call that begins. One that is at its place already was left without returning: the same function was entered with the
// same stack pointer again.
func (x *thread) enter() {
	body := x.body
	unseen := x.unseen()
	if body.Frame.Pred != nil && x.eval(body.Frame.Pred) == 0 {
		x.m.Counts[plan.CountFiltered]++
		return
	}
	if unseen {
		x.m.Counts[plan.CountMissedKernel]++
		return
	}
	key, frames := x.frameKey(), x.m.frames[x.probe]
	f := &frame{body: body, header: x.header()}
	if body.Frame.Depth {
		f.depth = x.m.open[key.owner]
	}
	if old, there := frames[key]; there {
		x.m.Counts[plan.CountMissedUnwound]++
		f.depth = old.depth
	} else if len(frames) >= limit(x.m.plan.Limits.Frames, plan.DefaultLimits().Frames) {
		x.m.Counts[plan.CountLostFrames]++
		return
	}
	f.header.Depth = int(f.depth)
	x.frame = f
	f.slots = x.capture(nil, body.Frame.Slots)
	frames[key] = f
	if body.Frame.Depth {
		x.m.open[key.owner] = f.depth + 1
	}
}

// leave ends the call whose frame is there. There is none when it began before sonde did, or was filtered.
func (x *thread) leave() {
	if x.Site.Role == site.Trampoline {
		x.seen()
	}
	key := x.frameKey()
	f, there := x.m.frames[x.probe][key]
	if !there {
		return
	}
	x.frame, x.ends = f, true
	x.m.Counts[plan.CountReturns]++
	if x.body.Frame.Depth {
		x.m.setDepth(key.owner, f.depth)
	}
	if !x.tailCalled() {
		x.act()
	}
	delete(x.m.frames[x.probe], key)
}

// setDepth keeps nothing for owners that are in no call.
func (m *Machine) setDepth(o owner, depth uint32) {
	if depth == 0 {
		delete(m.open, o)
	} else {
		m.open[o] = depth
	}
}

// OpenCall is a call that has begun and not ended.
type OpenCall struct {
	Probe    int
	PID, TID int // TID 0: of a goroutine
	Record   []byte
}

// Open calls fn for every open call; those for which it gives false are forgotten.
func (m *Machine) Open(fn func(OpenCall) (keep bool)) {
	for probe, frames := range m.frames {
		for key, f := range frames {
			c := OpenCall{Probe: probe, PID: key.tgid, TID: key.tid, Record: m.unfinished(f)}
			if !fn(c) {
				delete(frames, key)
				delete(m.open, key.owner)
				delete(m.replaced, key.owner)
			}
		}
	}
}

// unfinished is the record of a call as far as its entry fills it in, nil when its probe sends none.
func (m *Machine) unfinished(f *frame) []byte {
	call, ok := m.callOf(f.body.Stmts)
	if !ok {
		return nil
	}
	h := f.header
	h.Emission, h.Outcome = call, event.Unfinished
	return Record(plan.EmitCall, h, f.slots)
}

// callOf finds the first call record that statements complete from a frame.
func (m *Machine) callOf(stmts []plan.Stmt) (int, bool) {
	for _, s := range stmts {
		switch s := s.(type) {
		case *plan.Emit:
			if m.plan.Emissions[s.Emission].Frame {
				return s.Emission, true
			}
		case *plan.If:
			if call, ok := m.callOf(s.Then); ok {
				return call, true
			}
			if call, ok := m.callOf(s.Else); ok {
				return call, true
			}
		case *plan.Loop:
			if call, ok := m.callOf(s.Body); ok {
				return call, true
			}
		}
	}
	return 0, false
}
