package inject

import (
	"bytes"
	"cmp"
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
// an effect any more, and the next sonde that comes or leaves unmaps it. Each process that uses regions needs its own Detach, of all of
// them: the code of one may use the data of another.
func (p *Process) Detach(regions ...*Region) (left bool, result Result, err error) {
	until := time.Now().Add(drain)
	for wait := time.Millisecond; ; wait *= 2 {
		var now remains
		var one Result
		one, err = p.stop(func(h *hold) error {
			now, err = h.leave(regions)
			return err
		})
		result.Stopped, result.Threads = max(result.Stopped, one.Stopped), one.Threads
		if err != nil || now != inUse || time.Now().After(until) {
			return now != nothing, result, err
		}
		time.Sleep(wait)
	}
}

// remains is what is left of a region.
type remains uint8

const (
	nothing remains = iota
	inUse           // a thread is inside
	beneath         // another sonde's jumps lead through it
)

// leave takes everything back that can be now.
func (h *hold) leave(regions []*Region) (remains, error) {
	var own []uint64
	for _, r := range regions {
		if !slices.ContainsFunc(h.maps, r.journalOf) {
			continue // it runs another program now
		}
		if err := h.restore(r.journal.entries(), r); err != nil {
			return inUse, err
		}
		r.journal.setState(retired)
		own = append(own, r.inode)
	}
	if len(own) == 0 {
		return nothing, nil
	}
	return h.heal(own)
}

// bringBack moves threads out of the region that stand where an instruction outside stands for the same, at a place that has its bytes
// again. Through other places a thread would come a second time.
func (h *hold) bringBack(r *Region, restored []entry) error {
	slices.SortFunc(r.back, func(a, b origin) int { return cmp.Compare(a.at, b.at) })
	for _, t := range h.stopped {
		i, ok := slices.BinarySearchFunc(r.back, t.regs.Rip, func(o origin, at uint64) int { return cmp.Compare(o.at, at) })
		if !ok || !slices.ContainsFunc(restored, func(e entry) bool { return e.addr == r.back[i].place }) {
			continue
		}
		t.regs.Rip = r.back[i].place + r.back[i].from
		if err := h.setRegs(t, &t.regs); err != nil {
			return err
		}
	}
	return nil
}

// restore puts bytes back where memory holds what was written. Where somebody else's jump lies on ours, our code is jumped over from
// now on, if r is ours.
func (h *hold) restore(entries []entry, r *Region) error {
	var ours []entry
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.addr, b.addr) })
	code := h.ahead()
	for _, e := range entries {
		now, err := code.get(e.addr, jumpLen)
		if err != nil {
			continue // unmapped since
		}
		switch {
		case between(now, e):
			ours = append(ours, e)
		case r != nil && h.overlaid(e, now):
			h.jumpOver(e, r)
		}
	}
	if err := h.writeAll(ours, func(e entry) []byte { return e.before[:] }); err != nil || r == nil {
		return err
	}
	return h.bringBack(r, ours)
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

// heal takes back what sondes that have gone have left, one below the other, and unmaps what is idle. own are the regions of a sonde that is
// leaving, whose remains it tells.
func (h *hold) heal(own []uint64) (left remains, err error) {
	regions := h.regions()
	all := slices.DeleteFunc(slices.Clone(regions), func(f found) bool { return f.head.state() != retired && !f.head.owner().gone() })
	for range all { // each pass takes a layer off
		for _, f := range all {
			if err := h.restore(h.plausible(f.head.entries()), nil); err != nil {
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
		if slices.Contains(own, f.inode) {
			left = max(left, now)
		}
	}
	for owner, spans := range idle {
		if !busy[owner] { // the code of one region may use the memory of another
			h.unmap(spans)
		}
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

// above lists the memory of a region and of those whose code leads into it: the jumps of their sondes lay over its own.
func above(f found, all []found) []Span {
	spans := slices.Clone(f.spans)
	for known := 0; known < len(spans); {
		known = len(spans)
		for _, g := range all {
			if !slices.Contains(spans, g.spans[0]) && slices.ContainsFunc(g.head.entries(), func(e entry) bool {
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
func (h *hold) quiet(f found, all []found) bool {
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
			_, err := h.heal(nil)
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
