package inject

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sonde-project/sonde/internal/target"
)

const (
	// reach is how far an area of code may lie from the code that jumps to it and that its instructions refer to; a little less than
	// a displacement of 32 bits spans, for data beside the code.
	reach = 1<<31 - 1<<27
	// lowest is where regions begin at the earliest: below, the kernel lets nobody map.
	lowest = 1 << 16
	// guard is left free around a region, so that nobody's neighbour changes.
	guard = 1 << 16
	// stackRoom is left free below a stack.
	stackRoom = 256 << 20
)

// clusters groups stretches of code that one area can reach.
func clusters(near []Span) []Span {
	near = slices.Clone(near)
	slices.SortFunc(near, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	var out []Span
	for _, s := range near {
		if n := len(out); n > 0 && s.End-out[n-1].Start < reach/2 {
			out[n-1].End = max(out[n-1].End, s.End)
			continue
		}
		out = append(out, s)
	}
	return out
}

// room finds a free place of a size from which all of a stretch can be reached, as near to it as there is one: below it if possible, because
// heaps grow upwards behind programs.
func room(maps []target.Mapping, near Span, size uint64) (uint64, error) {
	best, found := uint64(0), false
	consider := func(at uint64) {
		if max(near.End, at+size)-min(near.Start, at) > reach {
			return
		}
		if !found || distance(at, near) < distance(best, near) {
			best, found = at, true
		}
	}
	from := uint64(lowest)
	below := true
	for _, m := range append(slices.Clone(maps), target.Mapping{Start: 1<<47 - pageSize, Path: "[stack]"}) {
		free := Span{from + guard, m.Start - guard}
		if m.Path == "[stack]" {
			free.End = m.Start - min(m.Start, stackRoom)
		}
		if m.Start > from && free.End > free.Start && free.End-free.Start >= size {
			below = m.Start <= near.Start
			if below {
				consider((free.End - size) &^ (pageSize - 1))
			} else if !found {
				consider(heapRoom(free, near, size))
			}
		}
		from = max(from, m.End)
	}
	if !found {
		return 0, diagnosis(NoRegion, fmt.Sprintf("no %d bytes are free within a jump's reach of the code at %#x", size, near.Start), kernelHint)
	}
	return best, nil
}

// heapRoom is a place above a program: as far up as can be reached, to leave room for its heap.
func heapRoom(free, near Span, size uint64) uint64 {
	top := min(free.End-size, near.Start+reach-size)
	return max(free.Start, top) &^ (pageSize - 1)
}

func distance(at uint64, near Span) uint64 {
	if at < near.Start {
		return near.Start - at
	}
	return at - near.Start
}
