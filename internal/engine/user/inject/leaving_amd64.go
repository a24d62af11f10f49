package inject

import (
	"cmp"
	"slices"
)

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
