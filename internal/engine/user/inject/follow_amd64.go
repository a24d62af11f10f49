package inject

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/target"
)

// Follower goes on tracing a command and all that it starts, so as to stand between what they execute and its first instruction. Between
// such events they run as if nobody looked, but for signals: the kernel shows each to the tracer first. If we die they run on.
type Follower struct {
	thread *thread
	tid    int // of that thread
	// own is the command. Its end is for who waits for it in this process.
	own      int
	watch    Watch
	starting map[int]*startup // by process: programs whose dynamic linker maps libraries
	over     chan struct{}
}

// Watch is what a Follower tells, on the thread that traces.
type Watch struct {
	// Wanted says of a process that is about to begin a program whether Loaded is to be called for it.
	Wanted func(pid int) bool
	// Loaded is called with a process whose program, and libraries as far as they are mapped, have run nothing yet: again when more of them
	// are. The process is held, has one thread, and must not be used when Loaded has returned; err says why it cannot be observed from
	// inside.
	Loaded func(pid int, p *Process, err error)
}

// The followed are looked after, ever less often, also when no signal tells that something is to be done.
const (
	lookSoon = 50 * time.Millisecond
	lookLate = time.Second
)

// Follow takes over a command that its former tracer has let go stopped by SIGSTOP and that is ended with that tracer's thread
// (PR_SET_PDEATHSIG), and lets it run. Close must be called.
func Follow(pid int, watch Watch) (*Follower, error) {
	f := &Follower{thread: newThread(), own: pid, watch: watch, starting: map[int]*startup{}, over: make(chan struct{})}
	var err error
	f.thread.do(func() {
		f.tid = unix.Gettid()
		err = f.takeOver(pid)
	})
	if err != nil {
		f.thread.close()
		return nil, err
	}
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, unix.SIGCHLD)
	go f.listen(heard)
	return f, nil
}

// listen has the thread look after the followed whenever one of them may have stopped.
func (f *Follower) listen(heard chan os.Signal) {
	defer signal.Stop(heard)
	pause := lookSoon
	look := time.NewTimer(pause)
	defer look.Stop()
	for {
		select {
		case <-f.over:
			f.thread.close()
			return
		case <-heard:
			pause = lookSoon
		case <-look.C:
			pause = min(2*pause, lookLate)
		}
		f.thread.do(f.drain)
		look.Reset(pause)
	}
}

// Close lets go of all: the kernel does when the thread ends.
func (f *Follower) Close() {
	close(f.over)
	for range closeTries {
		if _, err := os.Stat(procFile(os.Getpid(), "task", fmt.Sprint(f.tid))); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// closeTries bounds how many milliseconds Close waits for the thread.
const closeTries = 2000

// seizeFollowed begins to trace.
func seizeFollowed(tid int) error { return ptrace(ptraceSeize, tid, 0, followOptions) }

// takeOver brings the command from its SIGSTOP to the place where it was stopped, traced by us and no longer ended with its former tracer.
func (f *Follower) takeOver(pid int) error {
	if err := seizeFollowed(pid); err != nil {
		return fmt.Errorf("trace process %d: %w", pid, err)
	}
	p, err := target.Open(pid)
	if err != nil {
		return err
	}
	h := &hold{Process: newProcess(p, nil)}
	h.held, h.followed = true, true
	t := &stoppedThread{tid: pid, at: true}
	if err := h.swallow(t); err != nil {
		return err
	}
	held, err := f.held(pid)
	if err != nil {
		return err
	}
	_, err = held.stop(func(h *hold) error {
		_, err := h.call(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, 0)
		return err
	})
	f.resume(pid, 0)
	return err
}

// swallow brings a thread that SIGSTOP was sent to to a stop of our own, and takes that signal away, and the one that ends what it did. All
// others are the thread's.
func (h *hold) swallow(t *stoppedThread) error {
	var mask uint64
	for stopped, swallowed := false, false; ; {
		ws, err := h.wait(t)
		if err != nil {
			return err
		}
		signal, ours := 0, false
		switch {
		case eventOf(ws) == ptraceEventStop && ws.StopSignal() == unix.SIGSTOP: // it was quicker than we: all threads are stopped
			if stopped {
				break
			}
			stopped = true
			if mask, err = sigmask(t.tid); err == nil {
				err = errors.Join(setSigmask(t.tid, 0), unix.Kill(h.PID, unix.SIGCONT))
			}
		case eventOf(ws) != 0 && swallowed:
			return nil
		case eventOf(ws) != 0:
		case ws.StopSignal() == unix.SIGCONT:
			ours, err = true, setSigmask(t.tid, mask)
		case ws.StopSignal() == unix.SIGSTOP:
			ours = true
		default:
			signal = int(ws.StopSignal())
		}
		if ours && err == nil {
			swallowed, err = true, unix.PtraceInterrupt(t.tid)
		}
		if err == nil {
			err = unix.PtraceCont(t.tid, signal)
		}
		if err != nil {
			return h.lost(err)
		}
	}
}

// held is a process that the thread holds.
func (f *Follower) held(pid int) (*Process, error) {
	p, err := target.Open(pid)
	if err != nil {
		return nil, err
	}
	q := newProcess(p, &thread{do: func(work func()) { work() }})
	q.held, q.followed = true, true
	return q, nil
}

// drain handles all that has happened.
func (f *Follower) drain() {
	for {
		tid, ended := f.next()
		if tid == 0 || ended && tid == f.own {
			return
		}
		var ws unix.WaitStatus
		got, err := unix.Wait4(tid, &ws, unix.WALL|unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
		case err != nil || got == 0:
			return // it was killed meanwhile; we will be told again
		case ws.Stopped():
			f.heard(tid, ws)
		default:
			delete(f.starting, tid)
		}
	}
}

// next tells of whom something is to be heard, 0 of nobody.
func (f *Follower) next() (tid int, ended bool) {
	var info waitInfo
	err := info.wait(unix.P_ALL, 0, unix.WNOHANG|unix.WNOTHREAD)
	if err != nil || info.signo == 0 {
		return 0, false
	}
	return int(info.pid), info.code <= cldDumped
}

// heard lets a thread go on from a stop.
func (f *Follower) heard(tid int, ws unix.WaitStatus) {
	switch event := eventOf(ws); {
	case event == unix.PTRACE_EVENT_EXEC:
		f.begins(tid)
	case event == ptraceEventStop && ws.StopSignal() != unix.SIGTRAP:
		_ = ptrace(ptraceListen, tid, 0, 0) // job control has stopped it
	case event != 0:
		f.resume(tid, 0)
	case ws.StopSignal() == syscallStop:
		f.inStartup(tid)
	default:
		if ignores(tid, ws.StopSignal()) {
			unheard(tid)
		}
		f.resume(tid, int(ws.StopSignal()))
	}
}

// ignores reports whether nothing comes of a signal, by the program's wish or by default: the kernel would not even have interrupted a thread for it that
// nobody traces (sig_task_ignored, kernel/signal.c).
func ignores(tid int, sig unix.Signal) bool {
	s, err := readStatus(tid, tid)
	if err != nil {
		return false
	}
	in := func(set string) bool {
		mask, err := strconv.ParseUint(s[set], 16, 64)
		return err == nil && mask>>(sig-1)&1 != 0
	}
	switch sig {
	case unix.SIGCHLD, unix.SIGURG, unix.SIGWINCH, unix.SIGCONT:
		return !in("SigCgt")
	}
	return in("SigIgn")
}

// unheard has the system call begin again that a signal interrupted of which nothing comes.
func unheard(tid int) {
	var r registers
	if unix.PtraceGetRegs(tid, &r) == nil && beginsAgain(&r) {
		_ = unix.PtraceSetRegs(tid, &r) // an error means that it was killed
	}
}

// resume lets a thread run. Errors mean that it was killed, which we will be told.
func (f *Follower) resume(tid, signal int) {
	if f.starting[tid] != nil {
		_ = unix.PtraceSyscall(tid, signal)
		return
	}
	_ = unix.PtraceCont(tid, signal)
}

// begins shows a process that has executed a program and not run any of it. Other threads than the first are no more.
func (f *Follower) begins(pid int) {
	delete(f.starting, pid)
	if err := unix.PtraceSyscall(pid, 0); err != nil { // to the end of execve, from where system calls can be made
		return
	}
	var ws unix.WaitStatus
	if !f.stopsAgain(pid) {
		return
	}
	if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil || !ws.Stopped() {
		return
	}
	if ws.StopSignal() != syscallStop {
		f.heard(pid, ws)
		return
	}
	if f.watch.Wanted(pid) {
		if s := f.startup(pid); s != nil {
			f.starting[pid] = s
		} else {
			f.show(pid)
		}
	}
	f.resume(pid, 0)
}

// stopsAgain waits for a thread that is about to stop, and leaves its end to be heard by drain.
func (f *Follower) stopsAgain(tid int) bool {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, tid, &info, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT|unix.WALL, nil)
		if err != unix.EINTR {
			return err == nil && info.Code > cldDumped
		}
	}
}

// show hands a held process on.
func (f *Follower) show(pid int) {
	p, err := f.held(pid)
	if err == nil {
		err = wellFormed(&target.Process{PID: pid, Comm: commOf(pid)})
	}
	f.watch.Loaded(pid, p, err)
}
