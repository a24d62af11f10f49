package kernel

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// leases keep files from being written to while sites in them are armed. A uprobe belongs to the inode, and what stands at its site is read but
// once (prepare_uprobe of kernel/events/uprobes.c): of what is written there in place, breakpoints would hit the midst of instructions, and the
// program that is executed next would crash. Who opens such a file for writing, or truncates it, waits until its probes are gone: a read lease
// (fcntl(2), F_SETLEASE) tells us, by SIGIO. Where the file system has no leases, or somebody writes already, the file goes without.
type leases struct {
	mu      sync.Mutex // while anything is armed or disarmed
	files   map[string]int
	broken  chan os.Signal
	ended   chan struct{}
	over    bool
	written []string // what was let go of
}

// lease takes leases for the files of sets, before anything is armed in them.
func (h *hold) lease(sets []armSet) {
	l := h.leases
	for i := range sets {
		path := sets[i].path
		if _, known := l.files[path]; known {
			continue
		}
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK); err != nil {
			unix.Close(fd)
			continue
		}
		unix.FcntlInt(uintptr(fd), unix.F_SETOWN, os.Getpid()) // not the thread, which may end
		l.files[path] = fd
	}
}

// watch begins to listen for leases that are broken.
func (h *hold) watch() {
	if h.leases != nil {
		return
	}
	l := &leases{files: map[string]int{}, broken: make(chan os.Signal, 1), ended: make(chan struct{})}
	h.leases = l
	signal.Notify(l.broken, unix.SIGIO)
	go func() {
		for {
			select {
			case <-l.broken:
				h.letGo(l)
			case <-l.ended:
				return
			}
		}
	}()
}

// letGo disarms what is in files that are to be written to, and then lets them be written.
func (h *hold) letGo(l *leases) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for path, fd := range l.files {
		if now, err := unix.FcntlInt(uintptr(fd), unix.F_GETLEASE, 0); err == nil && now == unix.F_RDLCK {
			continue
		}
		of := h.of(path)
		of.release()
		if len(of.events) > 0 {
			waitForHandlers()
			of.finish()
		}
		unix.Close(fd)
		delete(l.files, path)
		l.written = append(l.written, path)
	}
}

// places notes in which file it is that sites are armed.
func (h *hold) places(path string, armed hold) {
	if h.paths == nil {
		h.paths = map[int]string{}
	}
	for _, fds := range [][]int{armed.links, armed.events} {
		for _, fd := range fds {
			h.paths[fd] = path
		}
	}
}

// of takes out what keeps sites of a file armed.
func (h *hold) of(path string) (out hold) {
	for _, list := range []struct{ from, to *[]int }{{&h.entries, &out.entries}, {&h.links, &out.links}, {&h.events, &out.events}} {
		var rest []int
		for _, fd := range *list.from {
			if h.paths[fd] == path {
				*list.to = append(*list.to, fd)
			} else {
				rest = append(rest, fd)
			}
		}
		*list.from = rest
	}
	return out
}

// end gives the leases back, when nothing is armed any more.
func (l *leases) end() {
	l.over = true
	signal.Stop(l.broken)
	close(l.ended)
	for path, fd := range l.files {
		unix.Close(fd)
		delete(l.files, path)
	}
}

// notes say which files were let go of.
func (h *hold) notes() (notes []string) {
	l := h.leases
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, path := range l.written {
		notes = append(notes, path+" was written to during the run: nothing of it was observed from then on")
	}
	return notes
}
