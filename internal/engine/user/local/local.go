//go:build linux && amd64

// Package local runs generated machine code in this very process: programs that run before and after the observation, and what tests
// try out.
//
// In: code of the System V ABI. Out: what it returns. Invariant: the code runs on a stack of its own, on one thread, and whatever
// registers Go relies on are as they were. It must not know where the code comes from.
package local

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

// Space is memory for code. It is written first and sealed then; from then on it can be called.
type Space struct {
	mem   []byte
	used  int
	entry unsafe.Pointer // what a Go function value points at: the address of the bridge
}

// Stack is memory for one call at a time.
type Stack struct{ mem []byte }

// stackSize is more than any code here may take; signals of Go have a stack of their own.
const stackSize = 64 << 10

// Map makes a space of a size that is rounded up to pages.
func Map(size int) (*Space, error) {
	page := unix.Getpagesize()
	size = (size + page + page - 1) &^ (page - 1)
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("memory for code: %w", err)
	}
	s := &Space{mem: mem}
	at, err := s.Put(bridge)
	if err != nil {
		s.Close()
		return nil, err
	}
	s.entry = unsafe.Pointer(&mem[at-s.Addr()])
	return s, nil
}

// Addr is the address of the space.
func (s *Space) Addr() uint64 { return uint64(uintptr(unsafe.Pointer(&s.mem[0]))) }

// Next is the address that the next Put gets.
func (s *Space) Next() uint64 { return s.Addr() + uint64(s.used) }

// Put appends code, which is made for the address that it gets, and gives that address.
func (s *Space) Put(write func(c *x86.Code)) (uint64, error) {
	c := &x86.Code{}
	write(c)
	code, err := c.Assemble(s.Next())
	if err != nil {
		return 0, err
	}
	return s.PutBytes(code)
}

// PutBytes appends finished code.
func (s *Space) PutBytes(code []byte) (uint64, error) {
	if len(code) > len(s.mem)-s.used {
		return 0, fmt.Errorf("memory for code: %d bytes more than %d", s.used+len(code)-len(s.mem), len(s.mem))
	}
	at := s.Next()
	copy(s.mem[s.used:], code)
	s.used = (s.used + len(code) + 15) &^ 15
	return at, nil
}

// Seal makes the space executable, and no longer writable.
func (s *Space) Seal() error {
	if err := unix.Mprotect(s.mem, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return fmt.Errorf("memory for code: %w", err)
	}
	return nil
}

// Close gives the memory back.
func (s *Space) Close() error { return unix.Munmap(s.mem) }

// NewStack makes a stack.
func NewStack() (*Stack, error) {
	mem, err := unix.Mmap(-1, 0, stackSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("memory for a stack: %w", err)
	}
	return &Stack{mem}, nil
}

// Bounds are the lowest address of the stack and the one behind the highest.
func (s *Stack) Bounds() (low, high uint64) {
	low = uint64(uintptr(unsafe.Pointer(&s.mem[0])))
	return low, low + uint64(len(s.mem))
}

// Close gives the memory back.
func (s *Stack) Close() error { return unix.Munmap(s.mem) }

// Call calls the code at an address with one argument.
func (s *Space) Call(stack *Stack, code, arg uint64) uint64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, high := stack.Bounds()
	value := unsafe.Pointer(&s.entry)
	return (*(*func(stack, code, arg uint64) uint64)(unsafe.Pointer(&value)))(high, code, arg)
}

// bridge is a function of Go's ABIInternal: arguments in RAX, RBX and RCX, the result in RAX; RSP, RBP and R14 are kept, X15 is not
// touched.
func bridge(c *x86.Code) {
	c.Push(x86.RBP)
	c.Push(x86.R14)
	c.Push(x86.R15)
	c.Mov(x86.Quad, x86.R10, x86.RSP)
	c.Mov(x86.Quad, x86.RSP, x86.RAX)
	c.Push(x86.R10)
	c.Mov(x86.Quad, x86.RDI, x86.RCX)
	c.CallReg(x86.RBX)
	c.Pop(x86.RSP)
	c.Pop(x86.R15)
	c.Pop(x86.R14)
	c.Pop(x86.RBP)
	c.Ret()
}
