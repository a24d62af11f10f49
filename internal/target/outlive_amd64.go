package target

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// endsWithUs is the signal that a command gets when the thread that started it ends. The kernel's own measure, PTRACE_O_EXITKILL, can only be asked
// for at the command's first stop: a child whose parent is killed between its fork and PTRACE_TRACEME would be traced by init, and stand still for good.
const endsWithUs = unix.SIGKILL

// Selectors of code segments (arch/x86/include/asm/segment.h) and what makes a system call there. A program of 32 bits has other numbers.
const (
	userCode32 = 0x23
	prctl32    = 172 // arch/x86/entry/syscalls/syscall_32.tbl
)

// outlive has a command that stands at its first instruction, and that PTRACE_O_EXITKILL ends with us, forget the signal: it makes the system call in
// the place of its own first instruction. No step is taken, which would end in a SIGTRAP that changes what a program inherits about that signal.
func outlive(pid int) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &regs); err != nil {
		return err
	}
	call, code := regs, []byte{0x0f, 0x05} // syscall
	call.Orig_rax = ^uint64(0)
	call.Rax, call.Rdi, call.Rsi = unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, 0
	if regs.Cs == userCode32 {
		code = []byte{0xcd, 0x80} // int $0x80
		call.Rax, call.Rbx, call.Rcx = prctl32, unix.PR_SET_PDEATHSIG, 0
	}
	own := make([]byte, len(code))
	if _, err := unix.PtracePeekText(pid, uintptr(regs.Rip), own); err != nil {
		return err
	}
	if _, err := unix.PtracePokeText(pid, uintptr(regs.Rip), code); err != nil {
		return err
	}
	if err := unix.PtraceSetRegs(pid, &call); err != nil {
		return err
	}
	stopped, err := throughCall(pid)
	if err != nil {
		return err
	}
	if err := unix.PtraceGetRegs(pid, &call); err != nil {
		return err
	}
	if call.Rax != 0 {
		return fmt.Errorf("prctl: %w", unix.Errno(-int64(call.Rax)))
	}
	if _, err := unix.PtracePokeText(pid, uintptr(regs.Rip), own); err != nil {
		return err
	}
	if err := unix.PtraceSetRegs(pid, &regs); err != nil {
		return err
	}
	for _, signal := range stopped {
		if err := unix.Kill(pid, signal); err != nil {
			return err
		}
	}
	return nil
}

// throughCall runs a thread to a system call and behind it. Signals that come meanwhile it is to get once more.
func throughCall(pid int) (signals []unix.Signal, err error) {
	const atCall = unix.SIGTRAP | 0x80 // PTRACE_O_TRACESYSGOOD
	for edges := 0; edges < 2; {
		if err := unix.PtraceSyscall(pid, 0); err != nil {
			return nil, err
		}
		var status unix.WaitStatus
		if _, err := retried(func() (int, error) { return unix.Wait4(pid, &status, unix.WALL, nil) }); err != nil {
			return nil, err
		}
		switch {
		case !status.Stopped():
			return nil, fmt.Errorf("the command ended before its first instruction: %v", describe(status))
		case status.StopSignal() == atCall:
			edges++
		default:
			signals = append(signals, status.StopSignal())
		}
	}
	return signals, nil
}
