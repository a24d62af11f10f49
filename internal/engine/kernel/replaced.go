package kernel

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"
)

// The kernel narrows a link to a process by its first thread. When that one executes a program it goes on; when another thread does, the first one ends
// and the link with it: nothing hits its probes any more, and nobody is told.

// replaced is what is known of that.
type replaced struct {
	lock   sync.Mutex
	pid    int // that links are narrowed to, 0 none
	looked time.Time
	by     string // the program that is not observed, "" none
}

// of says which process links are narrowed to.
func (r *replaced) of(pid int) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.pid = pid
}

// linkLooks is how often links are looked at, at most.
const linkLooks = 100 * time.Millisecond

// notice looks whether the process has executed a program by another thread. It must have threads yet.
func (s *Session) notice() {
	r := &s.replaced
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.pid == 0 || r.by != "" || time.Since(r.looked) < linkLooks {
		return
	}
	r.looked = time.Now()
	if leaderless(r.pid) {
		return // it has ended, or its other threads go on and are not seen
	}
	if l := s.held.leases; l != nil {
		l.Lock()
		defer l.Unlock()
	}
	for _, links := range [][]int{s.held.entries, s.held.links} {
		for _, fd := range links {
			if of, ok := narrowedTo(fd); ok && of == 0 {
				r.by, _ = os.Readlink(fmt.Sprintf("/proc/%d/exe", r.pid))
			}
			return // all are of one process
		}
	}
}

// narrowedTo is the process that a uprobe_multi link is narrowed to, 0 if it is gone. Source: include/uapi/linux/bpf.h, struct bpf_link_info.
func narrowedTo(link int) (pid uint32, ok bool) {
	const objGetInfo, uprobeMulti, size, pidAt = 15, 12, 64, 60
	var info [size]byte
	attr := struct {
		fd, size uint32
		info     unsafe.Pointer
	}{uint32(link), size, unsafe.Pointer(&info)}
	_, err := bpf(objGetInfo, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return binary.NativeEndian.Uint32(info[pidAt:]), err == nil && binary.NativeEndian.Uint32(info[:]) == uprobeMulti && attr.size == size
}

// notes say what is not observed.
func (r *replaced) notes() []string {
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.by == "" {
		return nil
	}
	return []string{fmt.Sprintf("process %d executed %s by another thread than its first: the kernel's probes see nothing of that", r.pid, r.by)}
}
