package user

import (
	"fmt"

	"github.com/sonde-project/sonde/internal/engine/user/shm"
	"github.com/sonde-project/sonde/internal/target"
)

// stackGap is how far below a stack that grows the kernel keeps other mappings away (stack_guard_gap).
const stackGap = 1 << 20

// known says what memory of a process is there as long as it lives: the stack that it began with, above the stack pointer, and what it maps of
// its own program's file, which nobody unloads. The rest is read through the kernel.
func (s *Survey) known(mem []byte, pid int) error {
	process, err := target.Open(pid)
	if err != nil {
		return err
	}
	maps, err := process.Maps()
	if err != nil {
		return err
	}
	var ranges []shm.Range
	for _, m := range maps {
		if m.Path == "[stack]" {
			shm.SetStack(mem, shm.Range{Start: m.Start - stackGap, End: m.End})
		}
		if m.Deleted || m.Path != process.Exe || m.Perms[0] != 'r' {
			continue
		}
		if last := len(ranges) - 1; last >= 0 && ranges[last].End == m.Start {
			ranges[last].End = m.End
		} else if len(ranges) < shm.MaxRanges {
			ranges = append(ranges, shm.Range{Start: m.Start, End: m.End})
		}
	}
	if s.keepsGoroutines(pid) {
		shm.SetGo(mem)
	}
	return shm.SetRanges(mem, ranges)
}

// keepsGoroutines reports whether the process runs a Go program with no thread-local variable but the one for the goroutine: then that lies
// just below the FS base, be it Go that makes the threads or a C library (ELF Handling For Thread-Local Storage, section 3.4.6).
func (s *Survey) keepsGoroutines(pid int) bool {
	return s.manner(fmt.Sprintf("/proc/%d/exe", pid)).goroutines
}
