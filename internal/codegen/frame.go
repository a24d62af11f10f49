package codegen

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/internal/site"
)

// A call that has begun and not ended is a frame: a value of the probe's frames map. Its key:
//
//	+0   u64 owner     thread group << 32 | thread; Go: 1 << 63 | address of the goroutine's descriptor
//	+8   u32 thread group
//	+12  u32 function
//	+16  u64 position  entry stack pointer; Go: its distance from the stack's top, since stacks move
//
// Without function and position it is the key of the depth map. The value, when nothing but the time is kept:
//
//	+0   u64 time of the entry
//	+8   u32 depth (only if kept), u32 0
//
// else the call's record as it grows:
//
//	+0   u32 cursor: bytes of the record so far
//	+4   u32 depth
//	+8   record, as plan/layout.go draws it; the return adds its slots and what only it knows
const (
	frameKeySize = 24
	noEmission   = -1 // as the emission of a record that is never sent
	FrameOwner   = 0
	// FrameTGID is where the key of a frame has the thread group: frames of dead processes can be told and removed.
	FrameTGID     = 8
	frameFunction = 12
	FramePosition = 16
)

// frameLayout says where a frame of one body has what.
type frameLayout struct {
	size   int // of the value
	time   int
	depth  int // -1: not kept
	record int // 0: none
	cursor int
	fixed  int
	tail   tailSize
	first  int  // emission of the call record, -1 none
	drops  bool // the kernel sees the returns, as long as it has room: see ReturnInstances
}

// ReturnInstances is how many calls of one thread the kernel can see return at a time, those that others watch included. Of the calls above no
// program is told that they end. Source: MAX_URETPROBE_DEPTH, include/linux/uprobes.h.
const ReturnInstances = 64

// layoutFrames decides what the frames of a probe keep, by body: only the time if that does for all of them.
func (c *compiler) layoutFrames(i int) []*frameLayout {
	probe := &c.p.Probes[i]
	list := make([]*frameLayout, len(probe.Bodies))
	if probe.Kind != plan.Return {
		return list
	}
	records := slices.ContainsFunc(probe.Bodies, func(b plan.Body) bool {
		return b.Frame != nil && (len(b.Frame.Slots) > 0 || len(frameCalls(c.p, b.Stmts)) > 0)
	})
	for j := range probe.Bodies {
		body := &probe.Bodies[j]
		if body.Frame == nil {
			continue
		}
		list[j] = &frameLayout{first: -1, depth: -1, size: 8}
		if records {
			list[j] = c.layoutFrame(body)
		} else if body.Frame.Depth {
			list[j].depth, list[j].size = 8, 16
		}
		list[j].drops = c.f.Task.Uprobes != 0 && onTrampolines(c.p, i, j)
		c.useFrames(i, list[j])
	}
	return list
}

// onTrampolines reports whether the returns of a body are seen by the kernel's trampoline alone.
func onTrampolines(p *plan.Plan, probe, body int) bool {
	some := false
	for i := range p.Probes[probe].Sites {
		s := &p.Probes[probe].Sites[i]
		if s.Body != body || s.Role == site.Entry {
			continue
		}
		if s.Role != site.Trampoline {
			return false
		}
		some = true
	}
	return some
}

// layoutFrame lays out frames that hold the call's record.
func (c *compiler) layoutFrame(body *plan.Body) *frameLayout {
	p := c.p
	calls := frameCalls(p, body.Stmts)
	f := &frameLayout{first: -1}
	f.depth, f.record, f.time = 4, 8, 8+plan.RecordTime
	entry := tailSize{limit: c.limits.Capture}.add(body.Frame.Slots)
	f.tail = entry
	slots := len(body.Frame.Slots)
	for i, call := range calls {
		if i == 0 {
			f.first = call
		}
		em := &p.Emissions[call]
		with := entry.add(em.Slots)
		f.tail.sum, f.tail.most = max(f.tail.sum, with.sum), max(f.tail.most, with.most)
		slots = max(slots, len(body.Frame.Slots)+len(em.Slots))
	}
	f.fixed = plan.CallHeader + 8*slots
	f.size = f.record + f.fixed + f.tail.size()
	return f
}

// frameCalls finds the call records that a body completes from its frame.
func frameCalls(p *plan.Plan, stmts []plan.Stmt) []int {
	var found []int
	for _, s := range stmts {
		switch s := s.(type) {
		case *plan.Emit:
			if s.Emission >= 0 && s.Emission < len(p.Emissions) && p.Emissions[s.Emission].Frame {
				found = append(found, s.Emission)
			}
		case *plan.If:
			found = append(append(found, frameCalls(p, s.Then)...), frameCalls(p, s.Else)...)
		case *plan.Loop:
			found = append(found, frameCalls(p, s.Body)...)
		}
	}
	return found
}

// draft is the record inside the frame at regFrame.
func (f *frameLayout) draft() *draft {
	return &draft{rec: place{regFrame, f.record}, cursor: place{regFrame, f.cursor}, header: plan.CallHeader, fixed: f.fixed, tail: f.tail}
}

// saved is where the frame keeps slot i.
func (x *code) saved(i int) place {
	if x.frame == nil || x.frame.record == 0 || i < 0 || i >= len(x.body.Frame.Slots) {
		x.fail("no saved slot %d", i)
		return place{asm.R10, -8}
	}
	return place{regFrame, x.frame.record + plan.CallHeader + 8*i}
}

func (x *code) framesMap() string { return x.c.use(frameMapName(x.u.probe)) }

// frameKey builds the key of the call's frame, around the identity where that is who makes the call.
func (x *code) frameKey() {
	x.key = x.identity()
	if x.u.languages[x.index] != goNever {
		x.key = x.allocStack(frameKeySize)
		x.owner()
		x.store(x.key.plus(FrameOwner), asm.R0, asm.DWord)
	}
	x.function(asm.R0) // in one store with the thread group: memory that is read as one word waits for two stores
	x.opImm(asm.LSh, asm.R0, 8*(frameFunction-FrameTGID))
	x.load(asm.R1, x.identity().plus(4), asm.Word)
	x.op(asm.Or, asm.R0, asm.R1)
	x.store(x.key.plus(FrameTGID), asm.R0, asm.DWord)
	x.stackPosition()
	x.store(x.key.plus(FramePosition), asm.R0, asm.DWord)
}

// enter keeps a call that begins.
func (x *code) enter() {
	if x.body.Frame.Pred != nil {
		x.require(x.body.Frame.Pred)
	}
	if x.frame.drops {
		x.unlessDropped()
	}
	x.frameKey()
	depth := x.allocStack(8)
	if x.frame.depth >= 0 {
		x.findDepth(depth)
	}
	if x.frame.record == 0 {
		x.enterSmall(depth)
	} else {
		x.enterRecord(depth)
	}
	if x.body.Frame.Depth {
		x.load(asm.R0, depth, asm.Word)
		x.opImm(asm.Add, asm.R0, 1)
		x.setDepth(depth)
	}
	if x.c.f.Decides {
		x.trap()
	}
}

// findDepth looks up how many calls the owner has open.
func (x *code) findDepth(depth place) {
	x.storeImm(depth, 0, asm.DWord)
	if !x.body.Frame.Depth {
		return
	}
	mark := x.used
	defer x.release(mark)
	none := x.label()
	x.lookup(DepthMap, x.depthKey())
	x.jumpImm(asm.JEq, asm.R0, 0, none)
	x.load(asm.R0, place{asm.R0, 0}, asm.Word)
	x.store(depth, asm.R0, asm.Word)
	x.place(none)
}

// setDepth stores R0 as the owner's depth, through memory on the stack; a depth of 0 is not kept, so that owners that
// come and go leave nothing behind.
func (x *code) setDepth(temp place) {
	mark := x.used
	defer x.release(mark)
	none, end := x.label(), x.label()
	x.store(temp, asm.R0, asm.DWord)
	key := x.depthKey()
	x.load(asm.R0, temp, asm.DWord)
	x.jumpImm(asm.JEq, asm.R0, 0, none)
	x.update(DepthMap, key, updateAny, func() { x.addr(asm.R3, temp) })
	x.jump(end)
	x.place(none)
	x.remove(DepthMap, key)
	x.place(end)
}

// depthKey builds the key of the owner's depth, in memory that lasts until the caller releases it.
func (x *code) depthKey() place {
	key := x.allocStack(frameKeySize)
	x.load(asm.R0, x.key.plus(FrameOwner), asm.DWord)
	x.store(key.plus(FrameOwner), asm.R0, asm.DWord)
	x.load(asm.R0, x.key.plus(FrameTGID), asm.Word)
	x.store(key.plus(FrameTGID), asm.R0, asm.DWord)
	x.storeImm(key.plus(FramePosition), 0, asm.DWord)
	return key
}

// insert stores a new frame. One that is there already is that of a call that never returned: the same function
// was entered with the same stack pointer again. again says what to do then.
func (x *code) insert(value func(), again func()) {
	stored, lost := x.label(), x.label()
	x.update(x.framesMap(), x.key, updateNoExist, value)
	x.jumpImm(asm.JEq, asm.R0, 0, stored)
	x.unlessExists(lost)
	x.count(plan.CountMissedUnwound)
	again()
	x.jump(stored)
	x.place(lost)
	x.lostFrame()
	x.place(stored)
}

// unlessDropped goes on if the kernel is going to see the call return; else it counts the call as missed. Programs at a function's entry run
// before the kernel decides (prepare_uretprobe), by what it has in task_struct.utask, which is nil before a thread's first hit.
func (x *code) unlessDropped() {
	mark := x.used
	defer x.release(mark)
	to, room := x.allocStack(8), x.label()
	x.storeImm(to, 0, asm.DWord)
	x.call(asm.FnGetCurrentTask)
	x.mov(asm.R3, asm.R0)
	x.opImm(asm.Add, asm.R3, int64(x.c.f.Task.Uprobes))
	x.addr(asm.R1, to)
	x.imm(asm.R2, 8)
	x.call(asm.FnProbeReadKernel)
	x.load(asm.R3, to, asm.DWord)
	x.jumpImm(asm.JEq, asm.R3, 0, room)
	x.storeImm(to, 0, asm.DWord)
	x.opImm(asm.Add, asm.R3, int64(x.c.f.Task.Instances))
	x.addr(asm.R1, to)
	x.imm(asm.R2, 4)
	x.call(asm.FnProbeReadKernel)
	x.load(asm.R0, to, asm.Word)
	x.jumpImm(asm.JLT, asm.R0, ReturnInstances, room)
	x.count(plan.CountMissedKernel)
	x.jump(x.end)
	x.place(room)
}

func (x *code) lostFrame() {
	x.count(plan.CountLostFrames)
	x.jump(x.end)
}

func (x *code) enterSmall(depth place) {
	value, fill := x.smallValue(depth)
	fill()
	x.insert(func() { x.addr(asm.R3, value) }, func() {
		x.healDepth(depth)
		fill()
		x.update(x.framesMap(), x.key, updateAny, func() { x.addr(asm.R3, value) })
		ok := x.label()
		x.jumpImm(asm.JEq, asm.R0, 0, ok)
		x.lostFrame()
		x.place(ok)
	})
}

// smallValue is where the value of a new frame is that keeps no record, and what stores it there.
func (x *code) smallValue(depth place) (value place, fill func()) {
	if x.c.frameSize[x.u.probe] <= 8 && !x.c.f.Decides {
		return x.now(), func() {}
	}
	value = x.allocStack(16)
	return value, func() {
		if x.c.f.Decides {
			x.storeImm(value, 0, asm.DWord) // nobody asks when
			return
		}
		x.load(asm.R0, x.now(), asm.DWord)
		x.store(value, asm.R0, asm.DWord)
		if x.frame.depth >= 0 {
			x.load(asm.R0, depth, asm.DWord)
			x.store(value.plus(8), asm.R0, asm.DWord)
		}
	}
}

// healDepth takes the depth of the call that never returned: this one is at its place.
func (x *code) healDepth(depth place) {
	if x.frame.depth < 0 {
		return
	}
	gone := x.label()
	x.lookup(x.framesMap(), x.key)
	x.jumpImm(asm.JEq, asm.R0, 0, gone)
	x.load(asm.R0, place{asm.R0, x.frame.depth}, asm.Word)
	x.store(depth, asm.R0, asm.Word)
	x.place(gone)
}

func (x *code) enterRecord(depth place) {
	x.insert(func() { x.mapValue(asm.R3, x.c.use(zeroMap)) }, func() { x.healDepth(depth) })
	x.lookup(x.framesMap(), x.key)
	x.guard(x.lostFrame)
	x.mov(regFrame, asm.R0)
	x.entered = true
	d := x.frame.draft()
	x.storeImm(d.cursor, int64(d.fixed), asm.Word)
	x.load(asm.R0, depth, asm.Word)
	x.store(place{regFrame, x.frame.depth}, asm.R0, asm.Word)
	x.recordStart(d, max(x.frame.first, 0))
	if x.frame.first < 0 {
		x.storeImm(d.rec, noEmission, asm.Word)
	} else {
		x.goroutineAndComm(d)
		x.load(asm.R0, depth, asm.Word)
		x.store(d.rec.plus(plan.RecordDepth), asm.R0, asm.Word)
	}
	for i := range x.body.Frame.Slots {
		x.capture(d, i, &x.body.Frame.Slots[i])
	}
}

// leave finds the frame of the call that ends. There is none when the call began before sonde did, or was filtered.
func (x *code) leave() {
	x.frameKey()
	x.lookup(x.framesMap(), x.key)
	x.guard(func() { x.exit() })
	x.mov(regFrame, asm.R0)
	x.entered = true
	if x.c.f.Decides {
		return
	}
	x.count(plan.CountReturns)
	x.duration = x.allocStack(8)
	x.load(asm.R0, x.now(), asm.DWord)
	x.load(asm.R1, place{regFrame, x.frame.time}, asm.DWord)
	x.op(asm.Sub, asm.R0, asm.R1)
	x.store(x.duration, asm.R0, asm.DWord)
	if x.body.Frame.Depth {
		mark := x.used
		temp := x.allocStack(8)
		x.load(asm.R0, place{regFrame, x.frame.depth}, asm.Word)
		x.setDepth(temp)
		x.release(mark)
	}
}

// forget removes the frame of a call that has ended.
func (x *code) forget() {
	if x.returns() {
		x.remove(x.framesMap(), x.key)
	}
}

// trap hands the hit on.
func (x *code) trap() {
	x.forget()
	x.imm(asm.R0, 1)
	x.emit(asm.Return())
	x.dead = true
}

// finishCall completes the record in the frame and sends it.
func (x *code) finishCall(index int, em *plan.Emission) {
	if !x.returns() || x.frame.record == 0 || em.Entry != len(x.body.Frame.Slots) {
		x.fail("emission %d completes a call, but there is no such frame here", index)
		return
	}
	mark := x.used
	defer x.release(mark)
	d := x.frame.draft()
	cursor := x.allocStack(8)
	x.load(asm.R0, d.cursor, asm.Word)
	x.store(cursor, asm.R0, asm.DWord)
	x.storeImm(d.rec, int64(index), asm.Word)
	x.load(asm.R0, x.duration, asm.DWord)
	x.store(d.rec.plus(plan.RecordDuration), asm.R0, asm.DWord)
	x.outcome(d)
	for i := range em.Slots {
		x.capture(d, em.Entry+i, &em.Slots[i])
	}
	x.send(d)
	x.load(asm.R0, cursor, asm.DWord)
	x.store(d.cursor, asm.R0, asm.Word)
}
