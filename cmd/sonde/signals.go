package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// interrupts are Ctrl-C, SIGTERM and a closed terminal. The first one ends a run in an orderly way: detach, print what was gathered. The second one
// says that this is going on, and the third one ends at once. As long as nothing has been touched, the first one does so.
type interrupts struct {
	heard  chan os.Signal
	cancel context.CancelFunc
	err    io.Writer
	held   atomic.Bool // something is touched, or about to be
	over   atomic.Bool // all is done
}

// interruptible is the context of the whole command, which interrupts end. SIGPIPE is caught so that writing to an output
// that nobody reads is an error of that write, which ends a run in the same way, instead of a sudden death.
func interruptible(err io.Writer) (context.Context, *interrupts) {
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	ctx, cancel := context.WithCancel(context.Background())
	i := &interrupts{heard: make(chan os.Signal, 1), cancel: cancel, err: err}
	signals := []os.Signal{unix.SIGINT, unix.SIGTERM}
	if !signal.Ignored(unix.SIGHUP) { // nohup(1)
		signals = append(signals, unix.SIGHUP)
	}
	signal.Notify(i.heard, signals...)
	go i.listen()
	return ctx, i
}

// hold says that from now on there is something to be taken back.
func (i *interrupts) hold() { i.held.Store(true) }

// stop ends the command's context. Signals that come until the process has ended are dropped: they were meant for a run that is over, whose status
// says how it went.
func (i *interrupts) stop() {
	i.over.Store(true)
	i.cancel()
}

// oneRequest is the time within which several signals are one wish: timeout(1) sends its signal to the process and then to its group, and a
// terminal that is closed is told of by the kernel and by the shell.
const oneRequest = 250 * time.Millisecond

func (i *interrupts) listen() {
	var last time.Time
	asked := 0
	for s := range i.heard {
		before := last
		last = time.Now()
		switch {
		case i.over.Load():
			continue
		case !i.held.Load():
			die(s)
		case last.Sub(before) < oneRequest:
			continue
		}
		switch asked++; {
		case asked == 1:
			i.cancel()
		case s == unix.SIGHUP: // nobody is there to have asked for it
		case asked == 2:
			fmt.Fprintln(i.err, "sonde: still taking probes away and writing results; once more ends at once")
		default:
			die(s)
		}
	}
}

// die ends the command as the signal does by itself.
func die(s os.Signal) {
	signal.Reset(s)
	_ = unix.Kill(os.Getpid(), s.(syscall.Signal))
	time.Sleep(oneRequest) // it comes at once, but where it was ignored from the start
	os.Exit(128 + int(s.(syscall.Signal)))
}
