package inject

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/target"
)

// found is a region that the process maps.
type found struct {
	inode   uint64
	head    journal
	entries []entry // places that may lead into it
	spans   []Span
}

// regions lists those with a journal. What is left of own ones is known.
func (h *hold) regions(own map[uint64][]entry) []found {
	var out []found
	for _, m := range h.maps {
		if !isRegion(m) || m.Offset != 0 {
			continue
		}
		head := make(journal, headerSize)
		if h.read(m.Start, head) != nil || !head.valid() {
			continue
		}
		one := found{inode: m.Ino, head: head}
		if left, ours := own[m.Ino]; ours {
			one.entries = left
		} else if entries, err := h.written(m, head); err == nil {
			one.entries = h.plausible(entries)
		} else {
			continue
		}
		first := h.firstArea(m, head)
		for _, s := range h.maps {
			if isRegion(s) && s.Ino == m.Ino && !first.contains(s.Start) {
				one.spans = append(one.spans, Span{s.Start, s.End})
			}
		}
		one.spans = append(one.spans, first) // last: without its journal nobody would find the rest
		out = append(out, one)
	}
	return out
}

// written reads the entries that count. The journal's mapping may be all of the region: its sonde has died before it gave the rest other rights.
func (h *hold) written(m target.Mapping, head journal) ([]entry, error) {
	size := headerSize + min(head.count(), maxEntries)*entrySize
	whole := make(journal, min(uint64(size), m.End-m.Start))
	err := h.read(m.Start, whole)
	return whole.entries(), err
}

// firstArea gives all that was mapped in one piece with a journal. Private memory belongs to no file: it lies between two that do.
func (h *hold) firstArea(m target.Mapping, head journal) Span {
	area := Span{m.Start, m.End}
	end := m.End
	for _, s := range head.spans() {
		if s.Start == m.Start {
			end = s.End
		}
	}
	for _, s := range h.maps {
		switch {
		case s.Start != area.End || s.End > end:
		case isRegion(s), s.Ino == 0 && s.Path == "" && s.End < end:
			area.End = s.End
		}
	}
	return area
}

// heal takes back what sondes that have gone have left, one below the other, and unmaps what is idle. own is what is left of the regions of a sonde
// that is leaving, whose remains it tells, and whether a thread is inside any. leaked: a file may be open that was to become a region.
func (h *hold) heal(own map[uint64][]entry, leaked bool) (left remains, err error) {
	regions := h.regions(own)
	var all []*found
	for i := range regions {
		if f := &regions[i]; f.head.state() == retired || f.head.owner().gone() {
			all = append(all, f)
		}
	}
	for range all { // each pass takes a layer off
		for _, f := range all {
			if f.entries, err = h.restore(f.entries, nil); err != nil {
				return inUse, err
			}
		}
	}
	idle, busy := map[identity][]Span{}, map[identity]bool{}
	for _, f := range all {
		owner := f.head.owner()
		now := nothing
		switch {
		case h.covered(f):
			now = beneath
		case !h.quiet(f, regions):
			now = inUse
		}
		if now == nothing {
			idle[owner] = append(idle[owner], f.spans...)
		} else {
			busy[owner] = true
		}
		if _, ours := own[f.inode]; ours || now == inUse { // those beneath ours may have waited for us, and keep ours mapped
			left = max(left, now)
		}
	}
	for owner, spans := range idle {
		if !busy[owner] { // the code of one region may use the memory of another
			h.unmap(spans)
		}
	}
	if !leaked {
		return left, nil
	}
	return left, h.closeLeaked()
}

// plausible drops entries that no sonde writes, as the journal lies in memory that the process may have changed, and puts the others in order of
// address.
func (h *hold) plausible(entries []entry) []entry {
	entries = slices.DeleteFunc(entries, func(e entry) bool {
		_, jumps := jumpTarget(e.addr, e.after[:])
		m := sort.Search(len(h.maps), func(i int) bool { return h.maps[i].End > e.addr })
		return !jumps || m == len(h.maps) || !h.maps[m].Exec() || e.addr < h.maps[m].Start || e.addr+jumpLen > h.maps[m].End || isRegion(h.maps[m])
	})
	slices.SortStableFunc(entries, byAddress)
	return entries
}

// covered reports whether some place still leads into a region, through somebody else's code.
func (h *hold) covered(f *found) bool {
	return slices.ContainsFunc(f.entries, func(e entry) bool {
		now := make([]byte, jumpLen)
		return h.read(e.addr, now) == nil && h.overlaid(e, now)
	})
}

// above lists the memory of a region and of those whose code leads into it: the jumps of their sondes lay over its own.
func above(f *found, all []found) []Span {
	spans := slices.Clone(f.spans)
	for known := 0; known < len(spans); {
		known = len(spans)
		for _, g := range all {
			if !slices.Contains(spans, g.spans[0]) && slices.ContainsFunc(g.entries, func(e entry) bool {
				to, ok := jumpTarget(e.addr, e.before[:])
				return ok && within(spans, to)
			}) {
				spans = append(spans, g.spans...)
			}
		}
	}
	return spans
}

// quiet reports whether no thread is inside a region, or comes into it without entering a function anew. Code there calls nothing outside, so
// who is inside stands there, or was interrupted there by a signal whose handler runs. Other words on stacks that look like its
// addresses are left from earlier calls.
func (h *hold) quiet(f *found, all []found) bool {
	spans := above(f, all)
	inside := func(addr uint64) bool { return within(spans, addr) }
	for _, t := range h.stopped {
		busy := inside(t.regs.Rip)
		h.interrupted(t, func(addr uint64) { busy = busy || inside(addr) })
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
			if isRegion(m) && m.Offset == 0 && !seen[m.Ino] {
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
			_, err := h.heal(nil, true)
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
