package target

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// endsWithUs is the signal that a command gets when the thread that started it ends. The kernel's own measure, PTRACE_O_EXITKILL, can only be asked
// for at the command's first stop: a child whose parent is killed between its fork and PTRACE_TRACEME would be traced by init, and stand still for good.
const endsWithUs = unix.SIGKILL

// machine is how a kind of program makes a system call, and where its registers are. Source: struct user_regs_struct and user_regs_struct32 of
// arch/x86/include/asm/user_64.h and user32.h, arch/x86/entry/syscalls.
type machine struct {
	word                         int // bytes of a register
	number, first, second, place int // registers, by their place among all
	original                     int // orig_rax: what system call it is in
	code                         []byte
	prctl                        uint64
}

// machineOf tells the kind by the size of all registers together.
func machineOf(size int) (machine, bool) {
	switch size {
	case 27 * 8:
		return machine{word: 8, number: 10, first: 14, second: 13, place: 16, original: 15, code: []byte{0x0f, 0x05}, prctl: unix.SYS_PRCTL}, true // syscall
	case 17 * 4:
		return machine{word: 4, number: 6, first: 0, second: 1, place: 12, original: 11, code: []byte{0xcd, 0x80}, prctl: 172}, true // int $0x80
	}
	return machine{}, false
}

func (m machine) set(regs []byte, i int, v uint64) {
	if m.word == 4 {
		binary.LittleEndian.PutUint32(regs[4*i:], uint32(v))
		return
	}
	binary.LittleEndian.PutUint64(regs[8*i:], v)
}

func (m machine) get(regs []byte, i int) uint64 {
	if m.word == 4 {
		return uint64(binary.LittleEndian.Uint32(regs[4*i:]))
	}
	return binary.LittleEndian.Uint64(regs[8*i:])
}

// outlive has a command that stands at its first instruction, and that PTRACE_O_EXITKILL ends with us, forget the signal: it makes the system call in
// the place of its own first instruction. No step is taken, which would end in a SIGTRAP that changes what a program inherits about that signal.
func outlive(pid int) error {
	own, err := registers(pid)
	if err != nil {
		return err
	}
	m, ok := machineOf(len(own))
	if !ok {
		return fmt.Errorf("%d bytes of registers", len(own))
	}
	call := append([]byte(nil), own...)
	m.set(call, m.original, ^uint64(0))
	m.set(call, m.number, m.prctl)
	m.set(call, m.first, unix.PR_SET_PDEATHSIG)
	m.set(call, m.second, 0)
	at := uintptr(m.get(own, m.place))
	code := make([]byte, len(m.code))
	if _, err := unix.PtracePeekText(pid, at, code); err != nil {
		return err
	}
	if _, err := unix.PtracePokeText(pid, at, m.code); err != nil {
		return err
	}
	if err := setRegisters(pid, call); err != nil {
		return err
	}
	signals, err := throughCall(pid)
	if err != nil {
		return err
	}
	if call, err = registers(pid); err != nil {
		return err
	}
	if got := m.get(call, m.number); got != 0 {
		return fmt.Errorf("prctl: %w", unix.Errno(-int32(got)))
	}
	if _, err := unix.PtracePokeText(pid, at, code); err != nil {
		return err
	}
	if err := setRegisters(pid, own); err != nil {
		return err
	}
	for _, signal := range signals {
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

// registers gives a stopped thread's general registers as its own kind of program has them.
func registers(pid int) ([]byte, error) {
	buf := make([]byte, 64*8)
	n, err := regset(unix.PTRACE_GETREGSET, pid, buf)
	return buf[:n], err
}

func setRegisters(pid int, regs []byte) error {
	_, err := regset(unix.PTRACE_SETREGSET, pid, regs)
	return err
}

func regset(request, pid int, buf []byte) (int, error) {
	const general = 1 // NT_PRSTATUS
	iov := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(pid), general, uintptr(unsafe.Pointer(&iov)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(iov.Len), nil
}
