package translate

import (
	"errors"
	"fmt"
	"slices"
)

// function is a part of a program that is called: its instructions, and how much stack it uses.
type function struct{ from, to, stack int }

const (
	// frameWords bounds what a frame has beside the program's own stack: the return address, seven registers, the context.
	frameWords = 9 * 8
	// deepest is what all frames of a chain of calls may take: a routine comes on top.
	deepest = FrameSize - 640
)

// functions cuts a program into the one that is its beginning and those that it calls, and sees to it that no chain of calls takes more stack than a
// program may. A program of one function has the kernel's whole stack, whatever it uses.
func functions(list []inst, before []facts) ([]function, error) {
	starts := []int{0}
	for i := range list {
		if list[i].callsOwn() && before[i].seen {
			starts = append(starts, list[i].to)
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	if len(starts) == 1 {
		return []function{{0, len(list), stackSize}}, nil
	}
	all := make([]function, len(starts))
	for n, from := range starts {
		to := len(list)
		if n+1 < len(starts) {
			to = starts[n+1]
		}
		all[n] = function{from, to, depth(list[from:to], before[from:to])}
	}
	for i := range all {
		if err := all[i].closed(list, before); err != nil {
			return nil, err
		}
	}
	c := chain{all, list, before, map[int]int{}}
	if _, err := c.below(0, 1); err != nil {
		return nil, err
	}
	return all, nil
}

// depth is how much stack a function uses, as far as it shows: all there is, where an address on the stack is computed.
func depth(list []inst, before []facts) int {
	lowest := 0
	for i := range list {
		in, f := &list[i], &before[i]
		if !f.seen {
			continue
		}
		for _, r := range f.regs {
			if r.kind == onStack {
				lowest = min(lowest, r.n)
			}
		}
		if base, ok := in.address(); ok && f.regs[base].kind == onStack {
			lowest = min(lowest, f.regs[base].n+int(in.off))
		}
		if in.class() == classALU64 && in.fromReg() && in.code() != opMov && (f.regs[in.dst].kind == onStack || f.regs[in.src].kind == onStack) {
			return stackSize
		}
	}
	return min((-lowest+15)&^15, stackSize)
}

// closed refuses a function that goes on in another one.
func (f *function) closed(list []inst, before []facts) error {
	for i := f.from; i < f.to; i++ {
		in := &list[i]
		if before[i].seen && (in.branches() && (in.to < f.from || in.to >= f.to) || in.fallsThru() && i+1 == f.to) {
			return in.wrong(errors.New("a way out of a function that is no return"))
		}
	}
	return nil
}

// chain adds up the stack of functions that call each other.
type chain struct {
	all    []function
	list   []inst
	before []facts
	known  map[int]int // by function
}

// below is the stack that a function and those that it calls take, at most.
func (c *chain) below(n, calls int) (int, error) {
	const most = 8 // MAX_CALL_FRAMES
	if calls > most {
		return 0, fmt.Errorf("calls of functions that are more than %d deep", most)
	}
	if size, ok := c.known[n]; ok {
		return size, nil
	}
	f, deeper := &c.all[n], 0
	for i := f.from; i < f.to; i++ {
		if !c.before[i].seen || !c.list[i].callsOwn() {
			continue
		}
		callee := slices.IndexFunc(c.all, func(g function) bool { return g.from == c.list[i].to })
		size, err := c.below(callee, calls+1)
		if err != nil {
			return 0, err
		}
		deeper = max(deeper, size)
	}
	size := f.stack + frameWords + deeper
	if size > deepest {
		return 0, fmt.Errorf("functions that take %d bytes of stack together", size)
	}
	c.known[n] = size
	return size, nil
}
