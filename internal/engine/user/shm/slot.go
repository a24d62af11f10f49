package shm

// A slot is the private memory of a thread. The engine makes it, zeroed, and finds it again at each hit; a child that is forked must find
// none of its parent's, but runs a program to its end in it that a signal handler had interrupted, which forked. It serves one hit at a time: one that comes from a signal handler in the middle of another
// needs another slot.
//
// The kernel has values for each CPU because a CPU runs one program at a time. So does a slot: it has values of its own, which no other thread
// changes, as long as there are enough (Map.Copies). Whoever comes later shares.
const (
	SlotIDs    = 0  // u64 process << 32 | thread, 0 unknown
	SlotLow    = 8  // u64 lowest address of the thread's stack, 0 unknown
	SlotHigh   = 16 // u64 the one behind its highest
	SlotFSBase = 24 // u64 thread pointer; the engine stores it
	SlotStamp  = 32 // u64 time stamp counter when the following three were asked for
	SlotUID    = 40 // u64 group << 32 | user
	SlotComm   = 48 // 16 bytes of name
	SlotRandom = 64 // u64 state of the random numbers
	SlotStripe = 72 // u32 which of the values of a PerCPUArray are the slot's, plus 1; 0 none yet
	SlotShared = 76 // u32 not 0: they are other slots' too
	SlotTicket = 80 // u32 number of the slot, from 1 on; 0 none yet, noTicket where several threads may run in it
	// SlotSpilled is a u32, not 0 when entries of the thread may be in a hash that has fronts: how many it put there, or SpilledUnknown more.
	SlotSpilled    = 84
	SpilledUnknown = 1 << 30
	noTicket       = 1<<32 - 1
	SlotOwnTID     = 88 // u32 not 0: the engine has found the thread's number where it looks for it
	SlotOwn        = 92 // u32 not 0: the slot has values of arrays, and has them for itself
	// A range of memory that was read and never goes away: most reads are of the one before.
	SlotFrom = 96  // u64 its start
	SlotTo   = 104 // u64 its end, 0 none yet
	// SlotStorage is where the thread's memory of Layout.Storage bytes begins. Behind it are the addresses of the slot's fronts and
	// values (Map.InSlot).
	SlotStorage = 128
)

// SlotSize is how large slots are.
func (l *Layout) SlotSize() int { return align(l.slot, line) }

// A context is what a program is called with: struct pt_regs as uprobe programs see it (arch/x86/include/asm/ptrace.h), and behind it
// what the engine adds. The engine builds it for each hit, on the stack that it gives the program.
const (
	ContextR15 = 8 * iota
	ContextR14
	ContextR13
	ContextR12
	ContextRBP
	ContextRBX
	ContextR11
	ContextR10
	ContextR9
	ContextR8
	ContextRAX
	ContextRCX
	ContextRDX
	ContextRSI
	ContextRDI
	ContextOrigRAX
	ContextRIP // the probed instruction
	ContextCS
	ContextFlags
	ContextRSP
	ContextSS
	ContextCookie   // codegen.Cookie of the site
	ContextFunction // address of the function, for get_func_ip
	ContextSlot     // address of the thread's slot
	// ContextAtEntry is not 0 where the probed instruction is a push of RBP or an endbr64: the return address is on top of the stack, and
	// stacks tell the caller, as the kernel's do (is_uprobe_at_func_entry).
	ContextAtEntry
	// ContextSize is the size of a context.
	ContextSize
)
