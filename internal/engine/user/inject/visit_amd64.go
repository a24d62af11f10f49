package inject

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/target"
)

// Visit holds one thread of a running process, which waits for us, and lets the others run: f may map regions, and patch code that no thread runs
// yet. The process that f gets must not be used when f has returned.
func Visit(pid, tid int, f func(*Process)) (err error) {
	t := newThread()
	defer t.close()
	t.do(func() {
		if err = seize(tid); err != nil {
			err = fmt.Errorf("trace thread %d of process %d: %w", tid, pid, err)
			return
		}
		if err = visit(pid, tid, f); err == nil {
			err = unix.PtraceDetach(tid)
		}
	})
	return err
}

// Visit is Visit for a process that is followed.
func (f *Follower) Visit(pid, tid int, do func(*Process)) (err error) {
	f.thread.do(func() {
		if err = visit(pid, tid, do); err == nil {
			f.resume(tid, 0)
		}
	})
	return err
}

// visit stops a traced thread. When there is an error of the stop itself the thread has ended.
func visit(pid, tid int, f func(*Process)) error {
	if err := unix.PtraceInterrupt(tid); err != nil {
		return fmt.Errorf("stop thread %d of process %d: %w", tid, pid, err)
	}
	p, err := target.Open(pid)
	if err != nil {
		return err
	}
	q := newProcess(p, &thread{do: func(work func()) { work() }})
	q.held, q.followed, q.alone = true, true, tid
	h := &hold{Process: q}
	t := &stoppedThread{tid: tid, at: true}
	for {
		ws, err := h.wait(t)
		if err != nil {
			return err
		}
		if eventOf(ws) != 0 {
			break
		}
		if err := unix.PtraceCont(tid, int(ws.StopSignal())); err != nil {
			return h.lost(err)
		}
	}
	f(q)
	return nil
}
