// Package site chooses the instructions at which a function is probed.
//
// In: the bytes of one function and its language. Out: the address for its entry and those for its
// returns, each with its instruction, cost class and reason. Invariant: what it returns is the first byte
// of an instruction, holds the entry values of all argument registers (entry sites) and has the entry
// stack pointer. It must not know ELF, processes or eBPF.
package site

// Cost is what one hit costs the observed program in the kernel engine.
type Cost uint8

const (
	Nop      Cost = iota // 5-byte nop: newer kernels turn it into a call, and so it is refused
	Emulated             // push, jump, short nop: the kernel acts it out
	Stepped              // everything else: run out of line under single-step
)

func (c Cost) String() string { return [...]string{"nop", "emulated", "stepped"}[c] }

// Role is what passing a site means.
type Role uint8

const (
	Entry       Role = iota
	Trampoline       // armed at the entry; fires at return through the kernel's trampoline (uretprobe)
	Ret              // a ret instruction
	TailJump         // a jump out of the function
	DeferReturn      // Go: return after a recovered panic
	Inside           // +offset, address or line asked for
	BeforeRet        // where every way on leads to a ret; see Before
)

func (r Role) String() string {
	return [...]string{"entry", "trampoline", "ret", "tail jump", "defer return", "inside", "before ret"}[r]
}

// Choice is one chosen instruction.
type Choice struct {
	Offset      uint64 // from the start of the function
	Role        Role
	Cost        Cost
	Instruction string // "push %rbp"
	Why         string // one clause: "after endbr64, which would be single-stepped"
	// Target is where a direct TailJump goes, relative to the function start (may be negative); 0 unknown.
	Target int64
	// Cond is the opcode (0x70 to 0x7f) of a condition: the call ends here only if the flags say so. 0: always. ChooseReturns
	// sets it only for a conditional TailJump, and where FnInfo.Conditions asks; EarlierReturns for any BeforeRet.
	Cond uint8
	// Before is what a BeforeRet tells of the ret; nil for other roles.
	Before *Before
}
