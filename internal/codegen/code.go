package codegen

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/plan"
)

// The stack of a program (512 bytes) begins with fixed places; the rest is handed out by code.alloc.
//
//	-24  thread group << 32 | thread; with what follows, the key of a thread's call: see frame.go
//	-32  cookie
//	-40  monotonic clock
const (
	stackFixed = 40
	stackMax   = 488 // may_goto takes some itself
	stackEase  = 320 // from here on only what must be on the stack goes there
	// onStack is the largest piece of memory that is not taken from scratch.
	onStack = 128
	// scratchMax is what offsets of 16 bits reach.
	scratchMax = 32760
)

// The fixed places, as functions because a package has no state.
func identityPlace() place { return place{asm.R10, -frameKeySize} }
func cookiePlace() place   { return place{asm.R10, -32} }
func nowPlace() place      { return place{asm.R10, -40} }

// code is the code of one body in one part while it is written. It has two halves, because only at the end is known whether the
// statements need scratch memory: the opening (counts the hit, finds the frame), then what assemble puts between, then the
// statements.
type code struct {
	*emitter
	c       *compiler
	u       *unit
	body    *plan.Body
	index   int
	opening *emitter

	used      memory // now
	most      int    // of scratch memory, at any time
	vars      map[int]place
	duration  place // Return parts with a frame
	frame     *frameLayout
	key       place // of the frame
	entered   bool  // the frame is at its register
	end       label // where Finish goes
	loops     []loop
	needs     needs
	looping   bool // there is a loop
	measuring bool // a first pass: the code is not kept
	err       error
}

type memory struct{ stack, scratch int }

// needs is what a body must find: registers and fixed places filled in by unit.provide, and scratch memory.
type needs struct {
	stats, scratch, identity, now, cookie bool
	user                                  bool // reads memory that may not be there yet
}

func (n needs) or(m needs) needs {
	return needs{n.stats || m.stats, n.scratch || m.scratch, n.identity || m.identity, n.now || m.now, n.cookie || m.cookie, n.user || m.user}
}

// alloc takes memory for n bytes: of the stack while there is room, else of the thread's scratch memory.
func (x *code) alloc(n int) place {
	n = (n + 7) &^ 7
	if !x.looping && n <= onStack && x.used.stack+n <= stackEase {
		return x.allocStack(n)
	}
	return x.allocScratch(n)
}

// blur hides from the verifier what it knows about R0. Where ways meet again in a loop it would follow on with each value that
// they bring, round after round.
func (x *code) blur() {
	if !x.looping {
		return
	}
	mark := x.used
	keep := x.allocScratch(8)
	x.store(keep, asm.R0, asm.DWord)
	x.load(asm.R0, keep, asm.DWord)
	x.release(mark)
}

func (x *code) allocStack(n int) place {
	x.used.stack += n
	if x.used.stack > stackMax {
		x.overflow("use variables for parts of the expression", "an expression is too deep for the stack of a program")
	}
	return place{asm.R10, -x.used.stack}
}

func (x *code) allocScratch(n int) place {
	x.needs.scratch = true
	at := x.used.scratch
	x.used.scratch += (n + 7) &^ 7
	if x.used.scratch > scratchMax {
		x.overflow("capture less: shorter strings, fewer fields", "a hit needs more than %d bytes of memory", scratchMax)
	}
	x.most = max(x.most, x.used.scratch)
	return place{regScratch, at}
}

// release gives back what was taken since the mark.
func (x *code) release(mark memory) { x.used = mark }

// count adds 1 to a counter; R1 is lost.
func (x *code) count(c plan.Counter) {
	x.needs.stats = true
	x.imm(asm.R1, 1)
	x.atomicAdd(place{regStats, 8 * int(c)}, asm.R1)
}

// open begins the statements: what was written so far is the opening.
func (x *code) open() {
	x.opening, x.emitter = x.emitter, &emitter{}
	x.end = x.label()
	x.placeVars()
}

// assemble joins the halves with what they turned out to need.
func (x *code) assemble() (*emitter, error) {
	if x.err == nil {
		x.err = x.opening.finish()
	}
	if x.err == nil {
		x.err = x.finish()
	}
	if x.err != nil {
		return nil, x.err
	}
	statements := x.emitter
	x.emitter = &emitter{}
	if x.needs.scratch {
		x.needs.stats = true
		x.needs.identity = x.needs.identity || !x.c.f.TaskStorage
	}
	x.append(x.opening)
	if x.needs.scratch {
		x.provideScratch()
	}
	x.append(statements)
	return x.emitter, x.finish()
}

// guard does something when R0 is 0.
func (x *code) guard(otherwise func()) {
	there := x.label()
	x.jumpImm(asm.JNE, asm.R0, 0, there)
	otherwise()
	x.place(there)
}

// provideScratch finds this thread's memory. Nothing else uses it meanwhile: a thread is in one program at a time, even
// when that program sleeps or is preempted, which would not hold for memory of the CPU.
func (x *code) provideScratch() {
	x.c.useScratch(x.most)
	if x.c.f.TaskStorage {
		x.call(asm.FnGetCurrentTaskBtf)
		x.mapPtr(asm.R1, ScratchMap)
		x.mov(asm.R2, asm.R0)
		x.imm(asm.R3, 0)
		x.imm(asm.R4, 1) // BPF_LOCAL_STORAGE_GET_F_CREATE
		x.call(asm.FnTaskStorageGet)
	} else {
		x.findOrCreate(ScratchMap, identityPlace())
	}
	x.guard(func() {
		x.count(plan.CountLostScratch)
		x.forget()
		x.exit()
	})
	x.mov(regScratch, asm.R0)
}

// findOrCreate leaves the address of a map's value in R0, 0 when there is no room. The key must not be in R0 to R5.
func (x *code) findOrCreate(name string, key place) {
	have := x.label()
	x.lookup(name, key)
	x.jumpImm(asm.JNE, asm.R0, 0, have)
	x.update(name, key, updateNoExist, func() { x.mapValue(asm.R3, x.c.use(zeroMap)) })
	x.lookup(name, key)
	x.place(have)
}

// Flags of bpf_map_update_elem.
const (
	updateAny     = 0
	updateNoExist = 1
)

func (x *code) lookup(name string, key place) {
	x.mapPtr(asm.R1, x.c.use(name))
	x.addr(asm.R2, key)
	x.call(asm.FnMapLookupElem)
}

// update stores a value whose address the function value puts in R3; R0 is 0 or, in its lower half, an error: kernels before 6.4
// leave the upper half of a negative int empty.
func (x *code) update(name string, key place, flag int64, value func()) {
	x.mapPtr(asm.R1, x.c.use(name))
	x.addr(asm.R2, key)
	value()
	x.imm(asm.R4, flag)
	x.call(asm.FnMapUpdateElem)
}

// unlessExists jumps when an update failed for another reason than that the key is there.
func (x *code) unlessExists(to label) {
	const exists = -17 // EEXIST
	x.extend(asm.R0, plan.Type{Kind: plan.IntType, Size: 4, Signed: true})
	x.jumpImm(asm.JNE, asm.R0, exists, to)
}

func (x *code) remove(name string, key place) {
	x.mapPtr(asm.R1, x.c.use(name))
	x.addr(asm.R2, key)
	x.call(asm.FnMapDeleteElem)
}

// identity, now and cookie say where those are found, and see to it that they are there.
func (x *code) identity() place {
	x.needs.identity = true
	return identityPlace()
}

func (x *code) now() place {
	x.needs.now = true
	return nowPlace()
}

func (x *code) cookie() place {
	x.needs.cookie = true
	return cookiePlace()
}

// golang says whether the body's functions are Go's: never, always, or as the cookie tells.
type golang uint8

const (
	goNever golang = iota
	goAlways
	goMixed
)

// languages finds out which functions share each body of a probe.
func languages(p *plan.Plan, probe *plan.Probe) []golang {
	list := make([]golang, len(probe.Bodies))
	first := make([]bool, len(probe.Bodies))
	for i := range probe.Sites {
		s := &probe.Sites[i]
		if s.Body < 0 || s.Body >= len(list) {
			continue
		}
		lang := goNever
		if p.Functions[s.Function].Lang == event.LangGo {
			lang = goAlways
		}
		if first[s.Body] && list[s.Body] != lang {
			lang = goMixed
		}
		list[s.Body], first[s.Body] = lang, true
	}
	return list
}

// ifGo writes what holds for Go functions and what for others. R0 is lost.
func (x *code) ifGo(yes, no func()) {
	switch x.u.languages[x.index] {
	case goAlways:
		yes()
	case goNever:
		no()
	default:
		others, end := x.label(), x.label()
		x.load(asm.R0, x.cookie(), asm.DWord)
		x.opImm(asm.RSh, asm.R0, cookieGo)
		x.opImm(asm.And, asm.R0, 1)
		x.jumpImm(asm.JEq, asm.R0, 0, others)
		yes()
		x.jump(end)
		x.place(others)
		no()
		x.place(end)
	}
}
