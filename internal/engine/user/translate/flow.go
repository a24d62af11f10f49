package translate

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// fact is what is known about a register before an instruction.
type fact struct {
	kind factKind
	n    int // of a map, and of a value in it: the instruction that loaded the map; on the stack and in the context: the distance from its start
	// key is where on the stack the key lies that a value was found by, as it was then; 0: that is not known.
	key int
}

// known is the fact without what may be forgotten of it.
func (f fact) known() fact { return fact{kind: f.kind, n: f.n} }

type factKind uint8

const (
	anything factKind = iota
	aMap
	onStack
	inContext
	valueOf // or 0: what a look-up gave
	unset   // nothing was stored in it
)

// facts of all registers. seen is false for instructions that nothing leads to; called is true in functions that the program calls, which need not
// give anything back.
type facts struct {
	regs   [frameRegister + 1]fact
	seen   bool
	called bool
}

// flow follows all ways through a program, and refuses one that leaves it, reads what was never set, or reaches beyond its stack. Memory
// that is not on the stack is not followed: programs are made by our own generator.
func flow(list []inst) ([]facts, error) {
	if len(list) == 0 {
		return nil, errors.New("an empty program")
	}
	before := make([]facts, len(list))
	start := facts{seen: true}
	for r := range start.regs {
		start.regs[r].kind = unset
	}
	start.regs[1].kind = inContext
	start.regs[frameRegister] = fact{kind: onStack}
	before[0] = start
	work := []int{0}
	for len(work) > 0 {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		in := &list[i]
		if err := in.checkUse(&before[i]); err != nil {
			return nil, in.wrong(err)
		}
		after := in.follow(before[i], i)
		if in.callsOwn() && before[in.to].join(entered()) {
			work = append(work, in.to)
		}
		if in.branches() && before[in.to].join(after) {
			work = append(work, in.to)
		}
		if in.fallsThru() {
			if i+1 == len(list) {
				return nil, in.wrong(errors.New("the program runs over its end"))
			}
			if before[i+1].join(after) {
				work = append(work, i+1)
			}
		}
	}
	return before, nil
}

// entered is what a function that is called knows: where its own stack is.
func entered() facts {
	f := facts{seen: true, called: true}
	f.regs[0].kind = unset
	for r := 6; r <= 9; r++ {
		f.regs[r].kind = unset
	}
	f.regs[frameRegister] = fact{kind: onStack}
	return f
}

// join adds a way that leads to an instruction, and reports whether less is known now. Facts only ever get fewer, so
// this ends.
func (f *facts) join(way facts) bool {
	if !f.seen {
		*f = way
		return true
	}
	changed := false
	for r := range f.regs {
		if was := f.regs[r]; was != way.regs[r] && was.kind != unset {
			now := fact{}
			switch {
			case way.regs[r].kind == unset:
				now.kind = unset
			case was.known() == way.regs[r].known():
				now = was.known()
			}
			changed = changed || now != was
			f.regs[r] = now
		}
	}
	return changed
}

// uses lists the registers that an instruction reads.
func (in *inst) uses() []uint8 {
	switch in.class() {
	case classALU, classALU64:
		switch {
		case in.code() == opMov && in.fromReg():
			return []uint8{in.src}
		case in.code() == opMov:
			return nil
		case in.fromReg() && in.code() != opEnd:
			return []uint8{in.dst, in.src}
		}
		return []uint8{in.dst}
	case classLDX:
		return []uint8{in.src}
	case classST:
		return []uint8{in.dst}
	case classSTX:
		switch {
		case in.mode() == modeATOMIC && in.imm == atomicLoadAcquire:
			return []uint8{in.src}
		case in.mode() == modeATOMIC && in.imm == atomicCmpxchg:
			return []uint8{0, in.dst, in.src}
		}
		return []uint8{in.dst, in.src}
	case classJMP, classJMP32:
		switch {
		case in.isExit():
			return []uint8{0}
		case in.isCall() || in.code() == opJa || in.code() == opMayGoto:
			return nil
		case in.fromReg():
			return []uint8{in.dst, in.src}
		}
		return []uint8{in.dst}
	}
	return nil
}

func (in *inst) checkUse(f *facts) error {
	for _, r := range in.uses() {
		if f.regs[r].kind == unset && !(f.called && in.isExit()) {
			return fmt.Errorf("register r%d is read and was not set on every way", r)
		}
	}
	base, ok := in.address()
	if !ok {
		return nil
	}
	at := f.regs[base].n + int(in.off)
	if f.regs[base].kind == inContext && (at < 0 || at+in.width() > shm.ContextCookie || in.class() != classLDX) {
		return fmt.Errorf("%d bytes at %d of the context", in.width(), at)
	}
	if f.regs[base].kind != onStack {
		return nil
	}
	if at < -stackSize || at+in.width() > 0 {
		return fmt.Errorf("%d bytes at %d, beyond the stack of %d", in.width(), at, stackSize)
	}
	return nil
}

// address is the register that a load or store is relative to.
func (in *inst) address() (uint8, bool) {
	switch in.class() {
	case classLDX:
		return in.src, true
	case classSTX:
		if in.mode() == modeATOMIC && in.imm == atomicLoadAcquire {
			return in.src, true
		}
		return in.dst, true
	case classST:
		return in.dst, true
	}
	return 0, false
}

// follow gives what is known after an instruction.
func (in *inst) follow(f facts, i int) facts {
	if from, to, yes := in.disturbs(&f); yes {
		f.forgetKeys(from, to)
	}
	switch in.class() {
	case classALU64:
		f.regs[in.dst] = in.result(&f)
	case classALU, classLDX:
		f.regs[in.dst] = fact{}
	case classLD:
		f.regs[in.dst] = fact{}
		if in.src == wideMap {
			f.regs[in.dst] = fact{kind: aMap, n: i}
		}
	case classSTX:
		if in.mode() != modeATOMIC {
			break
		}
		switch {
		case in.imm == atomicLoadAcquire:
			f.regs[in.dst] = fact{}
		case in.imm == atomicCmpxchg:
			f.regs[0] = fact{}
		case in.imm&atomicFetch != 0:
			f.regs[in.src] = fact{}
		}
	case classJMP:
		if in.isCall() {
			found := fact{}
			if asm.BuiltinFunc(in.imm) == asm.FnMapLookupElem && in.src == 0 && f.regs[1].kind == aMap {
				found = fact{kind: valueOf, n: f.regs[1].n}
				if f.regs[2].kind == onStack {
					found.key = f.regs[2].n
				}
			}
			f.regs[0] = found
			for r := 1; r <= 5; r++ {
				f.regs[r] = fact{kind: unset}
			}
		}
	}
	return f
}

// result follows pointers to the stack and the context through copies and constants added.
func (in *inst) result(f *facts) fact {
	switch {
	case in.code() == opMov && in.fromReg() && in.off == 0:
		return f.regs[in.src]
	case f.regs[in.dst].kind == valueOf && in.code() == opAdd:
		return f.regs[in.dst].known() // at an offset that does not matter
	case in.fromReg() || in.code() != opAdd && in.code() != opSub:
	case f.regs[in.dst].kind != onStack && f.regs[in.dst].kind != inContext:
	case in.code() == opAdd:
		return fact{kind: f.regs[in.dst].kind, n: f.regs[in.dst].n + int(in.imm)}
	default:
		return fact{kind: f.regs[in.dst].kind, n: f.regs[in.dst].n - int(in.imm)}
	}
	return fact{}
}
