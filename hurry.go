package sonde

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// readerNice is the priority of the thread that reads records, where we may set it: observed threads that keep every processor
// busy would otherwise fill the ring faster than its reader gets to run. The thread sleeps when there is nothing to read.
const readerNice = -10

// hurry raises the priority of this goroutine's thread until the function that it gives is called.
func hurry() func() {
	runtime.LockOSThread()
	const thisThread = 0
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, thisThread)
	nice := 20 - raw // getpriority(2): the system call gives 20 minus the nice value
	if err != nil || nice <= readerNice || unix.Setpriority(unix.PRIO_PROCESS, thisThread, readerNice) != nil {
		return runtime.UnlockOSThread
	}
	return func() {
		unix.Setpriority(unix.PRIO_PROCESS, thisThread, nice)
		runtime.UnlockOSThread()
	}
}
