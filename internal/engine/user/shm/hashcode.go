package shm

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// hashRoutine writes the routines of one hash map.
type hashRoutine struct {
	*routine
	m *Map
}

// span is a part of memory that one load reads.
type span struct {
	off  int32
	size x86.Size
}

// spans cuts memory into parts as hash in hash.go does.
func spans(n int) []span {
	var list []span
	off := 0
	for ; n-off >= 8; off += 8 {
		list = append(list, span{int32(off), x86.Quad})
	}
	if n-off >= 4 {
		list = append(list, span{int32(off), x86.Word})
		off += 4
	}
	for ; off < n; off++ {
		list = append(list, span{int32(off), x86.Byte})
	}
	return list
}

// hash leaves the hash of the key at a register in RAX, its lower half. RCX and R11 are lost.
func (h *hashRoutine) hash(key x86.Reg) {
	h.MovImm(x86.RAX, hashSeed)
	h.MovImm(x86.R11, goldenRatio)
	for _, s := range spans(h.m.Key) {
		h.Load(s.size, x86.RCX, x86.At(key, s.off))
		h.Op(x86.Xor, x86.Quad, x86.RAX, x86.RCX)
		h.IMul(x86.Quad, x86.RAX, x86.R11)
		h.Mov(x86.Quad, x86.RCX, x86.RAX)
		h.ShiftImm(x86.Shr, x86.Quad, x86.RCX, 32)
		h.Op(x86.Xor, x86.Quad, x86.RAX, x86.RCX)
	}
}

// sameKey goes elsewhere unless the key at a register is that of the node in RDX. RDI is lost.
func (h *hashRoutine) sameKey(key x86.Reg, otherwise x86.Label) {
	for _, s := range spans(h.m.Key) {
		h.Load(s.size, x86.RDI, x86.At(key, s.off))
		h.OpFrom(x86.Cmp, s.size, x86.RDI, x86.At(x86.RDX, nodeKey+s.off))
		h.Jcc(x86.NotEqual, otherwise)
	}
}

// node puts the address of node ECX in RDX; base holds that of node 0.
func (h *hashRoutine) node(base x86.Reg) {
	h.IMulImm(x86.Quad, x86.RDX, x86.RCX, int32(h.m.Stride))
	h.Op(x86.Add, x86.Quad, x86.RDX, base)
}

// nodes is the address of node 0, which does not exist.
func (h *hashRoutine) nodes() uint64 { return h.data + uint64(h.m.Data) - uint64(h.m.Stride) }

// chainLimit bounds the nodes that a search passes, should others change the chain all the time.
const chainLimit = 1 << 16

// lookup finds the value under the key at RSI; RAX is its address or 0. No bucket is held: a node whose state changed while its key was
// compared, and a chain that ends in another bucket, mean that the search begins anew.
//
//	r8   bucket     r9  steps left     r10  hash     r11  node 0
//	rcx  node       rdx its address    rax  its hash and state
func (h *hashRoutine) lookup() {
	again, step, next, end, miss := h.Label(), h.Label(), h.Label(), h.Label(), h.Label()
	h.hash(x86.RSI)
	h.Mov(x86.Word, x86.R10, x86.RAX)
	h.Mov(x86.Word, x86.R8, x86.RAX)
	h.OpImm(x86.And, x86.Word, x86.R8, int32(h.m.Buckets-1))
	h.MovImm(x86.R11, h.nodes())
	h.MovImm(x86.R9, chainLimit)
	h.Bind(again)
	h.MovImm(x86.RCX, h.data+uint64(h.m.Heads))
	h.Load(x86.Word, x86.RCX, x86.AtIndex(x86.RCX, x86.R8, 8, 0))
	h.Bind(step)
	h.Test(x86.Word, x86.RCX, x86.RCX)
	h.Jcc(x86.Equal, miss)
	h.Jcc(x86.Sign, end)
	h.OpImm(x86.Sub, x86.Word, x86.R9, 1)
	h.Jcc(x86.Equal, miss)
	h.node(x86.R11)
	h.Load(x86.Quad, x86.RAX, x86.At(x86.RDX, nodeHash))
	h.Op(x86.Cmp, x86.Word, x86.RAX, x86.R10)
	h.Jcc(x86.NotEqual, next)
	h.Mov(x86.Quad, x86.RDI, x86.RAX)
	h.ShiftImm(x86.Shr, x86.Quad, x86.RDI, 32)
	h.OpImm(x86.And, x86.Word, x86.RDI, stateMask)
	h.OpImm(x86.Cmp, x86.Word, x86.RDI, stateLive)
	h.Jcc(x86.NotEqual, next)
	h.sameKey(x86.RSI, next)
	h.OpFrom(x86.Cmp, x86.Quad, x86.RAX, x86.At(x86.RDX, nodeHash))
	h.Jcc(x86.NotEqual, again)
	h.Lea(x86.RAX, x86.At(x86.RDX, int32(h.m.ValueOff)))
	h.Ret()
	h.Bind(next)
	h.Load(x86.Word, x86.RCX, x86.At(x86.RDX, nodeNext))
	h.Jmp(step)
	h.Bind(end)
	h.OpImm(x86.And, x86.Word, x86.RCX, endMark-1)
	h.Op(x86.Cmp, x86.Word, x86.RCX, x86.R8)
	h.Jcc(x86.NotEqual, again)
	h.Bind(miss)
	h.MovImm(x86.RAX, 0)
	h.Ret()
}

// Registers of update and remove:
//
//	rbx  key           r12  value        r13  flags
//	r14  the bucket    r15  node 0       rbp  hash
//	r8   the thread    r10  first node   r9   the slot
const (
	keyReg    = x86.RBX
	valueReg  = x86.R12
	flagsReg  = x86.R13
	bucketReg = x86.R14
	nodesReg  = x86.R15
	hashReg   = x86.RBP
	threadReg = x86.R8
	firstReg  = x86.R10
)

func saved() []x86.Reg {
	return []x86.Reg{keyReg, valueReg, flagsReg, bucketReg, nodesReg, hashReg}
}

// How often hold tries: at once, after letting others run, and after sleeping, which lets those run that do not get a turn otherwise. Who held
// the bucket when the machine took the processor away is back within some milliseconds.
const (
	spins  = 200
	yields = 20
	naps   = 100
	nap    = 50_000 // ns; the kernel adds as many
)

// hold takes the bucket of the key; R10 is its first node. Where another thread holds it the routine waits a little: it spins, then lets others
// run, then sleeps, then gives up. A thread that holds it itself is in a signal handler, and gives up at once.
func (h *hashRoutine) hold(busy x86.Label) {
	try, held, yield, sleep := h.Label(), h.Label(), h.Label(), h.Label()
	got := h.Label()
	for _, r := range saved() {
		h.Push(r)
	}
	h.Mov(x86.Quad, keyReg, x86.RSI)
	h.Mov(x86.Quad, valueReg, x86.RDX)
	h.Mov(x86.Quad, flagsReg, x86.RCX)
	h.slot()
	h.Call(h.ids)
	h.Mov(x86.Word, threadReg, x86.RAX)
	h.hash(keyReg)
	h.Mov(x86.Word, hashReg, x86.RAX)
	h.OpImm(x86.And, x86.Word, x86.RAX, int32(h.m.Buckets-1))
	h.MovImm(bucketReg, h.data+uint64(h.m.Heads))
	h.Lea(bucketReg, x86.AtIndex(bucketReg, x86.RAX, 8, 0))
	h.MovImm(nodesReg, h.nodes())
	h.MovImm(x86.RDI, spins+yields+naps)
	h.Bind(try)
	h.Load(x86.Quad, x86.RAX, x86.At(bucketReg, 0))
	h.Mov(x86.Quad, x86.RCX, x86.RAX)
	h.ShiftImm(x86.Shr, x86.Quad, x86.RCX, 32)
	h.Jcc(x86.NotEqual, held)
	h.Mov(x86.Word, x86.RCX, threadReg)
	h.ShiftImm(x86.Shl, x86.Quad, x86.RCX, 32)
	h.Op(x86.Or, x86.Quad, x86.RCX, x86.RAX)
	h.LockCmpxchg(x86.Quad, x86.At(bucketReg, 0), x86.RCX)
	h.Jcc(x86.NotEqual, try)
	h.Jmp(got)
	h.Bind(held)
	h.Op(x86.Cmp, x86.Word, x86.RCX, threadReg)
	h.Jcc(x86.Equal, busy)
	h.OpImm(x86.Sub, x86.Word, x86.RDI, 1)
	h.Jcc(x86.Equal, busy)
	h.OpImm(x86.Cmp, x86.Word, x86.RDI, naps)
	h.Jcc(x86.BelowEqual, sleep)
	h.OpImm(x86.Cmp, x86.Word, x86.RDI, naps+yields)
	h.Jcc(x86.BelowEqual, yield)
	h.Pause()
	h.Jmp(try)
	h.Bind(yield)
	h.MovImm(x86.RAX, sysSchedYield)
	h.Syscall()
	h.Jmp(try)
	h.Bind(sleep)
	h.Push(x86.RDI)
	h.PushImm(nap)
	h.PushImm(0)
	h.MovImm(x86.RAX, sysNanosleep)
	h.Mov(x86.Quad, x86.RDI, x86.RSP)
	h.MovImm(x86.RSI, 0)
	h.Syscall()
	h.Lea(x86.RSP, x86.At(x86.RSP, 16))
	h.Pop(x86.RDI)
	h.Jmp(try)
	h.Bind(got)
	h.Mov(x86.Word, firstReg, x86.RAX)
}

// search looks for the key in the held chain. It goes to found with the node in ECX, its address in RDX and that of the one before it in R11,
// or 0; else it goes on.
func (h *hashRoutine) search(found x86.Label) {
	step, next, none := h.Label(), h.Label(), h.Label()
	h.Mov(x86.Word, x86.RCX, firstReg)
	h.MovImm(x86.R11, 0)
	h.Bind(step)
	h.Test(x86.Word, x86.RCX, x86.RCX)
	h.Jcc(x86.LessEqual, none) // 0 or an end
	h.node(nodesReg)
	h.OpTo(x86.Cmp, x86.Word, x86.At(x86.RDX, nodeHash), hashReg)
	h.Jcc(x86.NotEqual, next)
	h.sameKey(keyReg, next)
	h.Jmp(found)
	h.Bind(next)
	h.Mov(x86.Quad, x86.R11, x86.RDX)
	h.Load(x86.Word, x86.RCX, x86.At(x86.RDX, nodeNext))
	h.Jmp(step)
	h.Bind(none)
}

// leave gives the bucket back as it was, where it is held, and returns an error or 0.
func (h *hashRoutine) leave(held bool, errno int) {
	if held {
		h.Store(x86.Quad, x86.At(bucketReg, 0), firstReg)
	}
	list := saved()
	for i := len(list) - 1; i >= 0; i-- {
		h.Pop(list[i])
	}
	h.fail(errno)
}

// Flags of map_update_elem.
const (
	updateNoExist = 1
	updateExist   = 2
)

// update stores the value at RDX under the key at RSI; RCX says whether it may, or must, be there already.
func (h *hashRoutine) update() {
	busy, found, exists, missing, full, invalid := h.Label(), h.Label(), h.Label(), h.Label(), h.Label(), h.Label()
	h.OpImm(x86.Cmp, x86.Quad, x86.RCX, updateExist)
	h.Jcc(x86.Above, invalid)
	h.hold(busy)
	h.search(found)
	h.OpImm(x86.Cmp, x86.Word, flagsReg, updateExist)
	h.Jcc(x86.Equal, missing)
	h.take(full)
	h.fill()
	h.leave(false, 0)
	h.Bind(found)
	h.OpImm(x86.Cmp, x86.Word, flagsReg, updateNoExist)
	h.Jcc(x86.Equal, exists)
	h.copyValue()
	h.leave(true, 0)
	h.Bind(exists)
	h.leave(true, errExists)
	h.Bind(missing)
	h.leave(true, errNoEntry)
	h.Bind(full)
	h.leave(true, errTooBig)
	h.Bind(busy)
	h.leave(false, errBusy)
	h.Bind(invalid)
	h.fail(errInvalid)
}

// copyValue copies the value to the node at RDX. RAX, RCX, RSI and RDI are lost.
func (h *hashRoutine) copyValue() {
	h.copyTo(x86.At(x86.RDX, int32(h.m.ValueOff)), x86.At(valueReg, 0))
}

// copyTo copies a value.
func (h *hashRoutine) copyTo(to, from x86.Mem) {
	const unrolled = 64
	if h.m.Value > unrolled {
		h.Lea(x86.RDI, to)
		h.Lea(x86.RSI, from)
		h.MovImm(x86.RCX, uint64(h.m.Value))
		h.Call(h.move)
		return
	}
	for _, s := range spans(h.m.Value) {
		h.Load(s.size, x86.RAX, from.Plus(s.off))
		h.Store(s.size, to.Plus(s.off), x86.RAX)
	}
}

// take gives a node in ECX and its address in RDX: from the thread's own list of free ones, of those that were never in use, or from
// another list.
//
//	r11  list     esi  lists tried
func (h *hashRoutine) take(full x86.Label) {
	try, empty, fresh, others, got := h.Label(), h.Label(), h.Label(), h.Label(), h.Label()
	h.MovImm(x86.RSI, 0)
	h.Bind(try)
	h.list()
	pop := h.Here()
	h.Load(x86.Quad, x86.RAX, x86.At(x86.R11, 0))
	h.Mov(x86.Word, x86.RCX, x86.RAX)
	h.Test(x86.Word, x86.RCX, x86.RCX)
	h.Jcc(x86.Equal, empty)
	h.node(nodesReg)
	h.Mov(x86.Quad, x86.RDI, x86.RAX)
	h.ShiftImm(x86.Shr, x86.Quad, x86.RDI, 32)
	h.OpImm(x86.Add, x86.Word, x86.RDI, 1)
	h.ShiftImm(x86.Shl, x86.Quad, x86.RDI, 32)
	h.Load(x86.Word, x86.R9, x86.At(x86.RDX, nodeFree))
	h.Op(x86.Or, x86.Quad, x86.RDI, x86.R9)
	h.LockCmpxchg(x86.Quad, x86.At(x86.R11, 0), x86.RDI)
	h.Jcc(x86.NotEqual, pop)
	h.Jmp(got)
	h.Bind(empty)
	h.Test(x86.Word, x86.RSI, x86.RSI)
	h.Jcc(x86.NotEqual, others)
	h.MovImm(x86.R11, h.data+uint64(h.m.Off))
	h.Bind(fresh)
	h.Load(x86.Word, x86.RAX, x86.At(x86.R11, 0))
	h.OpImm(x86.Cmp, x86.Word, x86.RAX, int32(h.m.Entries))
	h.Jcc(x86.AboveEqual, others)
	h.Lea(x86.RCX, x86.At(x86.RAX, 1))
	h.LockCmpxchg(x86.Word, x86.At(x86.R11, 0), x86.RCX)
	h.Jcc(x86.NotEqual, fresh)
	h.node(nodesReg)
	h.Jmp(got)
	h.Bind(others)
	h.OpImm(x86.Add, x86.Word, x86.RSI, 1)
	h.OpImm(x86.Cmp, x86.Word, x86.RSI, freeLists)
	h.Jcc(x86.Below, try)
	h.Jmp(full)
	h.Bind(got)
}

// list puts the address of the list of free nodes ESI away from the thread's own in R11. RAX is lost.
func (h *hashRoutine) list() {
	h.Lea(x86.RAX, x86.AtIndex(threadReg, x86.RSI, 1, 0))
	h.OpImm(x86.And, x86.Word, x86.RAX, freeLists-1)
	h.ShiftImm(x86.Shl, x86.Word, x86.RAX, 6)
	h.MovImm(x86.R11, h.data+uint64(h.m.Off)+freeFirst)
	h.Op(x86.Add, x86.Quad, x86.R11, x86.RAX)
}

// fill makes the node ECX at RDX the first of the chain, with key and value, and gives the bucket back.
func (h *hashRoutine) fill() {
	some := h.Label()
	h.Mov(x86.Word, x86.R11, x86.RCX)
	h.Load(x86.Word, x86.R9, x86.At(x86.RDX, nodeState))
	h.OpImm(x86.Add, x86.Word, x86.R9, stateMask+1)
	h.OpImm(x86.And, x86.Word, x86.R9, ^stateMask)
	h.OpImm(x86.Or, x86.Word, x86.R9, stateFilling)
	h.Store(x86.Word, x86.At(x86.RDX, nodeState), x86.R9)
	h.Store(x86.Word, x86.At(x86.RDX, nodeHash), hashReg)
	for _, s := range spans(h.m.Key) {
		h.Load(s.size, x86.RAX, x86.At(keyReg, s.off))
		h.Store(s.size, x86.At(x86.RDX, nodeKey+s.off), x86.RAX)
	}
	h.copyValue()
	h.Test(x86.Word, firstReg, firstReg)
	h.Jcc(x86.NotEqual, some)
	h.Mov(x86.Word, firstReg, hashReg)
	h.OpImm(x86.And, x86.Word, firstReg, int32(h.m.Buckets-1))
	h.OpImm(x86.Or, x86.Word, firstReg, -endMark)
	h.Bind(some)
	h.Store(x86.Word, x86.At(x86.RDX, nodeNext), firstReg)
	h.OpImm(x86.Xor, x86.Word, x86.R9, stateFilling^stateLive)
	h.Store(x86.Word, x86.At(x86.RDX, nodeState), x86.R9)
	h.Store(x86.Quad, x86.At(bucketReg, 0), x86.R11)
}

// remove takes the key at RSI out.
func (h *hashRoutine) remove() {
	busy, found, middle, unlinked := h.Label(), h.Label(), h.Label(), h.Label()
	h.hold(busy)
	h.search(found)
	h.leave(true, errNoEntry)
	h.Bind(found)
	h.Load(x86.Word, x86.RAX, x86.At(x86.RDX, nodeNext))
	h.Test(x86.Quad, x86.R11, x86.R11)
	h.Jcc(x86.NotEqual, middle)
	h.Mov(x86.Word, firstReg, x86.RAX)
	h.Jmp(unlinked)
	h.Bind(middle)
	h.Store(x86.Word, x86.At(x86.R11, nodeNext), x86.RAX)
	h.Bind(unlinked)
	h.Load(x86.Word, x86.RAX, x86.At(x86.RDX, nodeState))
	h.OpImm(x86.And, x86.Word, x86.RAX, ^stateMask)
	h.Store(x86.Word, x86.At(x86.RDX, nodeState), x86.RAX)
	h.Store(x86.Quad, x86.At(bucketReg, 0), firstReg)
	h.MovImm(x86.RSI, 0)
	h.list()
	push := h.Here()
	h.Load(x86.Quad, x86.RAX, x86.At(x86.R11, 0))
	h.Store(x86.Word, x86.At(x86.RDX, nodeFree), x86.RAX)
	h.Mov(x86.Quad, x86.RDI, x86.RAX)
	h.ShiftImm(x86.Shr, x86.Quad, x86.RDI, 32)
	h.OpImm(x86.Add, x86.Word, x86.RDI, 1)
	h.ShiftImm(x86.Shl, x86.Quad, x86.RDI, 32)
	h.Op(x86.Or, x86.Quad, x86.RDI, x86.RCX)
	h.LockCmpxchg(x86.Quad, x86.At(x86.R11, 0), x86.RDI)
	h.Jcc(x86.NotEqual, push)
	h.leave(false, 0)
	h.Bind(busy)
	h.leave(false, errBusy)
}
