package user

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/engine/user/trampoline"
)

// threads is how gates tell threads apart.
type threads struct {
	slots  trampoline.Slots
	fsBase bool  // the instruction that reads the FS base may be used
	tid    int32 // where threads have their number, from the FS base; 0 unknown
	goTID  int32 // where they may have it in Go code
}

func (im *image) gates() trampoline.Process {
	t, counters := im.threads, im.data()+uint64(im.layout.Size)
	return trampoline.Process{
		Private: im.region().Private.Addr, Slots: t.slots, Nested: counters + gateNested, Full: counters + gateFull,
		Children: im.plan.Filter.Children, FSBase: t.fsBase, TID: t.tid, GoTID: t.goTID,
	}
}

// learn finds out how threads of the process are told apart, and tells gates which process it is.
func (im *image) learn(slots trampoline.Slots) error {
	pid := im.process.PID
	im.threads = threads{slots: slots, fsBase: ReadsFSBase(pid)}
	bases := im.region().FSBases
	if !im.threads.fsBase && !pointToThemselves(pid, bases) {
		return notOffered("cannot tell the threads of process %d apart: this machine does not let programs read their FS base", pid)
	}
	im.threads.tid = tidOffset(pid, bases)
	if im.survey.keepsGoroutines(pid) {
		im.threads.goTID = goTIDOffset
	}
	return poke(pid, im.region().Private.Addr, trampoline.Head(pid))
}

// ReadsFSBase reports whether a process may use rdfsbase: bit 1 of AT_HWCAP2 (arch/x86/include/uapi/asm/hwcap2.h).
func ReadsFSBase(pid int) bool {
	const hwcap2, fsgsbase = 26, 1 << 1
	auxv, _ := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if binary.NativeEndian.Uint64(auxv) == hwcap2 {
			return binary.NativeEndian.Uint64(auxv[8:])&fsgsbase != 0
		}
	}
	return false
}

// pointToThemselves reports whether the first word at each FS base is the FS base, as the System V ABI asks of C libraries (ELF Handling For
// Thread-Local Storage, section 3.4.6).
func pointToThemselves(pid int, bases map[int]uint64) bool {
	for _, base := range bases {
		var word [8]byte
		if peek(pid, base, word[:]) != nil || binary.NativeEndian.Uint64(word[:]) != base {
			return false
		}
	}
	return len(bases) > 0
}

// tidOffsets are where C libraries and Go keep a thread's number, from its FS base: struct pthread of glibc and of musl, and
// procid of Go's m, whose tls the FS base points into. They are used only where every thread's number is found there.
func tidOffsets() []int32 { return []int32{0x2d0, 0x30, 0x38, goTIDOffset, -64} }

const goTIDOffset = -72

// tidOffset finds where the process's threads have their numbers, 0 when it does not show.
func tidOffset(pid int, bases map[int]uint64) int32 {
	for _, off := range tidOffsets() {
		all := len(bases) > 0
		for tid, base := range bases {
			var word [4]byte
			if base == 0 || peek(pid, base+uint64(int64(off)), word[:]) != nil || binary.NativeEndian.Uint32(word[:]) != uint32(tid) {
				all = false
				break
			}
		}
		if all {
			return off
		}
	}
	return 0
}

// peek reads memory of the process, poke writes it.
func peek(pid int, addr uint64, buf []byte) error {
	return transfer(unix.SYS_PROCESS_VM_READV, pid, addr, buf)
}

func poke(pid int, addr uint64, buf []byte) error {
	return transfer(unix.SYS_PROCESS_VM_WRITEV, pid, addr, buf)
}

func transfer(call uintptr, pid int, addr uint64, buf []byte) error {
	local := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(buf)}
	n, _, errno := unix.Syscall6(call, uintptr(pid), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	switch {
	case errno != 0:
		return fmt.Errorf("memory of process %d at %#x: %w", pid, addr, errno)
	case int(n) < len(buf):
		return fmt.Errorf("memory of process %d at %#x: %w", pid, addr, unix.EFAULT)
	}
	return nil
}
