package inject

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// startup is a program whose dynamic linker works: it stops at each of its system calls. Breakpoints would tell when the libraries are
// there in fewer stops, and end the program if we died before them.
type startup struct {
	linker Span   // its code
	state  uint64 // address of the state of its list of objects (struct r_debug, r_map at +8, r_state at +24); 0 unknown
	inside bool   // a system call has begun
	// threaded: the first thread is set up, so that it can be told from others.
	threaded bool
}

// startup looks how a program that is held at its first instruction begins. nil: it has no dynamic linker, or nothing is known of it.
func (f *Follower) startup(pid int) *startup {
	p, err := f.held(pid)
	if err != nil {
		return nil
	}
	maps, err := p.mappings()
	if err != nil {
		return nil
	}
	h := &hold{Process: p, maps: maps}
	aux, err := h.auxiliary()
	if err != nil || aux[auxBase] == 0 {
		return nil
	}
	s := &startup{}
	if _, state := h.linker(aux[auxBase]); state != 0 {
		s.state = state - 24
	}
	for i, m := range maps {
		if m.Start != aux[auxBase] {
			continue
		}
		for _, n := range maps[i:] {
			if n.Ino == m.Ino && n.Dev == m.Dev && n.Exec() {
				s.linker = Span{n.Start, n.End}
			}
		}
	}
	if s.linker.End == 0 {
		return nil
	}
	return s
}

// inStartup sees a system call of such a program, at its beginning and at its end: there, others can be made in its place.
func (f *Follower) inStartup(pid int) {
	s := f.starting[pid]
	var regs registers
	if s == nil || unix.PtraceGetRegs(pid, &regs) != nil {
		f.resume(pid, 0)
		return
	}
	s.inside = !s.inside
	switch {
	case s.inside:
	case !s.linker.contains(regs.Rip), listed(pid, s.state):
		delete(f.starting, pid)
		f.show(pid)
	case regs.Orig_rax == unix.SYS_SET_TID_ADDRESS:
		s.threaded = true
		f.settle(pid, &regs)
		f.show(pid)
	case regs.Orig_rax == unix.SYS_MPROTECT && regs.Rdx == unix.PROT_READ && !s.threaded:
		s.threaded = true // by glibc's linker before 2.34, which says nothing about threads and has all libraries by now
		f.show(pid)
	case regs.Orig_rax == unix.SYS_MMAP && regs.Rdx&unix.PROT_EXEC != 0 && int32(regs.R8) >= 0 && s.threaded:
		f.show(pid)
	}
	f.resume(pid, 0)
}

// settle notes the thread's number in what belongs to the thread, which is the next that glibc does: the kernel was asked for it by the place
// where it goes (struct pthread, tid). So threads are told apart from the first instruction on.
func (f *Follower) settle(tid int, regs *registers) {
	const glibc = 0x2d0
	if regs.Rdi != regs.Fs_base+glibc {
		return
	}
	var number, now [4]byte
	binary.LittleEndian.PutUint32(number[:], uint32(tid))
	p := Process{PID: tid}
	if p.peek(regs.Rdi, now[:]) == nil && now == [4]byte{} {
		_, _ = unix.PtracePokeData(tid, uintptr(regs.Rdi), number[:])
	}
}
