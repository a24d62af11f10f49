//go:build linux && amd64

package local_test

import (
	"runtime"
	"testing"

	"github.com/sonde-project/sonde/internal/engine/user/local"
	"github.com/sonde-project/sonde/internal/engine/user/x86"
)

func TestCodeRunsOnItsOwnStackAndGoGoesOn(t *testing.T) {
	s, err := local.Map(4096)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	add, err := s.Put(func(c *x86.Code) {
		for r := x86.RBX; r <= x86.R15; r++ {
			if r != x86.RSP && r != x86.RDI {
				c.MovImm(r, 0xdeadbeef) // Go must not mind
			}
		}
		c.Lea(x86.RAX, x86.At(x86.RDI, 1))
		c.Ret()
	})
	if err != nil {
		t.Fatal(err)
	}
	where, err := s.Put(func(c *x86.Code) { c.Mov(x86.Quad, x86.RAX, x86.RSP); c.Ret() })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	stack, err := local.NewStack()
	if err != nil {
		t.Fatal(err)
	}
	defer stack.Close()
	for i := range uint64(10000) {
		if got := s.Call(stack, add, i); got != i+1 {
			t.Fatalf("%d + 1 = %d", i, got)
		}
		if i%1000 == 0 {
			runtime.GC()
		}
	}
	if low, high := stack.Bounds(); s.Call(stack, where, 0) < low || s.Call(stack, where, 0) >= high {
		t.Error("the code ran on another stack")
	}
}

func TestFullMemoryForCodeIsAnError(t *testing.T) {
	s, err := local.Map(1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.PutBytes(make([]byte, 1<<20)); err == nil {
		t.Error("no error")
	}
}
