package site

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/event"
)

// FnInfo is what the function's own bytes do not say.
type FnInfo struct {
	// Addr is the function's address, which absolute jump tables refer to.
	Addr uint64
	// Callee names the function that begins rel bytes from this one's start, "" for none. nil: names are not known.
	Callee func(rel int64) string
	// Read gives the object's memory at rel bytes from the function's start, false when there is none. It serves to
	// look at jump tables; nil: they are recognised by their pattern alone.
	Read func(rel int64, buf []byte) bool
	// Cold are parts of the function that lie elsewhere.
	Cold []Part
	// Part gives the code of a part of some function that holds a place outside, whether it has a name or not. It serves
	// EarlierReturns, which must know all that leads back; nil: such places are not known.
	Part func(rel int64) (Part, bool)
	// Soon says of what is called at a place that it comes back, and soon: EarlierReturns takes such a call for a part of the way to a ret at which the
	// result is a constant. nil: nothing does.
	Soon func(rel int64) bool
	// Conditions: the caller evaluates Choice.Cond. Without it a conditional tail call is reported as not seen.
	Conditions bool
}

// Partial is the error of ChooseReturns when the choices it comes with are right but do not see every way out.
type Partial struct{ Reasons []string }

func (e *Partial) Error() string {
	return "some ways out are not seen: " + strings.Join(e.Reasons, "; ")
}

// ChooseReturns chooses where a call of the function is seen to end: at each site %rsp is what it was at entry, and a
// call that returns passes exactly one of them. Sites are in order of decoding; those of cold parts come last and may
// have offsets below the function (modulo 2^64). A function that never returns has none.
//
// Go: a panic that a deferred function recovers takes the call to its first call of runtime.deferreturn and from there
// to an ordinary ret, so the rets of a function are all its ends. Where nothing but recovery leads to that ret the role
// says so. A panic that goes on to a caller, and Goexit, pass no site: such calls have no end.
//
// A *Partial error comes with choices; any other without.
func ChooseReturns(code []byte, lang event.Language, fn FnInfo) ([]Choice, error) {
	g, err := newGraph(append([]Part{{0, code}}, fn.Cold...))
	if err != nil {
		return nil, err
	}
	x := exits{graph: g, fn: fn, lang: lang}
	for i := range g.insts {
		x.look(i)
	}
	if len(x.reasons) > 0 {
		return x.choices, &Partial{x.reasons}
	}
	return x.choices, nil
}

// exits gathers the ways out of one function.
type exits struct {
	*graph
	fn      FnInfo
	lang    event.Language
	choices []Choice
	reasons []string
}

func (x *exits) look(i int) {
	in := x.insts[i]
	switch in.Flow {
	case Return:
		x.ret(i)
	case Jump, CondJump:
		if !x.inside(in.Target) {
			x.tail(i)
		}
	case JumpIndirect:
		x.indirect(i)
	}
	if slices.Contains(x.last, i) && x.fallsThrough(i) {
		x.unseen(in, "falls through into what follows")
	}
}

// unseen notes a way out that has no site.
func (x *exits) unseen(in Inst, why string) {
	x.reasons = append(x.reasons, fmt.Sprintf("%s at +%#x %s", in.Text(), int64(in.Offset), why))
}

func (x *exits) add(i int, role Role, why string) {
	in := x.insts[i]
	c, err := in.choice(role, why)
	if err != nil {
		x.reasons = append(x.reasons, err.Error())
		return
	}
	if role == TailJump && in.Flow != JumpIndirect {
		c.Target = in.Target
	}
	if in.Flow == CondJump {
		c.Cond = in.condition()
	}
	x.choices = append(x.choices, c)
}

// ret arms every ret: %rsp is the entry's there, or the caller would not be found.
func (x *exits) ret(i int) {
	if x.lang == event.LangGo && x.recovers(i) {
		x.add(i, DeferReturn, "only a recovered panic comes here")
		return
	}
	x.add(i, Ret, "returns")
}

// tail judges a direct jump that leaves the function's own code.
func (x *exits) tail(i int) {
	in, s := x.insts[i], x.before(i)
	name := x.name(in.Target)
	switch {
	case s.sp.known && s.sp.at != 0:
		x.unseen(in, "goes on elsewhere with its frame on the stack: a part of the function that has no name")
	case !s.sp.known && name == "":
		x.unseen(in, "leaves the function, perhaps to a part of it that has no name")
	case in.Flow == CondJump && name == "":
		x.unseen(in, "leaves the function on a condition, perhaps to a part of it that has no name")
	case in.Flow == CondJump && (!x.fn.Conditions || in.condition() == 0):
		x.unseen(in, "calls "+name+" on a condition, which a probe sees whether it holds or not")
	case name != "":
		x.add(i, TailJump, "calls "+name+" in its own place")
	default:
		x.add(i, TailJump, "leaves the function with its frame gone")
	}
}

// unforeseen reports whether the function's own control flow does not lead to an instruction.
func (x *exits) unforeseen(i int) bool {
	s := x.before(i)
	return !s.reached || s.weak
}

// name gives the function that a jump goes to; "" when there is none, or when it is part of a function.
func (x *exits) name(rel int64) string {
	if x.fn.Callee == nil {
		return ""
	}
	name := x.fn.Callee(rel)
	if strings.Contains(name, ".cold") {
		return ""
	}
	return name
}

// condition gives the short form's opcode of a conditional jump, 0 for those that test no flags.
func (in Inst) condition() uint8 {
	if in.enc.opmap == map0F || in.enc.op&0xf0 == 0x70 {
		return 0x70 | in.enc.op&0xf
	}
	return 0 // loop, jrcxz, xbegin
}

// fallsThrough reports whether control runs past the last instruction of a part. Behind a call nothing may follow: it
// never returns. Go ends what must not be left with a trap.
func (x *exits) fallsThrough(i int) bool {
	in := x.insts[i]
	if in.Flow != CondJump && in.Flow != Next || in.code[0] == 0xcc || in.code[0] == 0xcd {
		return false
	}
	s := x.before(i)
	return s.reached && !(in.nop() && s.weak)
}

// recovers reports whether only the runtime, after a recovered panic, leads to the ret: it follows a call of
// runtime.deferreturn that the function's own control flow does not reach.
func (x *exits) recovers(i int) bool {
	for i--; i >= 0; i-- {
		in := x.insts[i]
		if in.Flow == Call {
			return x.name(in.Target) == "runtime.deferreturn" && x.unforeseen(i)
		}
		if in.Flow != Next {
			return false
		}
	}
	return false
}
