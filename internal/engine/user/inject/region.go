package inject

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/target"
)

// Region is memory that we share with a process and with those that it forks.
//
//	one memfd:  journal | data | private | text of the first area | text of the second ...
//	there:      r--       rw-    rw- own   r-x                      r-x
//	here:       rw-
//
// Journal, data, private and the first text lie side by side; each further text lies near other code. Private memory is the
// process's alone: zeros at first; a child that it forks has a copy, but for zeros in the first page. A Region belongs to who called Map, who closes it.
type Region struct {
	Data    Area
	Private Area
	Texts   []Area
	// Pads are the ends of the areas of code, which the process maps as its own copy: the kernel puts probes nowhere else. They are filled in before
	// the kernel first looks at them. In the file, each begins at the offset of the same number.
	Pads   []Area
	PadsAt []uint64
	// FSBases are the thread pointers of the threads that there were, by thread ID.
	FSBases map[int]uint64
	// Near are the stretches of code that the area of the same number serves.
	Near []Span

	// File is the memfd; nil where the region's data are another's and no pads were asked for.
	File *os.File

	local   []byte
	journal journal
	inode   uint64
	// back says for what addresses in the region stand.
	back []origin
	// cuts are how many entries the journal had after each stop: what was patched together is restored together.
	cuts []int
}

// origin is an instruction of a place that was patched, and where it is in the region.
type origin struct{ at, place, from uint64 }

// Text gives the area that code at an address can be sent to.
func (r *Region) Text(addr uint64) (Area, bool) {
	for i, near := range r.Near {
		if near.contains(addr) {
			return r.Texts[i], true
		}
	}
	return Area{}, false
}

// Close gives back what we map. The process keeps its side until Detach. Data that are shared go with the region that they came from.
func (r *Region) Close() error {
	if r.File != nil {
		r.File.Close()
	}
	return unix.Munmap(r.local)
}

// Retire says that our side is done with the region, where Detach could not be: the next sonde that comes, or Recover, takes it back.
func (r *Region) Retire() { r.journal.setState(retired) }

func within(spans []Span, addr uint64) bool {
	return slices.ContainsFunc(spans, func(s Span) bool { return s.contains(addr) })
}

// spans are the mappings over there.
func (r *Region) spans() []Span { return r.journal.spans() }

// plan says where everything lies: addresses over there, offsets here.
type layout struct {
	near    []Span
	offset  []uint64 // of each area in the memfd
	at      []uint64 // over there
	size    []uint64
	journal uint64
	data    uint64
	private uint64
	pads    uint64 // of each area
	total   uint64
	mapped  int // how many of the areas are there
}

// lay plans a region for a process as it is mapped now.
func (q Request) lay(maps []target.Mapping) (layout, error) {
	l := layout{near: clusters(q.Near), journal: journalSize(q.Sites), data: pages(q.Data), private: pages(q.Private), pads: pages(q.Pads)}
	switch {
	case q.Sites > maxEntries:
		return l, diagnosis(TooLarge, fmt.Sprintf("%d places to patch in one process, more than %d", q.Sites, maxEntries), "name fewer functions", kernelHint)
	case len(l.near) == 0 || len(l.near) > maxSpans:
		return l, fmt.Errorf("region: %d stretches of code", len(l.near))
	}
	for _, s := range q.Avoid {
		maps = inserted(maps, s.Start, s.End-s.Start)
	}
	for i, near := range l.near {
		size := pages(q.Text) + l.pads
		if i == 0 {
			size += l.journal + l.data + l.private
		}
		at, err := room(maps, near, size)
		if err != nil {
			return l, err
		}
		l.at, l.size, l.offset = append(l.at, at), append(l.size, size), append(l.offset, l.total)
		l.total += size
		maps = inserted(maps, at, size)
	}
	return l, nil
}

// inserted adds a mapping to a list in order of address.
func inserted(maps []target.Mapping, at, size uint64) []target.Mapping {
	out := make([]target.Mapping, 0, len(maps)+1)
	done := false
	for _, m := range maps {
		if !done && m.Start > at {
			out, done = append(out, target.Mapping{Start: at, End: at + size}), true
		}
		out = append(out, m)
	}
	if !done {
		out = append(out, target.Mapping{Start: at, End: at + size})
	}
	return out
}

// spans are the mappings of a layout.
func (l layout) spans() []Span {
	var out []Span
	for i := range l.at {
		out = append(out, Span{l.at[i], l.at[i] + l.size[i]})
	}
	return out
}

// region is our side of it.
func (l layout) region(local []byte, inode uint64) *Region {
	r := &Region{Near: l.near, local: local, journal: journal(local[:l.journal]), inode: inode}
	r.Data = Area{Addr: l.at[0] + l.journal, Size: l.data, Local: local[l.journal : l.journal+l.data]}
	r.Private = Area{Addr: l.at[0] + l.journal + l.data, Size: l.private}
	for i := range l.at {
		skip := uint64(0)
		if i == 0 {
			skip = l.journal + l.data + l.private
		}
		end := l.size[i] - l.pads
		r.Texts = append(r.Texts, Area{Addr: l.at[i] + skip, Size: end - skip, Local: local[l.offset[i]+skip : l.offset[i]+end]})
		r.Pads = append(r.Pads, Area{Addr: l.at[i] + end, Size: l.pads, Local: local[l.offset[i]+end : l.offset[i]+l.size[i]]})
		r.PadsAt = append(r.PadsAt, l.offset[i]+end)
	}
	return r
}

// Maps gives those of some regions that a process maps.
func Maps(pid int, regions []*Region) (mapped []*Region) {
	p, err := target.Open(pid)
	if err != nil {
		return nil
	}
	maps, err := p.Maps()
	if err != nil {
		return nil
	}
	for _, r := range regions {
		if slices.ContainsFunc(maps, r.journalOf) {
			mapped = append(mapped, r)
		}
	}
	return mapped
}

// journalOf reports whether a mapping of a process that runs with the region shows its journal. The data may be those of others too. We map the file as well,
// elsewhere, and so does a child of ours that has executed nothing yet: whoever stops that may wait for ever, as its parent waits for it.
func (r *Region) journalOf(m target.Mapping) bool {
	return isRegion(m) && m.Ino == r.inode && m.Offset == 0 && m.Start == r.spans()[0].Start
}

// Users lists the processes that map the region: the one it was made for and those that it has forked.
func (r *Region) Users() []int {
	var users []int
	for pid := range Users([]*Region{r}) {
		users = append(users, pid)
	}
	slices.Sort(users)
	return users
}

// Users gives the processes that map regions, and which.
func Users(regions []*Region) map[int][]*Region {
	byInode := map[uint64]*Region{}
	for _, r := range regions {
		byInode[r.inode] = r
	}
	users := map[int][]*Region{}
	names, _ := os.ReadDir("/proc")
	for _, name := range names {
		pid, err := strconv.Atoi(name.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		p, err := target.Open(pid)
		if err != nil {
			continue
		}
		maps, err := p.Maps()
		if err != nil {
			continue
		}
		for _, m := range maps {
			if r := byInode[m.Ino]; r != nil && r.journalOf(m) {
				users[pid] = append(users[pid], r)
			}
		}
	}
	return users
}
