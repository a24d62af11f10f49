package user

import (
	"os"
	"testing"
	"unsafe"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/target"
)

// What is read without asking the kernel is memory of the program's own file and of its first stack, readable every byte of it.
func TestOnlyMemoryThatStaysIsKnown(t *testing.T) {
	mem := make([]byte, 4096)
	if err := NewSurvey().known(mem, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	process, err := target.Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	maps, err := process.Maps()
	if err != nil {
		t.Fatal(err)
	}
	stack, ranges := shm.Known(mem)
	if len(ranges) == 0 || stack.End <= stack.Start+stackGap {
		t.Errorf("stack %x, ranges %x", stack, ranges)
	}
	for _, r := range ranges {
		for at := r.Start; at < r.End; at += 4096 {
			found := false
			for _, m := range maps {
				found = found || at >= m.Start && at < m.End && m.Perms[0] == 'r' && m.Path == process.Exe
			}
			if !found {
				t.Errorf("%#x is not the program's", at)
			}
		}
	}
	literal := uint64(uintptr(unsafe.Pointer(unsafe.StringData("a text of the program"))))
	inside := false
	for _, r := range ranges {
		inside = inside || literal >= r.Start && literal < r.End
	}
	if !inside {
		t.Errorf("a literal at %#x is not known, of %x", literal, ranges)
	}
}
