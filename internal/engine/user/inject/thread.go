package inject

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// thread is the one thread of ours that the kernel lets speak to a traced process.
type thread struct {
	do    func(func())
	close func()
}

// newThread starts it; close ends it.
func newThread() *thread {
	work := make(chan func())
	go serve(work)
	return &thread{
		do: func(f func()) {
			done := make(chan struct{})
			work <- func() { defer close(done); f() }
			<-done
		},
		close: func() { close(work) },
	}
}

// stopNice is the priority of such a thread, where we may set it: while it waits for a processor, the process stands still.
const stopNice = -20

// serve runs functions on a thread that ends with it. The process's first thread never ends, so it is left to another goroutine.
func serve(work <-chan func()) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		done := make(chan struct{})
		go func() { serve(work); close(done) }()
		<-done
		runtime.UnlockOSThread()
		return
	}
	const thisThread = 0
	_ = unix.Setpriority(unix.PRIO_PROCESS, thisThread, stopNice)
	for f := range work {
		f()
	}
}
