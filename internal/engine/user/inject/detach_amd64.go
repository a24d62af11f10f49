package inject

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/target"
)

// drain is how long Detach waits for threads to leave the region.
const drain = 2 * time.Second

// Detach restores every byte in one stop, then waits until no thread is inside the region and unmaps it. left reports that it is
// still mapped: a thread has not come out of it yet, or another sonde's jumps lead through it. Then nothing that runs there has
// an effect any more, and the next sonde that comes or leaves unmaps it. Each process that uses the region needs its own Detach.
func (p *Process) Detach(r *Region) (left bool, result Result, err error) {
	until := time.Now().Add(drain)
	for wait := time.Millisecond; ; wait *= 2 {
		var one Result
		one, err = p.stop(func(h *hold) error {
			left, err = h.leave(r)
			return err
		})
		result.Stopped, result.Threads = max(result.Stopped, one.Stopped), one.Threads
		if err != nil || !left || time.Now().After(until) {
			return left, result, err
		}
		time.Sleep(wait)
	}
}

// leave takes everything back that can be now.
func (h *hold) leave(r *Region) (left bool, err error) {
	if !slices.ContainsFunc(h.maps, func(m target.Mapping) bool { return isRegion(m) && m.Ino == r.inode }) {
		return false, nil // it runs another program now
	}
	h.bringBack(r)
	over, err := h.restore(r.journal.entries(), r)
	if err != nil {
		return true, err
	}
	r.journal.setState(retired)
	return h.heal(r.inode, over...)
}

// bringBack moves threads out of the region that stand where an instruction outside stands for the same.
func (h *hold) bringBack(r *Region) {
	for _, t := range h.stopped {
		if to, ok := r.back[t.regs.Rip]; ok {
			t.regs.Rip = to
			_ = h.setRegs(t, &t.regs)
		}
	}
}

// restore puts bytes back where memory holds what was written. over are the places where somebody else's jump lies on ours: there
// our code is jumped over from now on, if r is ours.
func (h *hold) restore(entries []entry, r *Region) (over []entry, err error) {
	var ours []entry
	for _, e := range slices.Backward(entries) {
		now := make([]byte, jumpLen)
		if err := h.read(e.addr, now); err != nil {
			continue // unmapped since
		}
		switch {
		case between(now, e):
			ours = append(ours, e)
		case h.overlaid(e, now):
			over = append(over, e)
		}
	}
	slices.SortFunc(ours, func(a, b entry) int { return int(int64(a.addr - b.addr)) })
	if err := h.writeAll(ours, func(e entry) []byte { return e.before[:] }); err != nil {
		return over, err
	}
	for _, e := range over {
		if r != nil {
			h.jumpOver(e, r)
		}
	}
	return over, nil
}

// between reports whether a place holds what was written, or a part of it.
func between(now []byte, e entry) bool {
	if bytes.Equal(now, e.before[:]) {
		return false
	}
	for i, b := range now {
		if b != e.after[i] && b != e.before[i] {
			return false
		}
	}
	return true
}

// overlaid reports whether a place holds another sonde's jump in place of ours, or somebody's breakpoint on ours: when that goes, ours is
// back.
func (h *hold) overlaid(e entry, now []byte) bool {
	if bytes.Equal(now, e.before[:]) {
		return false
	}
	if bytes.Equal(now[1:], e.after[1:]) {
		return true
	}
	to, ok := jumpTarget(e.addr, now)
	if ok {
		_, ok = regionAt(h.maps, to)
	}
	return ok
}

// jumpOver makes our code for a place do nothing: its first instruction becomes a jump to the moved instructions.
func (h *hold) jumpOver(e entry, r *Region) {
	from, _ := jumpTarget(e.addr, e.after[:])
	code, err := jump(from, e.bypass)
	if err != nil || e.bypass == 0 || e.bypass == from {
		return
	}
	for _, t := range h.stopped {
		if t.regs.Rip > from && t.regs.Rip < from+jumpLen {
			return // it stays as it is: slower, and as right
		}
	}
	for _, text := range r.Texts {
		if text.span().contains(from) {
			copy(text.Local[from-text.Addr:], code[:])
		}
	}
}

// found is a region that the process maps.
type found struct {
	inode uint64
	head  journal
	spans []Span
}

// regions lists those with a journal.
func (h *hold) regions() []found {
	var out []found
	for _, m := range h.maps {
		if !isRegion(m) || m.Offset != 0 {
			continue
		}
		size := m.End - m.Start
		if size > headerSize+maxEntries*entrySize {
			continue
		}
		head := make(journal, size)
		if h.read(m.Start, head) != nil || !head.valid() {
			continue
		}
		one := found{inode: m.Ino, head: head}
		for i, s := range h.maps {
			if isRegion(s) && s.Ino == m.Ino || h.between(i, m.Ino) {
				one.spans = append(one.spans, Span{s.Start, s.End})
			}
		}
		out = append(out, one)
	}
	return out
}

// between reports whether a mapping is a region's private memory, which belongs to no file: it lies between two of the region's.
func (h *hold) between(i int, inode uint64) bool {
	if i == 0 || i+1 == len(h.maps) || h.maps[i].Ino != 0 {
		return false
	}
	before, after := h.maps[i-1], h.maps[i+1]
	return isRegion(before) && isRegion(after) && before.Ino == inode && after.Ino == inode &&
		before.End == h.maps[i].Start && after.Start == h.maps[i].End
}

// heal takes back what sondes that have gone have left, one below the other, and unmaps what is idle. own is the region of a sonde that is
// leaving, 0 none; left is about that one, over what lies over its places.
func (h *hold) heal(own uint64, over ...entry) (left bool, err error) {
	all := slices.DeleteFunc(h.regions(), func(f found) bool { return f.head.state() != retired && !f.head.owner().gone() })
	for range len(all) + 1 {
		for _, f := range all {
			if _, err := h.restore(h.plausible(f.head.entries()), nil); err != nil {
				return true, err
			}
		}
	}
	for _, f := range all {
		if h.covered(f) || !h.quiet(f) {
			left = left || f.inode == own
			continue
		}
		h.unmap(f.spans)
	}
	return left, h.closeLeaked()
}

// plausible drops entries that no sonde writes: the journal lies in memory that the process may have changed.
func (h *hold) plausible(entries []entry) []entry {
	return slices.DeleteFunc(entries, func(e entry) bool {
		_, jumps := jumpTarget(e.addr, e.after[:])
		return !jumps || !slices.ContainsFunc(h.maps, func(m target.Mapping) bool {
			return m.Exec() && e.addr >= m.Start && e.addr+jumpLen <= m.End && !isRegion(m)
		})
	})
}

// covered reports whether some place still leads into a region, through somebody else's code.
func (h *hold) covered(f found) bool {
	return slices.ContainsFunc(f.head.entries(), func(e entry) bool {
		now := make([]byte, jumpLen)
		return h.read(e.addr, now) == nil && h.overlaid(e, now)
	})
}

// quiet reports whether no thread is inside a region or comes back into it.
func (h *hold) quiet(f found) bool {
	inside := func(addr uint64) bool {
		return slices.ContainsFunc(f.spans, func(s Span) bool { return s.contains(addr) })
	}
	for _, t := range h.stopped {
		busy := inside(t.regs.Rip)
		h.suspended(t, func(addr uint64) { busy = busy || inside(addr) })
		if busy {
			return false
		}
	}
	return true
}

// closeLeaked closes the file of a region whose sonde died while it made it.
func (h *hold) closeLeaked() error {
	names, err := os.ReadDir(procFile(h.PID, "fd"))
	if err != nil {
		return nil
	}
	for _, name := range names {
		link, _ := os.Readlink(filepath.Join(procFile(h.PID, "fd"), name.Name()))
		if !strings.HasPrefix(link, "/memfd:"+regionName+" ") {
			continue
		}
		if fd, err := strconv.ParseUint(name.Name(), 10, 31); err == nil {
			if _, err := h.call(unix.SYS_CLOSE, fd); err != nil && !errors.Is(err, unix.EBADF) {
				return err
			}
		}
	}
	return nil
}

// Recover makes a process whole that a sonde has left without taking leave. It gives the number of its regions that are gone now, and
// of those that are still there: their sonde runs, or a thread is inside.
func Recover(pid int) (mended, left int, err error) {
	p, err := Open(pid)
	if err != nil {
		return 0, 0, err
	}
	defer p.Close()
	before := 0
	count := func() (n int) {
		seen := map[uint64]bool{}
		maps, _ := p.mappings()
		for _, m := range maps {
			if isRegion(m) && !seen[m.Ino] {
				seen[m.Ino] = true
				n++
			}
		}
		return n
	}
	if before = count(); before == 0 && !p.leaked() {
		return 0, 0, nil
	}
	until := time.Now().Add(drain)
	for wait := time.Millisecond; ; wait *= 2 {
		_, err = p.stop(func(h *hold) error {
			_, err := h.heal(0)
			return err
		})
		left = count()
		if err != nil || left == 0 || time.Now().After(until) || p.allLive() {
			return before - left, left, err
		}
		time.Sleep(wait)
	}
}

// leaked reports whether the process has a region's file open.
func (p *Process) leaked() bool {
	names, _ := os.ReadDir(procFile(p.PID, "fd"))
	return slices.ContainsFunc(names, func(name os.DirEntry) bool {
		link, _ := os.Readlink(filepath.Join(procFile(p.PID, "fd"), name.Name()))
		return strings.HasPrefix(link, "/memfd:"+regionName+" ")
	})
}

// allLive reports whether all regions belong to sondes that run.
func (p *Process) allLive() bool {
	maps, _ := p.mappings()
	for _, m := range maps {
		if !isRegion(m) || m.Offset != 0 {
			continue
		}
		head := make(journal, headerSize)
		if p.peek(m.Start, head) != nil || !head.valid() || head.state() == retired || head.owner().gone() {
			return false
		}
	}
	return true
}
