package trampoline

import (
	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// Count is a program that adds a number to a value which each slot has for itself, as long as there are enough. That is one
// instruction, which nothing of the same thread interrupts in the middle: it needs no context, and need not keep others out.
type Count struct {
	InSlot int32 // where slots have the address of the values
	Offset int32 // of the value, from there
	By     int32
}

// write counts and goes to done. A thread that has no slot where it is looked for first, or that has no value of its own, goes on
// behind it, as it came, for the gate to run the program.
func (n *Count) write(c *x86.Code, p Process, golang bool, done x86.Label) {
	slow := c.Label()
	if !golang {
		c.Lea(x86.RSP, x86.At(x86.RSP, -Red))
	}
	for _, r := range []x86.Reg{x86.RAX, x86.RCX, x86.RDX} {
		c.Push(r)
	}
	pushFlags(c)
	p.slot(c)
	c.Jcc(x86.NotEqual, slow)
	c.OpToImm(x86.Cmp, x86.Word, x86.At(x86.RCX, slotThread+shm.SlotOwn), 0)
	c.Jcc(x86.Equal, slow)
	c.Load(x86.Quad, x86.RAX, x86.At(x86.RCX, slotThread+n.InSlot))
	c.OpToImm(x86.Add, x86.Quad, x86.At(x86.RAX, n.Offset), n.By)
	n.back(c)
	if !golang {
		c.Lea(x86.RSP, x86.At(x86.RSP, Red))
	}
	c.Jmp(done)
	c.Bind(slow)
	n.back(c)
}

// back gives flags and registers back.
func (n *Count) back(c *x86.Code) {
	popFlags(c)
	for _, r := range []x86.Reg{x86.RDX, x86.RCX, x86.RAX} {
		c.Pop(r)
	}
}

// pushFlags pushes the flags that arithmetic changes; RAX is lost.
func pushFlags(c *x86.Code) {
	c.Raw(0x9f) // lahf: all but OF
	c.Setcc(x86.Overflow, x86.RAX)
	c.Push(x86.RAX)
}

// popFlags gives them back; RAX is lost.
func popFlags(c *x86.Code) {
	c.Pop(x86.RAX)
	c.Raw(0x04, 0x7f) // add $0x7f,%al: overflows when it is 1
	c.Raw(0x9e)       // sahf
}
