// Package lease keeps files from being written to while sites in them are armed.
//
// In: the files, and what disarms the sites of one. Out: the files that were let go of. Invariant: nobody writes to a leased file before its
// sites are disarmed. It must not know how probes are armed.
//
// A uprobe belongs to the inode, and what stands at its site is read but once (prepare_uprobe of kernel/events/uprobes.c): of what is written there
// in place, breakpoints would hit the midst of instructions, and the program that is executed next would crash. Who opens such a file for writing, or
// truncates it, waits until its probes are gone: a read lease (fcntl(2), F_SETLEASE) tells us, by SIGIO. Where the file system has no leases, or
// somebody writes already, the file goes without.
package lease

import (
	"os"
	"os/signal"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Files are leased. Whoever arms or disarms sites in them holds the lock meanwhile.
type Files struct {
	sync.Mutex
	fds     map[string]int
	letGo   func(path string)
	broken  chan os.Signal
	ended   chan struct{}
	over    bool
	written []string // what was let go of
}

// New begins to listen for leases that are broken. letGo disarms all sites in a file; it is called with the lock held. End must be called.
func New(letGo func(path string)) *Files {
	l := &Files{fds: map[string]int{}, letGo: letGo, broken: make(chan os.Signal, 1), ended: make(chan struct{})}
	signal.Notify(l.broken, unix.SIGIO)
	go l.listen()
	return l
}

func (l *Files) listen() {
	for {
		select {
		case <-l.broken:
			l.look()
		case <-l.ended:
			return
		}
	}
}

// Take leases a file, before anything is armed in it. The lock is held.
func (l *Files) Take(path string) {
	if _, known := l.fds[path]; known {
		return
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK); err != nil {
		unix.Close(fd)
		return
	}
	unix.FcntlInt(uintptr(fd), unix.F_SETOWN, os.Getpid()) // not the thread, which may end
	l.fds[path] = fd
}

// Broken reports whether a file was let go of. The lock is held.
func (l *Files) Broken(path string) bool { return slices.Contains(l.written, path) }

// look lets go of what is to be written to, and then lets it be written.
func (l *Files) look() {
	l.Lock()
	defer l.Unlock()
	for path, fd := range l.fds {
		if now, err := unix.FcntlInt(uintptr(fd), unix.F_GETLEASE, 0); err == nil && now == unix.F_RDLCK {
			continue
		}
		l.letGo(path)
		unix.Close(fd)
		delete(l.fds, path)
		l.written = append(l.written, path)
	}
}

// End gives the leases back, when nothing is armed any more. The lock is held.
func (l *Files) End() {
	if l.over {
		return
	}
	l.over = true
	signal.Stop(l.broken)
	close(l.ended)
	for path, fd := range l.fds {
		unix.Close(fd)
		delete(l.fds, path)
	}
}

// Notes say which files were let go of.
func (l *Files) Notes() (notes []string) {
	l.Lock()
	defer l.Unlock()
	for _, path := range l.written {
		notes = append(notes, path+" was written to during the run: nothing of it was observed from then on")
	}
	return notes
}
