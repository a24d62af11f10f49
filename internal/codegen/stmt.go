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

// placeVars takes memory for the variables of the body and clears it: a variable that was not set is 0 or "".
func (x *code) placeVars() {
	if x.measuring {
		return
	}
	for _, i := range slices.Sorted(maps.Keys(x.vars)) {
		size := x.c.p.Vars[i].Type.PartSize()
		x.vars[i] = x.alloc(size)
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

// loop counts its rounds. With may_goto (6.9) the verifier looks at the body once, provided that it does not know the count: so the
// count is in scratch memory. Without, the verifier goes through all rounds one by one, so the count is on the stack where it sees
// it grow, and the bound shrinks to what the verifier has patience for.
func (x *code) loop(s *plan.Loop) {
	var counter place
	if x.c.f.MayGoto {
		counter = x.allocScratch(8)
	} else {
		counter = x.allocStack(8)
	}
	x.storeImm(counter, 0, asm.DWord)
	l := loop{next: x.label(), end: x.label()}
	spent := x.label()
	x.loops = append(x.loops, l)
	before := cost{x.at + x.unrolled, x.forks}
	x.place(l.next)
	if x.c.f.MayGoto {
		x.mayGoto(spent)
	}
	x.branch(s.Cond, l.end, false)
	x.load(asm.R0, counter, asm.DWord)
	bound, alive := len(x.ins), !x.dead
	x.jumpImm(asm.JGE, asm.R0, int64(max(s.Max, 0)), spent)
	x.opImm(asm.Add, asm.R0, 1)
	x.store(counter, asm.R0, asm.DWord)
	x.stmts(s.Body)
	x.jump(l.next)
	if !x.c.f.MayGoto && alive {
		x.shrink(bound, cost{x.at + x.unrolled - before.instructions, x.forks - before.forks}, s.Max)
	}
	x.place(spent)
	x.count(plan.CountTruncated)
	x.place(l.end)
	x.loops = x.loops[:len(x.loops)-1]
}

// cost is what the verifier has to do for some code.
type cost struct{ instructions, forks int }

// What one loop may cost: the verifier gives up at a million instructions, or 8192 forks that it has to come back to.
const (
	loopInstructions = 200_000
	loopForks        = 6_000
)

// shrink lowers the bound of a loop, the operand of instruction at, to what the verifier can go through.
func (x *code) shrink(at int, round cost, most int) {
	rounds := min(loopInstructions/max(round.instructions, 1), loopForks/max(round.forks, 1))
	rounds = max(min(max(rounds, 1), most), 0)
	x.ins[at].Constant = int64(rounds)
	x.unrolled += rounds * round.instructions
	x.forks += rounds * round.forks
}
