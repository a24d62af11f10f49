package inject

import (
	"debug/elf"
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

const machine = elf.EM_X86_64

// Supported says whether this machine's processes can be observed from inside, and if not, why.
func Supported() error { return nil }

// registers of a thread. orig_rax is the number of the system call that it is in, -1 none.
type registers = unix.PtraceRegs

// Requests that x/sys does not wrap. Source: include/uapi/linux/ptrace.h.
const (
	ptraceGetRegset   = 0x4204
	ptraceSeize       = 0x4206
	ptraceListen      = 0x4208
	ptraceGetSigmask  = 0x420a
	ptraceSetSigmask  = 0x420b
	ptraceGetRseq     = 0x420f
	ptraceEventStop   = 128
	ntPrFpreg         = 2
	ntX86Xstate       = 0x202
	syscallStop       = unix.SIGTRAP | 0x80 // with PTRACE_O_TRACESYSGOOD
	errRestartFirst   = 512                 // ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND: include/linux/errno.h
	errRestartLast    = 514
	errRestartBlock   = 516
	ptraceOptions     = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACEEXEC
	syscallInstLength = 2
	followOptions     = ptraceOptions | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE
	cldDumped         = 3 // CLD_EXITED, CLD_KILLED, CLD_DUMPED; above are the codes of stops
)

func ptrace(request, tid int, addr, data uintptr) error {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func seize(tid int) error { return ptrace(ptraceSeize, tid, 0, ptraceOptions) }

func sigmask(tid int) (uint64, error) {
	var mask uint64
	err := ptrace(ptraceGetSigmask, tid, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	return mask, err
}

func setSigmask(tid int, mask uint64) error {
	return ptrace(ptraceSetSigmask, tid, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
}

// xstate gives a thread's vector and floating-point state in the layout that signal frames have too: XSAVE's standard format, or
// FXSAVE's 512 bytes on processors without XSAVE.
func xstate(tid int) ([]byte, error) {
	state, err := regset(tid, ntX86Xstate)
	if errors.Is(err, unix.ENODEV) {
		return regset(tid, ntPrFpreg)
	}
	return state, err
}

func regset(tid, which int) ([]byte, error) {
	buf := make([]byte, 16<<10)
	iov := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	if err := ptrace(ptraceGetRegset, tid, uintptr(which), uintptr(unsafe.Pointer(&iov))); err != nil {
		return nil, err
	}
	return buf[:iov.Len], nil
}

// rseqArea gives the address of a thread's restartable-sequence area, 0 none. Kernels before 5.13 do not tell; then nothing is known to use
// it but the C library's CPU number.
func rseqArea(tid int) uint64 {
	var conf struct {
		pointer         uint64
		size, signature uint32
		flags, pad      uint32
	}
	if ptrace(ptraceGetRseq, tid, unsafe.Sizeof(conf), uintptr(unsafe.Pointer(&conf))) != nil {
		return 0
	}
	return conf.pointer
}
