package codegen

import (
	"maps"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/plan"
)

// variable is where a $variable lies. While a body is measured they have no place yet.
func (x *code) variable(i int) place {
	if i < 0 || i >= len(x.c.p.Vars) {
		x.fail("no variable %d", i)
		return place{asm.R10, -8}
	}
	if x.measuring {
		x.vars[i] = place{asm.R10, -8}
	}
	return x.vars[i]
}

// placeVars takes memory for the variables of the body and clears it: a variable that was not set is 0 or "". In a body with loops they
// are in scratch memory, of which the verifier knows no values: on the stack it would follow each value that they take from round to
// round.
func (x *code) placeVars() {
	if x.measuring {
		return
	}
	for _, i := range slices.Sorted(maps.Keys(x.vars)) {
		size := x.c.p.Vars[i].Type.PartSize()
		if x.looping {
			x.vars[i] = x.allocScratch(size)
		} else {
			x.vars[i] = x.alloc(size)
		}
		x.zero(x.vars[i], size)
	}
}

// require goes on if the predicate holds, and else counts the hit as filtered.
func (x *code) require(pred plan.Expr) {
	holds := x.label()
	x.branch(pred, holds, true)
	x.count(plan.CountFiltered)
	x.jump(x.end)
	x.place(holds)
}

func (x *code) stmts(list []plan.Stmt) {
	for _, s := range list {
		mark := x.used
		x.stmt(s)
		x.release(mark)
	}
}

func (x *code) stmt(s plan.Stmt) {
	switch s := s.(type) {
	case *plan.SetVar:
		x.setVar(s)
	case *plan.MapSet:
		x.mapSet(s)
	case *plan.MapAdd:
		x.mapAdd(s)
	case *plan.MapAggregate:
		x.mapAggregate(s)
	case *plan.MapDelete:
		x.mapDelete(s)
	case *plan.If:
		x.conditional(s)
	case *plan.Loop:
		x.loop(s)
	case *plan.Break:
		x.leaveLoop(func(l loop) label { return l.end })
	case *plan.Continue:
		x.leaveLoop(func(l loop) label { return l.next })
	case *plan.Finish:
		x.jump(x.end)
	case *plan.Emit:
		x.emission(s)
	case *plan.Trap:
		x.trap()
	default:
		x.fail("statement %T", s)
	}
}

// setVar evaluates into a copy first when the new value may be made of the old one.
func (x *code) setVar(s *plan.SetVar) {
	to := x.variable(s.Var)
	if s.Var < 0 || s.Var >= len(x.c.p.Vars) {
		return
	}
	t := x.c.p.Vars[s.Var].Type
	if isInt(t) {
		x.into(s.X, to, t)
		return
	}
	temp := x.alloc(t.PartSize())
	x.into(s.X, temp, t)
	x.copy(to, temp, t.PartSize())
}

func (x *code) conditional(s *plan.If) {
	otherwise, end := x.label(), x.label()
	x.branch(s.Cond, otherwise, false)
	x.stmts(s.Then)
	x.jump(end)
	x.place(otherwise)
	x.stmts(s.Else)
	x.place(end)
}

// loop is where Break and Continue go.
type loop struct{ next, end label }

func (x *code) leaveLoop(to func(loop) label) {
	if len(x.loops) == 0 {
		x.fail("break or continue outside of a loop")
		return
	}
	x.jump(to(x.loops[len(x.loops)-1]))
}

// loop runs at most Max rounds; that more were wanted is counted.
func (x *code) loop(s *plan.Loop) {
	if x.c.f.MayGoto {
		x.loopAround(s)
	} else {
		x.loopUnrolled(s)
	}
}

// loopAround needs may_goto (6.9): with it the verifier looks at the body once, provided that it does not know the count, nor
// anything else that changes from round to round: so that is in scratch memory.
func (x *code) loopAround(s *plan.Loop) {
	x.looping = true
	counter := x.allocScratch(8)
	x.storeImm(counter, 0, asm.DWord)
	l := loop{next: x.label(), end: x.label()}
	spent := x.label()
	x.loops = append(x.loops, l)
	x.place(l.next)
	x.mayGoto(spent)
	x.branch(s.Cond, l.end, false)
	x.load(asm.R0, counter, asm.DWord)
	x.jumpImm(asm.JGE, asm.R0, int64(max(s.Max, 0)), spent)
	x.opImm(asm.Add, asm.R0, 1)
	x.store(counter, asm.R0, asm.DWord)
	x.stmts(s.Body)
	x.jump(l.next)
	x.place(spent)
	x.count(plan.CountTruncated)
	x.place(l.end)
	x.loops = x.loops[:len(x.loops)-1]
}

// What all rounds of unrolled loops may take: jumps over them must reach. A loop gets half of what is left, one inside another a
// small part of that.
const (
	loopRoom   = 24_000
	nestedPart = 16
)

// loopUnrolled writes the rounds one after the other, as many as there is room for. A jump back would do, but the verifier follows
// bounded loops round by round, and hardly ever sees that two ways through them have met again.
func (x *code) loopUnrolled(s *plan.Loop) {
	end, start := x.label(), x.at
	room := (loopRoom - start) / 2
	if len(x.loops) > 0 {
		room /= nestedPart
	}
	rounds := s.Max
	for i := 0; i < rounds && !x.dead; i++ {
		next := x.label()
		x.loops = append(x.loops, loop{next, end})
		x.branch(s.Cond, end, false)
		x.stmts(s.Body)
		x.loops = x.loops[:len(x.loops)-1]
		x.place(next)
		if i == 0 {
			rounds = min(rounds, max(room/max(x.at-start, 1), 1))
		}
	}
	x.branch(s.Cond, end, false)
	x.count(plan.CountTruncated)
	x.place(end)
}
