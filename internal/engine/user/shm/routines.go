package shm

import "github.com/sonde-project/sonde/internal/engine/user/x86"

// Place is where a process has the memory and its routines.
type Place struct {
	Base uint64 // address of the routines
	Data uint64 // address of the shared memory
	// RSeq is where the thread's rseq area has cpu_id, relative to the FS base; 0: it has none.
	RSeq int32
	// Known is where SetStack and SetRanges have said what of the process is read without asking the kernel; 0: nothing is.
	Known uint64
}

// Routines are the addresses of machine code that works on the memory inside the process. They take their arguments where eBPF has r1 to r5
// (RDI, RSI, RDX, RCX, R8), the address of the context in R9 and that of the slot in R12, give a result in RAX, lose the registers that eBPF's helpers lose and R9, R10
// and R11, leave the direction flag as it is, take less than RoutineStack bytes of stack, never wait for another thread for long, and touch no memory of the process that
// may not be there.
type Routines struct {
	CPU     uint64 // EAX = number of the CPU, without rseq; keeps all but RAX and R11
	Stripe  uint64 // R9 = the slot: gives it values of arrays, EAX = SlotStripe; keeps all but RAX and R11
	IDs     uint64 // R9 = the slot: process and thread; keeps all but RAX, RCX and R11
	Clock   uint64
	UID     uint64
	Comm    uint64
	Random  uint64
	Read    uint64 // probe_read_user, copy_from_user
	ReadStr uint64 // probe_read_user_str
	Copy    uint64 // probe_read_kernel: memory of our own
	Stack   uint64
	// Submit and Discard end a record that Reserve gave; Print and PrintAll write a line, if the layout has LinesMap.
	Submit, Discard, Print, PrintAll uint64
	// By name of map.
	Lookup, Update, Delete, Output, Query, Reserve map[string]uint64
}

// RoutineStack bounds the stack that a routine takes.
const RoutineStack = 512

// Numbers of errors, as helpers give them.
const (
	errNoEntry = -2
	errTooBig  = -7
	errAgain   = -11
	errFault   = -14
	errBusy    = -16
	errExists  = -17
	errInvalid = -22
)

// Numbers of system calls.
const (
	sysSchedYield  = 24
	sysNanosleep   = 35
	sysGetPID      = 39
	sysGetUID      = 102
	sysGetGID      = 104
	sysPrctl       = 157
	sysGetTID      = 186
	sysClockGet    = 228
	sysProcessRead = 310
	prGetName      = 16
	clockMonotonic = 1
)

// routine is the code of all routines while it is written.
type routine struct {
	*x86.Code
	l     *Layout
	data  uint64
	known uint64
	ids   x86.Label
	read  x86.Label // reads memory of the process through the kernel
	safe  x86.Label // tells memory that is there for sure
	move  x86.Label // copies
	// stripes gives a slot its number.
	stripes x86.Label
	wake    x86.Label // wakes the observer
}

// Routines writes the routines for a place.
func (l *Layout) Routines(at Place) ([]byte, *Routines, error) {
	w := &routine{Code: &x86.Code{}, l: l, data: at.Data, known: at.Known}
	w.ids, w.read, w.safe, w.move, w.stripes, w.wake = w.Label(), w.Label(), w.Label(), w.Label(), w.Label(), w.Label()
	labels := map[*uint64]x86.Label{}
	named := map[string]map[string]x86.Label{}
	put := func(to *uint64, write func()) {
		w.pad()
		labels[to] = w.Here()
		write()
	}
	r := &Routines{}
	put(&r.CPU, w.cpu)
	put(&r.Stripe, w.stripe)
	put(&r.IDs, w.writeIDs)
	put(&r.Clock, w.clock)
	put(&r.UID, w.uid)
	put(&r.Comm, w.comm)
	put(&r.Random, w.random)
	put(&r.Read, w.readUser)
	put(&r.ReadStr, w.readString)
	put(&r.Copy, w.copyOwn)
	put(&r.Stack, w.stack)
	put(&r.Submit, func() { w.finish(ringDone) })
	put(&r.Discard, func() { w.finish(ringDone | ringDropped) })
	w.reading()
	w.writeWake()
	name := func(kind, m string, write func()) {
		w.pad()
		if named[kind] == nil {
			named[kind] = map[string]x86.Label{}
		}
		named[kind][m] = w.Here()
		write()
	}
	for i := range l.Maps {
		m := &l.Maps[i]
		switch m.Kind {
		case Array, PerCPUArray:
			name("update", m.Name, (&arrayRoutine{w, m}).update)
		case Hash:
			h := w.hash(m)
			name("lookup", m.Name, h.lookup)
			name("update", m.Name, h.update)
			name("delete", m.Name, h.remove)
		case Ring:
			o := &ringRoutine{w, m}
			name("output", m.Name, o.output)
			name("query", m.Name, o.query)
			name("reserve", m.Name, o.reserve)
			if m.Name == LinesMap {
				put(&r.PrintAll, func() { o.writeLine(named["reserve"][m.Name], labels[&r.Clock], labels[&r.Comm], labels[&r.ReadStr]) })
				put(&r.Print, func() { o.print(labels[&r.PrintAll]) })
			}
		}
	}
	code, err := w.Assemble(at.Base)
	if err != nil {
		return nil, nil, err
	}
	for to, l := range labels {
		*to = at.Base + uint64(w.Offset(l))
	}
	for kind, to := range map[string]*map[string]uint64{"lookup": &r.Lookup, "update": &r.Update, "delete": &r.Delete, "output": &r.Output, "query": &r.Query,
		"reserve": &r.Reserve} {
		*to = map[string]uint64{}
		for m, l := range named[kind] {
			(*to)[m] = at.Base + uint64(w.Offset(l))
		}
	}
	return code, r, nil
}

// hash gives the routines of a hash, with those that they need written already.
func (w *routine) hash(m *Map) interface {
	lookup()
	update()
	remove()
} {
	h := &hashRoutine{w, m}
	if m.FrontDepth == 0 {
		return h
	}
	f := &frontRoutine{hashRoutine: h, keyAt: x86.At(x86.RSI, 0), valueAt: x86.At(x86.RDX, 0)}
	for to, write := range map[*x86.Label]func(){&f.lookupHash: h.lookup, &f.updateHash: h.update, &f.removeHash: h.remove} {
		w.pad()
		*to = w.Here()
		write()
	}
	w.pad()
	f.spill = w.Here()
	f.writeSpill()
	return f
}

// pad separates routines.
func (w *routine) pad() { w.Raw(0xcc, 0xcc, 0xcc, 0xcc) }

// fail returns an error.
func (w *routine) fail(errno int) {
	w.MovImm(x86.RAX, uint64(int64(errno)))
	w.Ret()
}

// cpu asks for the limit of the vDSO's segment, whose lower 12 bits are the number of the CPU (arch/x86/include/asm/segment.h).
func (w *routine) cpu() {
	const segment = 0x7b // __CPUNODE_SEG
	w.MovImm(x86.R11, segment)
	w.MovImm(x86.RAX, 0)
	w.Lsl(x86.RAX, x86.R11)
	w.OpImm(x86.And, x86.Word, x86.RAX, 0xfff)
	w.Ret()
}

// stripe takes the next number: the first ones are the slot's own values, later ones go round those that are shared.
func (w *routine) stripe() {
	own, alone, shared := w.Label(), w.Label(), w.Label()
	n := w.l.own()
	w.Bind(w.stripes)
	w.MovImm(x86.R11, w.data+headSlots)
	w.MovImm(x86.RAX, 1)
	w.LockXadd(x86.Word, x86.At(x86.R11, 0), x86.RAX)
	w.Lea(x86.R11, x86.At(x86.RAX, 1))
	w.OpToImm(x86.Cmp, x86.Word, x86.At(x86.R9, SlotShared), 0)
	w.Jcc(x86.Equal, alone)
	w.MovImm(x86.R11, noTicket)
	w.Bind(alone)
	w.Store(x86.Word, x86.At(x86.R9, SlotTicket), x86.R11)
	w.fronts()
	w.OpImm(x86.Cmp, x86.Word, x86.RAX, int32(n))
	w.Jcc(x86.Below, own)
	w.StoreImm(x86.Word, x86.At(x86.R9, SlotShared), 1)
	w.OpImm(x86.And, x86.Word, x86.RAX, int32(n-1))
	w.OpImm(x86.Add, x86.Word, x86.RAX, int32(n))
	w.Bind(own)
	w.OpImm(x86.Add, x86.Word, x86.RAX, 1)
	w.values()
	w.OpToImm(x86.Cmp, x86.Word, x86.At(x86.R9, SlotShared), 0)
	w.Jcc(x86.NotEqual, shared)
	w.StoreImm(x86.Word, x86.At(x86.R9, SlotOwn), 1)
	w.Bind(shared)
	w.Store(x86.Word, x86.At(x86.R9, SlotStripe), x86.RAX) // last: it says that all of this is there
	w.Ret()
}

// values stores where the values of arrays are that the slot has from now on, by their number in RAX.
func (w *routine) values() {
	w.Push(x86.RCX)
	for i := range w.l.Maps {
		if m := &w.l.Maps[i]; m.Kind == PerCPUArray {
			w.IMulImm(x86.Quad, x86.R11, x86.RAX, int32(m.PerCPU))
			w.MovImm(x86.RCX, w.data+uint64(m.Data)-uint64(m.PerCPU)) // numbers count from 1
			w.Op(x86.Add, x86.Quad, x86.R11, x86.RCX)
			w.Store(x86.Quad, x86.At(x86.R9, int32(m.InSlot)), x86.R11)
		}
	}
	w.Pop(x86.RCX)
}

// fronts gives the slot, whose number is in R11, its fronts, if there are enough.
func (w *routine) fronts() {
	none := w.Label()
	w.OpImm(x86.Cmp, x86.Word, x86.R11, frontThreads)
	w.Jcc(x86.Above, none)
	w.Push(x86.RAX)
	w.Push(x86.RCX)
	for i := range w.l.Maps {
		if m := &w.l.Maps[i]; m.FrontDepth > 0 {
			w.IMulImm(x86.Quad, x86.RAX, x86.R11, int32(m.FrontSize))
			w.MovImm(x86.RCX, w.data+uint64(m.Fronts)-uint64(m.FrontSize)) // numbers count from 1
			w.Op(x86.Add, x86.Quad, x86.RAX, x86.RCX)
			w.Store(x86.Quad, x86.At(x86.R9, int32(m.InSlot)), x86.RAX)
		}
	}
	w.Pop(x86.RCX)
	w.Pop(x86.RAX)
	w.Bind(none)
}
