package inject

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/sonde-project/sonde/internal/target"
)

// drain is how long Detach waits for threads to leave the region.
const drain = 2 * time.Second

// Detach restores every byte, in one stop or, if they are many, in several; then it waits until no thread is inside the regions, and unmaps them.
// So it does with those that other sondes have left. left reports that one is still mapped: a thread has not come out of it yet, or another sonde's
// jumps lead through it. Then nothing that runs
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
