package inject

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/target"
)

const (
	// patience is how long one try waits for all threads to stop; between tries they run.
	patience = 200 * time.Millisecond
	tries    = 8
	pause    = 25 * time.Millisecond
	// latePatience is how long we wait, while the others run, for a thread that has yet to stop.
	latePatience = 10 * time.Second
)

// hold is a process all of whose threads stand still.
type hold struct {
	*Process
	stopped []*stoppedThread
	began   time.Time
	maps    []target.Mapping
	gate    *gate // prepared on the first remote system call
}

// stoppedThread is one of them.
type stoppedThread struct {
	tid  int
	regs registers
	at   bool // it has stopped
	safe bool // and will not see it as EINTR
	gone bool
}

// errRetry asks to let the threads run for a moment and to try again.
type errRetry struct{ why error }

func (e *errRetry) Error() string { return e.why.Error() }
func (e *errRetry) Unwrap() error { return e.why }

// stop runs f while all threads stand still, on the thread that traces them, and says for how long they did.
func (p *Process) stop(f func(h *hold) error) (r Result, err error) {
	for try := 1; ; try++ {
		p.thread.do(func() {
			var h *hold
			if h, err = p.hold(); err != nil {
				return
			}
			r.Threads = len(h.stopped)
			err = errors.Join(f(h), h.finishCalls())
			h.release()
			r.Stopped, r.Stops = max(r.Stopped, time.Since(h.began)), r.Stops+1
		})
		if p.stuck {
			// The kernel lets go of all that a thread of ours traces when that ends, of those too that have yet to stop.
			p.stuck = false
			p.thread.close()
			p.thread = newThread()
		}
		var again *errRetry
		if !errors.As(err, &again) || try == tries {
			return r, err
		}
		time.Sleep(pause * time.Duration(try))
	}
}

// hold stops every thread.
func (p *Process) hold() (*hold, error) {
	h := &hold{Process: p, began: time.Now()}
	var err error
	if p.held {
		t := &stoppedThread{tid: p.PID, at: true}
		if p.alone != 0 {
			t.tid = p.alone
		}
		h.stopped = append(h.stopped, t)
		options := ptraceOptions | unix.PTRACE_O_EXITKILL
		if p.followed {
			options = followOptions
		}
		err = unix.PtraceSetOptions(t.tid, options)
	} else {
		err = h.stopAll()
	}
	if err == nil {
		err = h.look()
	}
	if err != nil {
		h.release()
		return nil, err
	}
	return h, nil
}

// look reads what is needed of a stopped process.
func (h *hold) look() error {
	if err := h.sameProcess(); err != nil {
		return err
	}
	for _, t := range h.stopped {
		if err := h.beginAgain(t); err != nil {
			return err
		}
	}
	mem, err := os.OpenFile(filepath.Join("/proc", strconv.Itoa(h.PID), "mem"), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("memory of process %d: %w", h.PID, err)
	}
	h.mem = mem
	h.maps, err = h.mappings()
	return err
}

// beginAgain keeps our stop from being seen as EINTR. Some system calls give that for any interruption; with ERESTARTNOHAND in its
// place the kernel begins them again, unless a handler runs first: then it makes EINTR of it, as if we had not been there.
func (h *hold) beginAgain(t *stoppedThread) error {
	if err := unix.PtraceGetRegs(t.tid, &t.regs); err != nil {
		return h.lost(err)
	}
	t.safe = true
	if h.held || !beginsAgain(&t.regs) {
		return nil
	}
	return h.setRegs(t, &t.regs)
}

// beginsAgain has registers tell the kernel to begin a system call again, if there is need of it.
func beginsAgain(r *registers) bool {
	if int64(r.Rax) != -int64(unix.EINTR) || int64(r.Orig_rax) < 0 {
		return false
	}
	switch r.Orig_rax {
	case unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_RT_SIGTIMEDWAIT,
		unix.SYS_IO_GETEVENTS, unix.SYS_IO_PGETEVENTS, unix.SYS_IO_URING_ENTER, unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_RECVFROM, unix.SYS_RECVMSG,
		unix.SYS_RECVMMSG, unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV:
		minus := int64(-errRestartLast)
		r.Rax = uint64(minus)
		return true
	}
	return false
}

// sameProcess refuses a number that the kernel has given to another process.
func (h *hold) sameProcess() error {
	p := target.Process{PID: h.PID, StartTime: h.start}
	if !p.Alive() {
		return h.ended()
	}
	return nil
}

// lost says what an error means that the kernel gives for a thread that was stopped.
func (h *hold) lost(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return &errRetry{fmt.Errorf("process %d: a thread was killed while it was stopped: %w", h.PID, err)}
	}
	return fmt.Errorf("process %d: %w", h.PID, err)
}

// stopAll stops threads until a look at all of them shows none that runs: a thread that runs can start others.
func (h *hold) stopAll() error {
	known := map[int]bool{}
	until := time.Now().Add(patience)
	for {
		fresh, err := h.seizeNew(known)
		if err != nil {
			return err
		}
		for _, t := range h.stopped {
			if err := h.await(t, until); err != nil {
				return err
			}
		}
		h.forgetGone()
		if fresh == 0 {
			break
		}
	}
	if len(h.stopped) == 0 {
		return h.ended()
	}
	return nil
}

// seizeNew takes hold of the threads that are not yet known.
func (h *hold) seizeNew(known map[int]bool) (fresh int, err error) {
	p := target.Process{PID: h.PID}
	for _, tid := range p.Threads() {
		if known[tid] {
			continue
		}
		known[tid] = true
		if !runsCode(h.PID, tid) {
			continue
		}
		switch err := h.seize(tid); {
		case err == unix.ESRCH:
			continue
		case err != nil && !runsCode(h.PID, tid):
			continue // it has ended since
		case err != nil:
			return 0, h.retryTraced(h.whyNot(tid, err))
		}
		h.step("seize")
		h.stopped = append(h.stopped, &stoppedThread{tid: tid})
		if err := unix.PtraceInterrupt(tid); err != nil && err != unix.ESRCH {
			return 0, h.lost(err)
		}
		h.step("interrupt")
		fresh++
	}
	return fresh, nil
}

// execPatience is how long the kernel may take to let us trace a thread before we look for the dead.
const execPatience = 20 * time.Millisecond

// seize begins to trace a thread. While another one executes a program the kernel lets nobody do so, and that one waits until all others
// are buried, those that we trace by us: some thread of ours has to do it meanwhile.
func (h *hold) seize(tid int) error {
	var traced []int
	for _, t := range h.stopped {
		traced = append(traced, t.tid)
	}
	done := make(chan struct{})
	defer close(done)
	defer time.AfterFunc(execPatience, func() { bury(h.PID, traced, done) }).Stop()
	return seize(tid)
}

// bury takes notice of the end of threads until done.
func bury(pid int, tids []int, done <-chan struct{}) {
	for {
		for _, tid := range tids {
			if s, err := readStatus(pid, tid); tid != pid && err == nil && strings.HasPrefix(s["State"], "Z") {
				_, _ = unix.Wait4(tid, nil, unix.WALL|unix.WNOHANG, nil)
			}
		}
		select {
		case <-done:
			return
		case <-time.After(execPatience / 4):
		}
	}
}

// retryTraced tries again when the other tracer is a sonde, which lets go at once.
func (h *hold) retryTraced(err error) error {
	s, statusErr := readStatus(h.PID, h.PID)
	if statusErr == nil && errors.Is(err, Traced) && (s.number("TracerPid") == 0 || isSonde(s.number("TracerPid"))) {
		return &errRetry{err}
	}
	return err
}

// Flags of threads that never leave the kernel. Source: include/linux/sched.h.
const (
	flagIOWorker   = 0x10
	flagUserWorker = 0x4000
)

// runsCode reports whether a thread runs the program's own code, now or later.
func runsCode(pid, tid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "task", strconv.Itoa(tid), "stat"))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 7 || strings.ContainsAny(fields[0], "ZX") {
		return false
	}
	flags, _ := strconv.ParseUint(fields[6], 10, 64)
	return flags&(flagIOWorker|flagUserWorker) == 0
}

// await waits until a thread has stopped. A signal that comes first is handed on: its handler begins after we have gone.
func (h *hold) await(t *stoppedThread, until time.Time) error {
	for !t.at && !t.gone {
		if t.tid == h.PID && h.leaderEnded(unix.WNOHANG) {
			return nil
		}
		var ws unix.WaitStatus
		got, err := unix.Wait4(t.tid, &ws, unix.WALL|unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
		case err != nil: // ECHILD: it has ended, or took its leader's number by execve
			t.gone = true
		case got == 0 && time.Now().After(until):
			return &errRetry{h.doesNotStop(t.tid)}
		case got == 0:
			time.Sleep(20 * time.Microsecond)
		case !ws.Stopped():
			t.gone = true
		case eventOf(ws) == unix.PTRACE_EVENT_EXEC:
			t.at = true
			return &errRetry{diagnosis(Replaced, fmt.Sprintf("process %d runs another program now", h.PID))}
		case eventOf(ws) == ptraceEventStop:
			t.at = true
		default:
			if err := unix.PtraceCont(t.tid, int(ws.StopSignal())); err != nil && err != unix.ESRCH {
				return h.lost(err)
			}
			h.step("signal")
		}
	}
	return nil
}

// leaderEnded looks whether the next thing to be heard of the process's first thread is its end, and leaves that to its parent, which
// we may be: the kernel tells it once the thread is no longer traced.
func (h *hold) leaderEnded(how int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, h.PID, &info, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT|unix.WALL|how, nil)
	if err != nil || info.Signo == 0 || info.Code > cldDumped {
		return false
	}
	h.buried(h.PID)
	h.stuck = true
	return true
}

// eventOf is the number of the PTRACE_EVENT that a stop tells of, 0 for a signal.
func eventOf(ws unix.WaitStatus) int { return int(ws) >> 16 & 0xff }

func (h *hold) doesNotStop(tid int) error {
	where, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(h.PID), "task", strconv.Itoa(tid), "wchan"))
	return diagnosis(Busy, fmt.Sprintf("thread %d of process %d does not stop: it waits in the kernel (%s)", tid, h.PID, where), "try again; a program that waits for a child it started by vfork cannot be stopped meanwhile")
}

func (h *hold) forgetGone() {
	left := h.stopped[:0]
	for _, t := range h.stopped {
		if !t.gone {
			left = append(left, t)
		}
	}
	h.stopped = left
}

// release lets all threads go on. Who was stopped by job control stays so: the kernel sees to that.
func (h *hold) release() {
	if h.mem != nil {
		_ = h.mem.Close()
		h.mem = nil
	}
	if h.held {
		return
	}
	var late []*stoppedThread
	for _, t := range h.stopped {
		if t.at {
			h.letGo(t)
		} else if !t.gone {
			late = append(late, t)
		}
	}
	for _, t := range late {
		if h.comes(t) {
			h.letGo(t)
		}
		h.stuck = h.stuck || !t.at && !t.gone
	}
	h.step("released")
}

// letGo lets a stopped thread go on.
func (h *hold) letGo(t *stoppedThread) {
	if !t.safe {
		_ = h.beginAgain(t) // an error means that it was killed
	}
	if unix.PtraceDetach(t.tid) != nil {
		h.stuck = true // it was killed; the kernel buries it when nobody traces it any more
	}
	h.step("detach")
}

// comes waits for a thread that was told to stop and has yet to, which may be for want of a processor: let go of before, it would see EINTR. Not so one
// that sleeps and hears nothing until it is woken, or is dead.
func (h *hold) comes(t *stoppedThread) bool {
	for deaf, end := 0, time.Now().Add(latePatience); !t.at && !t.gone && deaf < 2 && time.Now().Before(end); {
		_ = h.await(t, time.Now().Add(pause)) // what is to be said of it was said
		s, err := readStatus(h.PID, t.tid)
		if err != nil || strings.ContainsAny(s["State"][:1], "ZX") {
			break
		}
		if strings.HasPrefix(s["State"], "D") {
			deaf++
		}
	}
	return t.at
}

// read fills buf from the process's memory.
func (h *hold) read(addr uint64, buf []byte) error {
	n, err := h.mem.ReadAt(buf, int64(addr))
	if n == len(buf) {
		return nil
	}
	if err == nil {
		err = unix.EFAULT
	}
	return fmt.Errorf("memory of process %d at %s: %w", h.PID, place(addr), err)
}

// write changes the process's memory, code included.
func (h *hold) write(addr uint64, code []byte) error {
	n, err := h.mem.WriteAt(code, int64(addr))
	h.step("write")
	if n == len(code) && err == nil {
		return nil
	}
	if _, err := unix.PtracePokeText(h.stopped[0].tid, uintptr(addr), code); err != nil {
		return fmt.Errorf("memory of process %d at %s cannot be written: %w", h.PID, place(addr), err)
	}
	return nil
}

// setRegs puts a thread elsewhere.
func (h *hold) setRegs(t *stoppedThread, regs *registers) error {
	if err := unix.PtraceSetRegs(t.tid, regs); err != nil {
		return h.lost(err)
	}
	h.step("registers")
	return nil
}
