package codegen

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// unit is one part of one probe: one program, or more when its bodies are too many for one.
type unit struct {
	probe       int
	part        Part
	sleepable   bool
	unfiltered  bool           // the entry was filtered
	filtered    bool           // processes are looked up first, which leaves the identity at its place
	conditional bool           // some sites have a condition
	ways        []int          // of sites before a ret: see plan.Site.Way
	languages   []golang       // by body
	frames      []*frameLayout // by body, nil: none
}

// programSize is how many instructions go in one program. Jumps reach 32767, but loading a program takes time that grows with the square of
// its size: the kernel rewrites calls of helpers one by one, and moves the rest of the program each time.
const programSize = 4_000

// probe compiles all parts of a probe.
func (c *compiler) probe(i int) error {
	probe := &c.p.Probes[i]
	frames := c.layoutFrames(i)
	if c.frameSize[i] > scratchMax {
		return tooLarge("capture less: shorter strings, fewer fields", "probe %s: a call needs more than %d bytes of memory", probe.Name, scratchMax)
	}
	langs := languages(c.p, probe)
	for _, part := range []Part{EntryPart, TrampolinePart, SitePart, RunPart} {
		bodies := bodiesOf(probe, part, c.f.Decides)
		if len(bodies) == 0 {
			continue
		}
		if err := c.unit(&unit{probe: i, part: part, languages: langs, frames: frames}, bodies); err != nil {
			return err
		}
	}
	return nil
}

// bodiesOf lists the bodies that run in a part, ascending.
func bodiesOf(probe *plan.Probe, part Part, decides bool) []int {
	wanted := make([]bool, len(probe.Bodies))
	switch probe.Kind {
	case plan.Begin, plan.End, plan.Interval:
		for i := range wanted {
			wanted[i] = part == RunPart
		}
	default:
		for i := range probe.Sites {
			s := &probe.Sites[i]
			if s.Body < 0 || s.Body >= len(wanted) || PartOf(probe.Kind, s.Role) != part {
				continue
			}
			// The entry of a call matters to its return only where something of it is kept.
			wanted[s.Body] = decides || probe.Kind == plan.Entry || part != EntryPart || probe.Bodies[s.Body].Frame != nil
		}
	}
	var list []int
	for i, yes := range wanted {
		if yes {
			list = append(list, i)
		}
	}
	return list
}

// unit compiles bodies twice: to find out what they need, then for good.
func (c *compiler) unit(u *unit, bodies []int) error {
	u.unfiltered = u.part == RunPart || u.part != EntryPart && !slices.ContainsFunc(bodies, func(b int) bool { return u.frames[b] == nil })
	u.filtered = c.filtersPIDs() && !u.unfiltered
	drafts := make([]*code, len(bodies))
	u.conditional = u.part == SitePart && slices.ContainsFunc(c.p.Probes[u.probe].Sites, func(s plan.Site) bool { return s.Cond != 0 })
	if u.part == SitePart {
		u.ways = waysOf(&c.p.Probes[u.probe])
	}
	for i, body := range bodies {
		drafts[i] = c.body(u, body, nil)
		u.sleepable = u.sleepable || drafts[i].needs.user && c.f.Sleepable
	}
	u.sleepable = u.sleepable || u.part == RunPart
	var group []built
	size := 0
	for i, body := range bodies {
		x := c.body(u, body, drafts[i])
		text, err := x.assemble()
		if err != nil {
			return err
		}
		if size+text.at > programSize && len(group) > 0 {
			if err := c.link(u, group); err != nil {
				return err
			}
			group, size = nil, 0
		}
		group = append(group, built{body, text, x.needs, x.returns()})
		size += text.at
	}
	return c.link(u, group)
}

// built is the finished code of one body.
type built struct {
	body  int
	text  *emitter
	needs needs
	ends  bool // it ends calls that have a frame
}

// body writes the code of one body. A former draft of it tells which variables it has.
func (c *compiler) body(u *unit, index int, draft *code) *code {
	probe := &c.p.Probes[u.probe]
	x := &code{emitter: &emitter{}, c: c, u: u, body: &probe.Bodies[index], index: index, frame: u.frames[index],
		used: memory{stack: stackFixed}, vars: map[int]place{}}
	if len(u.ways) > 0 {
		x.used.stack += beforeFixed
	}
	if draft == nil {
		x.measuring = true
	} else {
		x.vars, x.looping = draft.vars, draft.looping
	}
	x.write()
	return x
}

// write is what happens at a hit.
func (x *code) write() {
	switch {
	case x.u.part == RunPart:
		x.open()
		x.predicateAndStmts()
	case x.returns():
		x.leave()
		x.open()
		x.unlessTailCall()
		x.predicateAndStmts()
	case x.frame != nil:
		x.countHit()
		x.open()
		x.enter()
	default:
		x.countHit()
		x.open()
		x.unlessTailCall()
		x.predicateAndStmts()
	}
	x.place(x.end)
	x.forget()
	x.exit()
}

// unlessTailCall goes on if the function makes its result itself; else it counts the call as missed.
func (x *code) unlessTailCall() {
	if !x.body.Result || x.u.part != SitePart || x.c.f.Decides {
		return
	}
	own := x.label()
	x.load(asm.R0, x.cookie(), asm.DWord)
	x.opImm(asm.RSh, asm.R0, cookieOutcome)
	x.jumpImm(asm.JNE, asm.R0, int64(event.TailCalled), own)
	x.count(plan.CountMissedTail)
	x.jump(x.end)
	x.place(own)
}

// countHit counts a hit that stands for itself.
func (x *code) countHit() {
	probe := &x.c.p.Probes[x.u.probe]
	if m := ownCount(probe, x.body); x.c.f.Decides || m >= 0 && x.c.ownHits[m] {
		return
	}
	x.count(plan.CountHits)
	if probe.Kind == plan.Return && x.frame == nil {
		x.count(plan.CountReturns)
	}
}

func (x *code) predicateAndStmts() {
	if x.body.Pred != nil {
		x.require(x.body.Pred)
	}
	x.stmts(x.body.Stmts)
}

// link makes a program of bodies: filter, what the bodies need, and the way to the body of the site that was hit.
func (c *compiler) link(u *unit, group []built) error {
	var all needs
	for _, b := range group {
		all = all.or(b.needs)
	}
	all.cookie = all.cookie || len(group) > 1 || u.conditional || len(u.ways) > 0
	e := &emitter{}
	out := e.label()
	e.mov(regCtx, asm.R1)
	if !u.unfiltered {
		c.filter(e, u, out)
	}
	c.provide(e, u, all, out)
	if len(group) > 1 {
		e.load(asm.R0, cookiePlace(), asm.DWord)
		e.opImm(asm.RSh, asm.R0, cookieBody)
		e.opImm(asm.And, asm.R0, cookieBodyMask)
	}
	dispatch(e, group)
	e.place(out)
	e.exit()
	if err := e.finish(); err != nil {
		return err
	}
	prog := Prog{Spec: c.spec(u, len(c.progs), e), Probe: u.probe, Part: u.part, From: group[0].body, To: group[len(group)-1].body + 1}
	prog.Ends = !slices.ContainsFunc(group, func(b built) bool { return !b.ends })
	c.progs = append(c.progs, prog)
	return nil
}

// provide fills in the fixed places and the register of the counters.
func (c *compiler) provide(e *emitter, u *unit, n needs, out label) {
	if n.cookie && u.part != RunPart {
		e.mov(asm.R1, regCtx)
		e.call(asm.FnGetAttachCookie)
		e.store(cookiePlace(), asm.R0, asm.DWord)
	}
	if u.conditional {
		jumpsOut(e, out)
	}
	if len(u.ways) > 0 {
		c.leaving(e, u.ways, out)
	}
	if n.identity && !u.filtered {
		c.identity(e)
	}
	if n.stats {
		e.findStats(c, nowPlace(), out)
	}
	if n.now {
		e.call(asm.FnKtimeGetNs)
		e.store(nowPlace(), asm.R0, asm.DWord)
	}
}

// dispatch goes to the body whose index is in R0, by halving.
func dispatch(e *emitter, group []built) {
	if len(group) == 1 {
		e.append(group[0].text)
		return
	}
	half := len(group) / 2
	upper := e.label()
	e.jumpImm(asm.JGE, asm.R0, int64(group[half].body), upper)
	dispatch(e, group[:half])
	e.place(upper)
	dispatch(e, group[half:])
}

// sleepableFlag is BPF_F_SLEEPABLE.
const sleepableFlag = 1 << 4

func (c *compiler) spec(u *unit, n int, e *emitter) *ebpf.ProgramSpec {
	letter := map[Part]string{EntryPart: "entry", TrampolinePart: "tramp", SitePart: "site", RunPart: "run", ForkPart: "fork", ExitPart: "exit"}
	spec := &ebpf.ProgramSpec{Name: fmt.Sprintf("p%d_%s", n, letter[u.part]), Type: ebpf.Kprobe, License: "GPL", Instructions: e.ins}
	switch u.part {
	case RunPart:
		spec.Type = ebpf.Syscall
	case ForkPart, ExitPart:
		spec.Type = ebpf.RawTracepoint
	default:
		if c.f.Multi {
			spec.AttachType = ebpf.AttachTraceUprobeMulti
		}
	}
	if u.sleepable {
		spec.Flags = sleepableFlag
	}
	return spec
}
