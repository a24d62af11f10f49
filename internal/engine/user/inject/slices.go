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

func byAddress(a, b entry) int { return cmp.Compare(a.addr, b.addr) }
