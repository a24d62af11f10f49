// Package translate turns eBPF programs into x86-64 machine code that runs in the observed process.
//
// In: the instructions of a program, and where the maps and routines of the process's region are. Out: machine code. Invariant:
// the code does to registers and memory what the kernel does for the same program, and an instruction that is not known to the last bit is
// refused. It must not know what programs are for, or how their code gets into the process.
//
// The code is a function of the System V ABI: it takes a context (shm.Context) in RDI, the slot's address in R12 if a gate calls it, and gives the program's result in EAX. It keeps
// what a function must keep, uses no vector registers, and takes less than FrameSize bytes of stack. Registers:
//
//	r0   r1   r2   r3   r4   r5  r6   r7   r8   r9   r10      free in between
//	rax  rdi  rsi  rdx  rcx  r8  rbx  r13  r14  r15  rbp      r9  r10  r11    r12 the slot
//
// and the frame:
//
//	       return address
//	       rbp, and those of rbx, r13, r14, r15, r12 that the program uses
//	       the context              if the program calls anything
//	rbp -> rounds left in loops     if the program has may_goto
//	       512 bytes of the program's own stack
//
// A program of several functions has such a frame for each that was called, with as much stack as that one uses.
package translate

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/codegen"
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// registers says where the registers of eBPF are, as the kernel's own translator has them (arch/x86/net/bpf_jit_comp.c).
func registers() [frameRegister + 1]x86.Reg {
	return [...]x86.Reg{x86.RAX, x86.RDI, x86.RSI, x86.RDX, x86.RCX, x86.R8, x86.RBX, x86.R13, x86.R14, x86.R15, x86.RBP}
}

// Registers between instructions.
const (
	temp   = x86.R11
	spare  = x86.R10
	spare2 = x86.R9
	// slotReg has the address of the slot in programs that call helpers which want it.
	slotReg = x86.R12
)

// rounds is how often a program passes its may_goto instructions at most: BPF_MAX_LOOPS of kernel 6.9.
const rounds = 8 << 20

// FrameSize bounds the stack that the code of a program takes, its routines included.
const FrameSize = 2048

// translator is the state of one translation, the lower half of it that of the function at hand.
type translator struct {
	*x86.Code
	env     *Env
	list    []inst
	before  []facts
	labels  []x86.Label
	entries map[int]x86.Label // of functions, by their first instruction
	reg     [frameRegister + 1]x86.Reg

	joins  []bool   // by instruction: jumps lead to it
	ahead  []regSet // by instruction: registers that are read from it on
	behind []regSet // and behind it
	bits   []inst   // of codegen.BitLength

	function
	saved []x86.Reg
	out   x86.Label
	// cold is code that is seldom run: it comes behind the function, so that what is run often has few jumps.
	cold []func() error
	// helpers and loops say which words the frame has, slots that the slot has a register.
	helpers, loops, slots bool
	// alone: the slot has values for itself, and knows where they are.
	alone bool
	// fronted: so it has fronts of tables.
	fronted bool
	at      int // the instruction at hand
	decides int // the instruction behind it, if that is translated with it
	next    int // where translation goes on
}

// Translate gives the machine code of a program for the address env.Base. Errors name the instruction, counted as jumps count.
func Translate(ins asm.Instructions, env *Env) ([]byte, error) {
	list, before, err := verify(ins)
	if err != nil {
		return nil, err
	}
	t := &translator{Code: &x86.Code{}, env: env, list: list, before: before, reg: registers(), entries: map[int]x86.Label{}, joins: joinsOf(list)}
	if t.bits, err = decode(codegen.BitLength()); err != nil {
		return nil, err
	}
	t.ahead, t.behind = t.lives()
	if err := t.translate(); err != nil {
		return nil, fmt.Errorf("translation: %w", err)
	}
	return t.Assemble(env.Base)
}

func (t *translator) translate() error {
	all, err := functions(t.list, t.before)
	if err != nil {
		return err
	}
	for range t.list {
		t.labels = append(t.labels, t.Label())
	}
	for _, f := range all {
		t.entries[f.from] = t.Label()
	}
	for _, f := range all {
		t.function = f
		t.Bind(t.entries[f.from])
		if err := t.body(); err != nil {
			return err
		}
	}
	return nil
}

// body translates the function at hand.
func (t *translator) body() error {
	t.survey()
	t.enter()
	t.alone, t.fronted = false, false
	own := t.asksOften()
	if own == 0 {
		return t.instructions()
	}
	shared := t.ownsValues(own)
	if err := t.instructions(); err != nil {
		return err
	}
	t.Bind(shared)
	t.alone, t.fronted, t.out = false, false, t.Label()
	for i := t.from; i < t.to; i++ {
		t.labels[i] = t.Label()
	}
	return t.instructions()
}

// asksOften reports whether a program asks so often whether the slot has values for itself that it is better asked once, and the program
// translated twice: it gives how many slots have, 0 if it does not.
func (t *translator) asksOften() (own int) {
	if len(t.entries) > 1 {
		return 0
	}
	asked := 0
	for i := t.from; i < t.to; i++ {
		if f := &t.before[i]; f.seen && t.ownValue(&t.list[i], f) {
			m, err := t.env.mapOf(&t.list[f.regs[t.list[i].dst].n])
			if asked++; err == nil && asked > 2 {
				own = m.Copies / 2
			}
		}
	}
	return own
}

// ownsValues goes to a label unless the slot has values for itself. As long as a program runs it has, or has not.
func (t *translator) ownsValues(own int) (not x86.Label) {
	not = t.Label()
	t.OpToImm(x86.Cmp, x86.Word, x86.At(slotReg, shm.SlotOwn), 0)
	t.Jcc(x86.Equal, not)
	t.alone, t.fronted = true, shm.Fronts(own)
	return not
}

// instructions translates those of the function at hand, and its end.
func (t *translator) instructions() error {
	t.decides = -1
	if err := t.stretch(t.from, t.to); err != nil {
		return err
	}
	t.leave()
	for i := 0; i < len(t.cold); i++ { // there may come more
		if err := t.cold[i](); err != nil {
			return err
		}
	}
	t.cold = nil
	return nil
}

// stretch translates the instructions between two.
func (t *translator) stretch(from, to int) error {
	for i := from; i < to; i++ {
		t.Bind(t.labels[i])
		if !t.before[i].seen || t.list[i].class() != classLD && t.idle(i) || t.asksForValue(i) || i > t.from && t.jumpsOverJump(i-1) {
			continue
		}
		if t.reloads(i) {
			continue
		}
		if t.fuse(i) {
			i++
			t.Bind(t.labels[i])
			continue
		}
		if n := t.bitLength(i); n > 0 {
			for range n - 1 {
				i++
				t.Bind(t.labels[i])
			}
			continue
		}
		t.next = i + 1
		if err := t.instruction(i); err != nil {
			return t.list[i].wrong(err)
		}
		i = t.pass(i)
	}
	return nil
}

// pass goes on behind what was translated with an instruction, or put aside.
func (t *translator) pass(i int) int {
	if t.decides == i+1 {
		i++
		t.Bind(t.labels[i])
	}
	return max(i, t.next-1)
}

// aside keeps code for later that is seldom run.
func (t *translator) aside(code func()) {
	t.cold = append(t.cold, func() error {
		code()
		return nil
	})
}

func (t *translator) instruction(i int) error {
	in := &t.list[i]
	t.at = i
	switch in.class() {
	case classALU:
		t.arithmetic(in, x86.Word)
	case classALU64:
		t.arithmetic(in, x86.Quad)
	case classJMP:
		if in.callsOwn() {
			t.callOwn(in)
			return nil
		}
		if in.isCall() {
			return t.call(i)
		}
		t.jump(in, x86.Quad, i)
	case classJMP32:
		t.jump(in, x86.Word, i)
	case classLD:
		return t.wide(in, t.idle(i))
	default:
		if t.ownValue(in, &t.before[i]) {
			t.unlocked(in)
			return nil
		}
		t.memory(in)
	}
	return nil
}

// wide loads 64 bits: a number, a map, or the address of a map's value.
func (t *translator) wide(in *inst, idle bool) error {
	v := in.wide
	if in.src != wideNumber {
		addr, err := t.env.mapAddress(in)
		if err != nil {
			return err
		}
		v = addr
	}
	if !idle {
		t.MovImm(t.reg[in.dst], v)
	}
	return nil
}

// callOwn calls a function of the program, with the context in R9 for the helpers that it calls.
func (t *translator) callOwn(in *inst) {
	t.Load(x86.Quad, x86.R9, t.context())
	t.Call(t.entries[in.to])
}
