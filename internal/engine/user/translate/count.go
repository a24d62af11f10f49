package translate

import (
	"github.com/cilium/ebpf/asm"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
)

// Count is all that a program does which counts the hits of each site: it adds a number to the value that the site's cookie tells, one that
// each slot has for itself.
type Count struct {
	Map  *shm.Map
	By   int32
	mask uint64 // of the cookie: the index
	off  int    // in the value
}

// Offset is where the value of a site is among those of a slot; false: the program does nothing there.
func (c *Count) Offset(cookie uint64) (int, bool) {
	index := cookie & c.mask
	return int(index)*c.Map.Stride + c.off, index < uint64(c.Map.Entries)
}

// CountOf recognises a program that only counts. Nil: it does more, or something that is not followed here.
func CountOf(ins asm.Instructions, l *shm.Layout) *Count {
	list, _, err := verify(ins)
	if err != nil {
		return nil
	}
	c := &counting{layout: l, stack: map[int]known{}}
	for i := range list {
		if list[i].isExit() {
			return c.count
		}
		if !c.step(list, i) {
			return nil
		}
	}
	return nil
}

// known is what a register or word of the stack holds while a program is followed along its one way.
type known struct {
	kind knownKind
	n    uint64 // a number; of a cookie, the bits that are left; on the stack and in a value, the distance from its start
	of   int    // the instruction that loaded the map
	mask uint64 // of a value: the cookie's bits that are its index
}

type knownKind uint8

const (
	unknown knownKind = iota
	number
	cookie
	stackAddress
	mapAddress
	valueAddress // not 0
)

// counting follows a program.
type counting struct {
	layout *shm.Layout
	regs   [frameRegister + 1]known
	stack  map[int]known // by distance from the frame
	count  *Count
}

// step follows one instruction; false: it is none that a count has.
func (c *counting) step(list []inst, i int) bool {
	in := &list[i]
	c.regs[frameRegister] = known{kind: stackAddress}
	switch in.class() {
	case classALU64, classALU:
		return c.arithmetic(in)
	case classLD:
		c.regs[in.dst] = known{kind: number, n: in.wide}
		if in.src == wideMap {
			c.regs[in.dst] = known{kind: mapAddress, of: i}
		}
		return in.src == wideMap || in.src == wideNumber
	case classLDX:
		return c.load(in)
	case classSTX:
		if in.mode() == modeATOMIC {
			return c.add(list, in)
		}
		return c.store(in)
	case classJMP:
		if in.isCall() {
			return c.call(list, in)
		}
		// Whether there is a value is asked of the cookie, in Offset.
		return in.code() == opJeq && !in.fromReg() && in.imm == 0 && c.regs[in.dst].kind == valueAddress && c.count == nil && list[in.to].leaves(list[in.to:])
	}
	return false
}

// leaves reports whether the instructions do nothing but end the program.
func (in *inst) leaves(rest []inst) bool {
	return len(rest) > 1 && in.class() == classALU64 && in.code() == opMov && !in.fromReg() && rest[1].isExit()
}

func (c *counting) arithmetic(in *inst) bool {
	dst := &c.regs[in.dst]
	wide := in.class() == classALU64
	switch {
	case in.off != 0:
		return false
	case in.code() == opMov && in.fromReg() && wide:
		*dst = c.regs[in.src]
	case in.code() == opMov && !in.fromReg() && in.imm >= 0:
		*dst = known{kind: number, n: uint64(in.imm)}
	case in.code() == opAnd && !in.fromReg() && in.imm >= 0 && dst.kind == cookie:
		dst.n &= uint64(in.imm)
	case in.code() == opAdd && !in.fromReg() && wide && dst.kind == stackAddress:
		dst.n += uint64(int64(in.imm))
	default:
		return false
	}
	return true
}

// store keeps what is stored on the stack; it is one place after the other, none over a part of another.
func (c *counting) store(in *inst) bool {
	to := c.regs[in.dst]
	if in.mode() != modeMEM || to.kind != stackAddress || c.regs[in.src].kind != cookie || in.width() < 4 {
		return false
	}
	at := int(to.n) + int(in.off)
	for other := range c.stack {
		if other != at && other > at-8 && other < at+8 {
			return false
		}
	}
	v := c.regs[in.src]
	if in.width() == 4 {
		v.n &= 1<<32 - 1
	}
	c.stack[at] = v
	return true
}

// load takes the lower bytes of what was stored.
func (c *counting) load(in *inst) bool {
	from := c.regs[in.src]
	v, ok := c.stack[int(from.n)+int(in.off)]
	if in.mode() != modeMEM || from.kind != stackAddress || !ok || in.width() < 4 || in.width() == 8 && v.n>>32 == 0 {
		return false
	}
	if in.width() == 4 {
		v.n &= 1<<32 - 1
	}
	c.regs[in.dst] = v
	return true
}

func (c *counting) call(list []inst, in *inst) bool {
	if in.src != 0 {
		return false
	}
	key, m := c.regs[2], c.regs[1]
	for r := range 6 {
		c.regs[r] = known{}
	}
	switch asm.BuiltinFunc(in.imm) {
	case asm.FnGetAttachCookie:
		c.regs[0] = known{kind: cookie, n: 1<<64 - 1}
		return true
	case asm.FnMapLookupElem:
		index, ok := c.stack[int(key.n)]
		if m.kind != mapAddress || key.kind != stackAddress || !ok {
			return false
		}
		of := c.layout.Map(list[m.of].ref)
		if of == nil || of.Kind != shm.PerCPUArray || !of.Own {
			return false
		}
		c.regs[0] = known{kind: valueAddress, of: m.of, mask: index.n & (1<<32 - 1)}
		return true
	}
	return false
}

// add is the one thing that the program does.
func (c *counting) add(list []inst, in *inst) bool {
	to, by := c.regs[in.dst], c.regs[in.src]
	if c.count != nil || in.imm != opAdd || in.width() != 8 || to.kind != valueAddress || by.kind != number || by.n >= 1<<31 {
		return false
	}
	m := c.layout.Map(list[to.of].ref)
	if in.off < 0 || int(in.off)+8 > m.Value {
		return false
	}
	c.count = &Count{Map: m, By: int32(by.n), mask: to.mask, off: int(in.off)}
	return true
}
