package inject

import (
	"cmp"
	"slices"
)

// A stop takes as long as what is written in it: of each page that is changed the process gets a copy of its own, which costs the kernel microseconds.
// So many places are written in several stops, and the process runs in between. Those of one function are never apart: whoever sees a call
// begin sees it end.

// slicePages is how many pages are changed in one stop, unless one function has more: a few milliseconds.
const slicePages = 512

// sliced divides patches into those that are made in one stop, each in order of address.
func sliced(patches []Patch, order []int, most int) (all [][]int) {
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(patches[a].Function, patches[b].Function), cmp.Compare(patches[a].Addr, patches[b].Addr))
	})
	start, used, page := 0, 0, ^uint64(0)
	for n := 0; n < len(order); {
		begin, pages := n, 0
		for fn := patches[order[n]].Function; n < len(order) && patches[order[n]].Function == fn; n++ {
			if at := patches[order[n]].Addr / pageSize; at != page {
				page = at
				pages++
			}
		}
		if used+pages > most && begin > start {
			all, start, used = append(all, order[start:begin]), begin, 1 // it may begin on the page of the one before
		}
		used += pages
	}
	if start < len(order) {
		all = append(all, order[start:])
	}
	for _, one := range all {
		slices.SortFunc(one, func(a, b int) int { return cmp.Compare(patches[a].Addr, patches[b].Addr) })
	}
	return all
}

// run is memory on adjacent pages that is looked at and changed while the process stands still.
type run struct {
	Span            // from the start of its first place to the furthest end of any
	from, to int    // the places
	code     []byte // what memory holds there, as far as it could be read
	changes  []change
}

// change is what is written at a place.
type change struct {
	addr  uint64
	bytes [jumpLen]byte
}

// runs puts places, in order of address, together that lie on adjacent pages. They are good until it is called again.
func (p *Process) runs(n int, place func(i int) Span) (all []run) {
	for i := range n {
		s := place(i)
		if last := len(all) - 1; last >= 0 && s.Start/pageSize <= place(i-1).Start/pageSize+1 {
			all[last].to, all[last].End = i+1, max(all[last].End, s.End)
			continue
		}
		all = append(all, run{Span: s, from: i, to: i + 1})
	}
	size := uint64(0)
	for i := range all {
		size += all[i].End - all[i].Start
	}
	room := p.roomFor(size)
	for i := range all {
		r := &all[i]
		r.code, room = room[:r.End-r.Start], room[r.End-r.Start:]
		r.changes = make([]change, 0, r.to-r.from)
	}
	return all
}

// roomFor gives memory that is there, so that nobody waits for the kernel to find some while the process stands still.
func (p *Process) roomFor(size uint64) []byte {
	if uint64(len(p.room)) < size {
		p.room = make([]byte, size)
		for at := 0; at < len(p.room); at += pageSize {
			p.room[at] = 1
		}
	}
	return p.room[:size]
}

// onPages is how many entries, in order of address, lie on so many pages at most.
func onPages(entries []entry, most int) (n int) {
	page := ^uint64(0)
	for ; n < len(entries); n++ {
		if at := entries[n].addr / pageSize; at != page {
			if most == 0 {
				break
			}
			page = at
			most--
		}
	}
	return n
}

func byAddress(a, b entry) int { return cmp.Compare(a.addr, b.addr) }

// jumps are some of those that lead into a region, in order of address.
type jumps struct {
	region  *Region
	entries []entry
}

// leaving is the way out of a process: parts are restored in one stop each, and then, in the last, the rest.
type leaving struct {
	parts  [][]jumps
	rest   map[*Region][]entry
	pages  uint64
	leaked bool // the process may have a file open that was to become a region
}

// leaving divides what lies in regions as it was patched.
func (p *Process) leaving(regions []*Region) *leaving {
	l := &leaving{leaked: p.leaked(), rest: map[*Region][]entry{}}
	var part []jumps
	used := 0
	for _, r := range regions {
		l.rest[r] = nil
		slices.SortFunc(r.back, func(a, b origin) int { return cmp.Compare(a.at, b.at) })
		all, start := r.journal.entries(), 0
		for _, end := range append(slices.Clone(r.cuts), len(all)) {
			some := all[start:end]
			start = end
			slices.SortStableFunc(some, byAddress)
			pages := pagesOf(some)
			l.pages += uint64(pages)
			if used+pages > p.slice && used > 0 {
				l.parts, part, used = append(l.parts, part), nil, 0
			}
			part, used = append(part, jumps{r, some}), used+pages
		}
	}
	for _, some := range part {
		l.keep(some.region, some.entries)
	}
	return l
}

// keep leaves some for the last stop.
func (l *leaving) keep(r *Region, some []entry) {
	l.rest[r] = append(l.rest[r], some...)
	slices.SortStableFunc(l.rest[r], byAddress)
}

func pagesOf(entries []entry) (n int) {
	for ; len(entries) > 0; n++ {
		entries = entries[onPages(entries, 1):]
	}
	return n
}
