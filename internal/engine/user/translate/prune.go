package translate

// The kernel's verifier knows what read-only data hold, and drops branches that they rule out: in an object they are how a loader switches parts of
// programs on and off. What is dropped there may be what cannot run here, so it is found out here too.

// Constant gives bytes of the value of a map that nobody changes, as a number; false for other maps.
type Constant func(name string, at uint64, width int) (uint64, bool)

// value is what is known of a register: nothing, a number, or an address in a value that nobody changes.
type value struct {
	kind valueKind
	n    uint64
	of   string
}

type valueKind uint8

const (
	anyValue valueKind = iota
	aNumber
	anAddress
)

// values of all registers before an instruction.
type values struct {
	regs [frameRegister + 1]value
	seen bool
}

func (v *values) join(way values) bool {
	if !v.seen {
		*v = way
		return true
	}
	changed := false
	for r := range v.regs {
		if v.regs[r].kind != anyValue && v.regs[r] != way.regs[r] {
			v.regs[r] = value{}
			changed = true
		}
	}
	return changed
}

// evaluate follows the ways through a program that its constant data leave open.
func evaluate(list []inst, constant Constant) []values {
	before := make([]values, len(list))
	before[0].seen = true
	work := []int{0}
	visit := func(i int, way values) {
		if i < len(list) && before[i].join(way) {
			work = append(work, i)
		}
	}
	for len(work) > 0 {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		in := &list[i]
		jumps, decided := in.decide(&before[i])
		after := in.evaluate(before[i], constant)
		if in.callsOwn() {
			visit(in.to, values{seen: true})
		}
		if in.branches() && (jumps || !decided) {
			visit(in.to, after)
		}
		if in.fallsThru() && !(decided && jumps) {
			visit(i+1, after)
		}
	}
	return before
}

// evaluate gives what is known after an instruction.
func (in *inst) evaluate(v values, constant Constant) values {
	switch in.class() {
	case classALU, classALU64:
		v.regs[in.dst] = in.compute(&v)
	case classLD:
		v.regs[in.dst] = value{}
		switch in.src {
		case wideNumber:
			v.regs[in.dst] = value{kind: aNumber, n: in.wide}
		case wideMapValue:
			v.regs[in.dst] = value{kind: anAddress, n: in.wide >> 32, of: in.ref}
		}
	case classLDX:
		base := v.regs[in.src]
		v.regs[in.dst] = value{}
		if base.kind == anAddress && in.mode() == modeMEM {
			if n, ok := constant(base.of, base.n+uint64(int64(in.off)), in.width()); ok {
				v.regs[in.dst] = value{kind: aNumber, n: n}
			}
		}
	case classSTX:
		if in.mode() == modeATOMIC { // one of them may be what is fetched
			v.regs[0], v.regs[in.src] = value{}, value{}
			if in.imm == atomicLoadAcquire {
				v.regs[in.dst] = value{}
			}
		}
	case classJMP:
		if in.isCall() {
			clear(v.regs[:6])
		}
	}
	return v
}

// compute is the result of an arithmetic instruction, as far as it is simple.
func (in *inst) compute(v *values) value {
	b := value{kind: aNumber, n: uint64(int64(in.imm))}
	if in.fromReg() {
		b = v.regs[in.src]
	}
	a, wide := v.regs[in.dst], in.class() == classALU64
	switch {
	case in.off != 0 || b.kind == anyValue:
		return value{}
	case in.code() == opMov && wide:
		return b
	case in.code() == opMov:
		a = value{kind: aNumber}
	case in.code() == opAdd && wide && a.kind == anAddress && b.kind == aNumber:
		a.n += b.n
		return a
	}
	if a.kind != aNumber || b.kind != aNumber {
		return value{}
	}
	bits := uint64(64)
	if !wide {
		bits, a.n, b.n = 32, a.n&(1<<32-1), b.n&(1<<32-1)
	}
	switch in.code() {
	case opMov:
		a.n = b.n
	case opAdd:
		a.n += b.n
	case opSub:
		a.n -= b.n
	case opAnd:
		a.n &= b.n
	case opOr:
		a.n |= b.n
	case opXor:
		a.n ^= b.n
	case opLsh:
		a.n <<= b.n & (bits - 1)
	case opRsh:
		a.n >>= b.n & (bits - 1)
	default:
		return value{}
	}
	if !wide {
		a.n &= 1<<32 - 1
	}
	return a
}

// decide says whether a conditional jump is taken, if that is known.
func (in *inst) decide(v *values) (jumps, known bool) {
	if !in.branches() || in.code() == opJa || in.code() == opMayGoto {
		return false, false
	}
	a, b := v.regs[in.dst], value{kind: aNumber, n: uint64(int64(in.imm))}
	if in.fromReg() {
		b = v.regs[in.src]
	}
	if a.kind != aNumber || b.kind != aNumber {
		return false, false
	}
	x, y := a.n, b.n
	s, t := int64(x), int64(y)
	if in.class() == classJMP32 {
		x, y = x&(1<<32-1), y&(1<<32-1)
		s, t = int64(int32(x)), int64(int32(y))
	}
	switch in.code() {
	case opJeq:
		return x == y, true
	case opJne:
		return x != y, true
	case opJgt:
		return x > y, true
	case opJge:
		return x >= y, true
	case opJlt:
		return x < y, true
	case opJle:
		return x <= y, true
	case opJset:
		return x&y != 0, true
	case opJsgt:
		return s > t, true
	case opJsge:
		return s >= t, true
	case opJslt:
		return s < t, true
	case opJsle:
		return s <= t, true
	}
	return false, false
}
