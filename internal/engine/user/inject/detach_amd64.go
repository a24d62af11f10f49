package inject

import (
	"bytes"
	"cmp"
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

// drain is how long Detach waits for threads to leave the region.
const drain = 2 * time.Second

// Detach restores every byte, in one stop or, if they are many, in several; then it waits until no thread is inside the regions, and unmaps them.
// left reports that one is still mapped: a thread has not come out of it yet, or another sonde's jumps lead through it. Then nothing that runs
// there has an effect any more, and the next sonde that comes or leaves unmaps it. Each process that uses regions needs its own Detach, of all
// of them: the code of one may use the data of another.
func (p *Process) Detach(regions ...*Region) (left bool, result Result, err error) {
	l := p.leaving(regions)
	p.roomFor(min(l.pages, uint64(p.slice)) * pageSize)
	defer func() { p.room = nil }()
	for _, part := range l.parts {
		one, err := p.restorePart(l, part)
		result.add(one)
		if err != nil {
			return true, result, err
		}
		time.Sleep(result.Stopped) // for as long as it stood still it runs
	}
	until := time.Now().Add(drain)
	for wait := time.Millisecond; ; wait *= 2 {
		var now remains
		one, err := p.stop(func(h *hold) (err error) {
			now, err = h.leave(l)
			return err
		})
		result.add(one)
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

// restorePart restores some of what a sonde overwrote, in one stop.
func (p *Process) restorePart(l *leaving, part []jumps) (Result, error) {
	left := make([][]entry, len(part))
	result, err := p.stop(func(h *hold) (err error) {
		for i, some := range part {
			if !h.has(some.region) {
				continue
			}
			if left[i], err = h.restore(some.entries, some.region); err != nil {
				return err
			}
		}
		return nil
	})
	for i, some := range part {
		l.keep(some.region, left[i])
	}
	return result, err
}

// has reports whether the process maps a region; one that runs another program now does not.
func (h *hold) has(r *Region) bool { return slices.ContainsFunc(h.maps, r.journalOf) }

// leave takes everything back that can be now.
func (h *hold) leave(l *leaving) (remains, error) {
	own := map[uint64][]entry{}
	for r, some := range l.rest {
		if !h.has(r) {
			continue
		}
		left, err := h.restore(some, r)
		if err != nil {
			return inUse, err
		}
		l.rest[r], own[r.inode] = left, left
		r.journal.setState(retired)
	}
	if len(own) == 0 {
		return nothing, nil
	}
	return h.heal(own, l.leaked)
}

// bringBack moves threads out of the region that stand where an instruction outside stands for the same, at a place that has its bytes
// again. Through other places a thread would come a second time.
func (h *hold) bringBack(r *Region, restored map[uint64]bool) error {
	for _, t := range h.stopped {
		i, ok := slices.BinarySearchFunc(r.back, t.regs.Rip, func(o origin, at uint64) int { return cmp.Compare(o.at, at) })
		if !ok || !restored[r.back[i].place] {
			continue
		}
		t.regs.Rip = r.back[i].place + r.back[i].from
		if err := h.setRegs(t, &t.regs); err != nil {
			return err
		}
	}
	return nil
}

// restore puts bytes back where memory holds what was written, and gives what it could not: places that hold something else, and jumps that lie on
// another sonde's. Where somebody else's jump lies on ours, our code is jumped over from now on, if r is ours. The entries are in order of address.
func (h *hold) restore(entries []entry, r *Region) (left []entry, err error) {
	restored := map[uint64]bool{}
	for len(entries) > 0 {
		n := onPages(entries, slicePages)
		some := entries[:n]
		entries = entries[n:]
		all := h.runs(n, func(i int) Span { return Span{some[i].addr, some[i].addr + jumpLen} })
		for i := range all {
			one := &all[i]
			h.load(one)
			for _, e := range some[one.from:one.to] {
				if h.takeBack(e, one, r) {
					left = append(left, e)
				}
			}
			if err := h.store(one); err != nil {
				return left, err
			}
			for _, c := range one.changes {
				restored[c.addr] = true
			}
		}
	}
	if r == nil {
		return left, nil
	}
	return left, h.bringBack(r, restored)
}

// takeBack has a place's bytes put back where that can be, and reports whether something is left of the jump.
func (h *hold) takeBack(e entry, where *run, r *Region) (left bool) {
	now, err := h.bytes(where, e.addr, jumpLen)
	chained := h.leadsInto(e)
	switch {
	case err != nil:
		return false // unmapped since
	case between(now, e):
		where.changes = append(where.changes, change{e.addr, e.before})
		return chained
	case bytes.Equal(now, e.before[:]):
		return chained
	case r != nil && h.overlaid(e, now):
		h.jumpOver(e, r)
	}
	return true
}

// leadsInto reports whether what was overwritten was another sonde's jump, which may be what its region is still needed for.
func (h *hold) leadsInto(e entry) bool {
	to, jumps := jumpTarget(e.addr, e.before[:])
	return jumps && slices.ContainsFunc(h.maps, func(m target.Mapping) bool { return to >= m.Start && to < m.End && isRegion(m) })
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
		size := m.End - m.Start
		if size > headerSize+maxEntries*entrySize {
			continue
		}
		left, ours := own[m.Ino]
		if ours {
			size = headerSize
		}
		head := make(journal, size)
		if h.read(m.Start, head) != nil || !head.valid() {
			continue
		}
		one := found{inode: m.Ino, head: head, entries: left}
		if !ours {
			one.entries = h.plausible(head.entries())
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
// that is leaving, whose remains it tells. leaked: a file may be open that was to become a region.
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
		if _, ours := own[f.inode]; ours {
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
