package inject

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/target"
)

// gate is how system calls are made in the process's place: one of its threads runs a system call instruction of its own code, with
// registers of ours, and is stopped before and behind it.
//
// If we die in between, the thread must find its way back alone. Behind the instruction, after a few that only take words off the
// stack, comes a ret; the stack it has then is made so that it returns to the process's own code for the end of a signal handler (rt_sigreturn),
// with a signal frame that holds everything the thread had: it goes on where it was stopped.
//
//	low end of the main thread's stack, far below what is in use
//	  name     "sonde", for memfd_create
//	  words    what the instructions between syscall and ret take
//	  restorer address of mov $15,%eax; syscall
//	  ucontext registers, signal mask
//	  xstate   vector state
type gate struct {
	thread  *stoppedThread
	mask    uint64
	syscall uint64 // address of the instruction
	rsp     uint64
	rbp     uint64
	scratch uint64 // where name and frame lie
	saved   []byte // what lay there
	// safe: the thread comes back if we die.
	safe bool
	used bool
}

// call makes a system call in the process's place.
func (h *hold) call(number uint64, args ...uint64) (uint64, error) {
	if err := h.prepare(); err != nil {
		return 0, err
	}
	g := h.gate
	regs := g.thread.regs
	regs.Rip, regs.Rsp, regs.Rbp, regs.Rax, regs.Orig_rax = g.syscall, g.rsp, g.rbp, number, ^uint64(0)
	for i, to := range []*uint64{&regs.Rdi, &regs.Rsi, &regs.Rdx, &regs.R10, &regs.R8, &regs.R9} {
		*to = 0
		if i < len(args) {
			*to = args[i]
		}
	}
	if err := h.setRegs(g.thread, &regs); err != nil {
		return 0, err
	}
	if !g.used {
		g.used = true
		if err := setSigmask(g.thread.tid, ^uint64(0)); err != nil {
			return 0, h.lost(err)
		}
		h.step("mask")
	}
	for range 2 { // to the system call, and behind it
		if err := h.toSyscallStop(g.thread); err != nil {
			return 0, err
		}
	}
	if err := unix.PtraceGetRegs(g.thread.tid, &regs); err != nil {
		return 0, h.lost(err)
	}
	if ret := int64(regs.Rax); ret < 0 && ret > -4096 {
		return 0, unix.Errno(-ret)
	}
	return regs.Rax, nil
}

// toSyscallStop lets a thread run to the next edge of a system call.
func (h *hold) toSyscallStop(t *stoppedThread) error {
	signal := 0
	for {
		if err := unix.PtraceSyscall(t.tid, signal); err != nil {
			return h.lost(err)
		}
		h.step("syscall")
		ws, err := h.wait(t)
		if err != nil {
			return err
		}
		switch {
		case ws.StopSignal() == syscallStop:
			return nil
		case eventOf(ws) == 0: // SIGSTOP, the one signal that cannot be blocked but for SIGKILL
			signal = int(ws.StopSignal())
		default:
			signal = 0
		}
	}
}

// wait waits for a thread that stops soon.
func (h *hold) wait(t *stoppedThread) (ws unix.WaitStatus, err error) {
	for {
		heard := true
		if h.held {
			if h.dying(t.tid) {
				t.gone, t.at = true, false
				return 0, h.ended()
			}
			_, err = unix.Wait4(t.tid, &ws, unix.WALL, nil)
		} else {
			heard, err = h.hear(t, &ws)
		}
		switch {
		case t.gone && t.tid == h.PID:
			return 0, h.ended()
		case t.gone:
			return 0, h.lost(unix.ESRCH)
		case err == unix.EINTR, err == nil && !heard:
		case err != nil, !ws.Stopped():
			h.buried(t.tid)
			t.gone, t.at = true, false
			return 0, h.lost(unix.ESRCH)
		default:
			return ws, nil
		}
	}
}

// hear waits until something is to be heard, and hears whether it is of a thread. It listens to all that we trace: the end of a process's first thread is
// not told before that of the others has been heard. What is to be heard of our own children, if this thread of ours has started any, is for others.
func (h *hold) hear(t *stoppedThread, ws *unix.WaitStatus) (heard bool, err error) {
	var info waitInfo
	if err := info.wait(unix.P_ALL, 0, unix.WNOTHREAD); err != nil {
		return false, err
	}
	if h.leaderEnded(unix.WNOHANG) {
		return false, nil
	}
	known := t.tid == int(info.pid)
	for i := 0; !known && i < len(h.stopped); i++ {
		u := h.stopped[i]
		known = u.tid == int(info.pid)
		if u == t || u.gone {
			continue
		}
		if got, err := unix.Wait4(u.tid, ws, unix.WALL|unix.WNOHANG, nil); err == nil && got != 0 && !ws.Stopped() {
			h.buried(u.tid)
		}
	}
	got, err := unix.Wait4(t.tid, ws, unix.WALL|unix.WNOHANG, nil)
	if err == nil && got == 0 && !known {
		time.Sleep(childPause)
	}
	return got != 0, err
}

// childPause is how long we wait for a thread while there is something to be heard that is not for us.
const childPause = 100 * time.Microsecond

// waitInfo is siginfo_t of SIGCHLD: include/uapi/asm-generic/siginfo.h.
type waitInfo struct {
	signo, errno, code, _ int32
	pid                   int32
	_                     [108]byte
}

// wait looks what is to be heard, and leaves it to be heard.
func (i *waitInfo) wait(kind, id, how int) error {
	return unix.Waitid(kind, id, (*unix.Siginfo)(unsafe.Pointer(i)), unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT|unix.WALL|how, nil)
}

// buried notes that a thread is no more.
func (h *hold) buried(tid int) {
	for _, t := range h.stopped {
		if t.tid == tid {
			t.gone, t.at = true, false
		}
	}
}

// dying waits for an adopted process to stop or end, and leaves its end to whom it belongs to.
func (h *hold) dying(tid int) bool {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, tid, &info, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT|unix.WALL, nil)
		if err != unix.EINTR {
			return err != nil || info.Code <= cldDumped
		}
	}
}

// finishCalls gives the thread that made system calls everything back. A system call that our stop interrupted is begun again by the
// kernel only if the thread is stopped on its way out of the kernel with the registers of then, so it is stopped there once more.
func (h *hold) finishCalls() error {
	g := h.gate
	if g == nil || !g.used || g.thread.gone {
		return nil
	}
	h.gate = nil
	if err := setSigmask(g.thread.tid, g.mask); err != nil {
		return h.lost(err)
	}
	h.step("mask back")
	if !h.held {
		if err := unix.PtraceInterrupt(g.thread.tid); err != nil {
			return h.lost(err)
		}
		if err := h.toEventStop(g.thread); err != nil {
			return err
		}
	}
	if err := h.setRegs(g.thread, &g.thread.regs); err != nil {
		return err
	}
	return h.write(g.scratch, g.saved)
}

func (h *hold) toEventStop(t *stoppedThread) error {
	signal := 0
	for {
		if err := unix.PtraceCont(t.tid, signal); err != nil {
			return h.lost(err)
		}
		h.step("continue")
		ws, err := h.wait(t)
		if err != nil {
			return err
		}
		if eventOf(ws) == ptraceEventStop {
			return nil
		}
		signal = int(ws.StopSignal())
	}
}

// prepare chooses the thread and its code, and builds the way back, unless that is done already: what the thread had is kept by the first gate alone.
func (h *hold) prepare() error {
	if h.gate != nil {
		return nil
	}
	g := &gate{thread: h.idle()}
	var err error
	if g.mask, err = sigmask(g.thread.tid); err != nil {
		return h.lost(err)
	}
	code := h.findCode()
	if code.syscall == 0 {
		return fmt.Errorf("process %d: no system call instruction in its code", h.PID)
	}
	g.syscall, g.rbp = code.syscall, g.thread.regs.Rbp
	if err := h.buildFrame(g, code); err != nil {
		return err
	}
	h.gate = g
	return nil
}

// idle chooses a thread that is not in a restartable sequence: changing its place in one would make the kernel forget that it has to
// restart it. A thread that waits in a call which can begin again with the same arguments is best.
func (h *hold) idle() *stoppedThread {
	best := h.stopped[0]
	rank := -1
	for _, t := range h.stopped {
		if r := h.rank(t); r > rank {
			best, rank = t, r
		}
		if rank == 2 {
			break
		}
	}
	return best
}

func (h *hold) rank(t *stoppedThread) int {
	if h.inSequence(t) {
		return 0
	}
	if int64(t.regs.Rax) == -errRestartBlock {
		return 1
	}
	return 2
}

// inSequence reports whether a thread is inside a restartable sequence: struct rseq has the pointer to the running one at +8.
func (h *hold) inSequence(t *stoppedThread) bool {
	area := rseqArea(t.tid)
	var running [8]byte
	return area != 0 && h.read(area+8, running[:]) == nil && binary.LittleEndian.Uint64(running[:]) != 0
}

// borrowed is code of the process that is run in its place.
type borrowed struct {
	syscall  uint64
	pops     int  // words that are taken off the stack between it and its ret; meaningful with safe
	leave    bool // the first of them is leave
	restorer uint64
	safe     bool
}

const (
	// maxSearch bounds how much code is searched for a gate; it is read a chunk at a time, while the process stands still.
	maxSearch   = 64 << 20
	searchChunk = 256 << 10
	// longest is the length of the longest of the pieces of code that are looked for, so that none is cut in two.
	longest = 32
)

// findCode looks for a system call instruction and for the two pieces of code that make it safe: C libraries have them all.
func (h *hold) findCode() borrowed {
	var best borrowed
	var spare uint64
	left := uint64(maxSearch)
	buf := make([]byte, searchChunk)
	for _, m := range searchOrder(h.maps) {
		for at := m.Start; at < m.End && left >= searchChunk; at += searchChunk - longest {
			code := buf[:min(searchChunk, m.End-at)]
			if h.read(at, code) != nil {
				break
			}
			left -= searchChunk
			if best.restorer == 0 {
				best.restorer = findRestorer(code, at)
			}
			if !best.safe {
				best.find(code, at)
			}
			if here := bytes.Index(code, []byte{0x0f, 0x05}); here >= 0 && spare == 0 {
				spare = at + uint64(here)
			}
			if best.safe && best.restorer != 0 {
				return best
			}
		}
	}
	return borrowed{syscall: spare}
}

// searchOrder lists the code of a process: that of a C library first, the kernel's own page last.
func searchOrder(maps []target.Mapping) []target.Mapping {
	var first, rest, last []target.Mapping
	for _, m := range maps {
		switch {
		case !m.Exec() || m.Perms[0] != 'r' || m.Path == "[vsyscall]" || isRegion(m):
		case strings.Contains(m.Path, "/libc.") || strings.Contains(m.Path, "/libc-") || strings.Contains(m.Path, "/ld-musl"):
			first = append(first, m)
		case m.Path == "[vdso]":
			last = append(last, m)
		default:
			rest = append(rest, m)
		}
	}
	return slices.Concat(first, rest, last)
}

// find looks for syscall, pops, ret.
func (b *borrowed) find(code []byte, start uint64) {
	for at := 0; ; at += 2 {
		next := bytes.Index(code[at:], []byte{0x0f, 0x05})
		if next < 0 {
			return
		}
		at += next
		if pops, leave, ok := countPops(code[at+2:]); ok {
			b.syscall, b.pops, b.leave, b.safe = start+uint64(at), pops, leave, true
			return
		}
	}
}

// countPops counts the words that pop and leave take before a ret.
func countPops(code []byte) (pops int, leave, ok bool) {
	for i := 0; i < len(code); i++ {
		switch b := code[i]; {
		case b == 0xc3:
			return pops, leave, true
		case b == 0xc9 && pops == 0:
			leave = true
			pops++
		case b >= 0x58 && b <= 0x5f && b != 0x5c:
			pops++
		case b == 0x41 && i+1 < len(code) && code[i+1] >= 0x58 && code[i+1] <= 0x5f && code[i+1] != 0x5c:
		default:
			return 0, false, false
		}
	}
	return 0, false, false
}

// findRestorer looks for mov $15,%rax; syscall as the C libraries and Go have it.
func findRestorer(code []byte, start uint64) uint64 {
	for _, pattern := range []string{"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", "\xb8\x0f\x00\x00\x00\x0f\x05"} {
		if at := bytes.Index(code, []byte(pattern)); at >= 0 {
			return start + uint64(at)
		}
	}
	return 0
}

// mainStack gives the mapping of the main thread's stack.
func (h *hold) mainStack() (target.Mapping, bool) {
	for _, m := range h.maps {
		if m.Path == "[stack]" {
			return m, true
		}
	}
	return target.Mapping{}, false
}
