package resolve

import (
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/internal/symbol"
	"github.com/sonde-project/sonde/internal/target"
)

// Symbolizer turns run-time addresses into names. It remembers what each process maps, so that stacks of a process
// that has ended since still have names if it was seen before. Safe for use from several goroutines.
type Symbolizer struct {
	objects *Objects
	mu      sync.Mutex
	maps    map[int][]mapping
	watch   *target.MapWatch // nil: /proc is all there is
}

type mapping struct {
	target.Mapping
	obj  *object
	bias symbol.Bias
	bad  bool // not an object that can be read
}

// NewSymbolizer gives a symbolizer that opens files through the cache.
func NewSymbolizer(o *Objects) *Symbolizer {
	return &Symbolizer{objects: o, maps: map[int][]mapping{}}
}

// Learn reads a process's mappings now and opens what it maps, before it can end.
func (s *Symbolizer) Learn(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read(pid)
	for i := range s.maps[pid] {
		if m := &s.maps[pid][i]; strings.HasPrefix(m.Path, "/") {
			s.open(pid, m)
		}
	}
}

// Follow makes the symbolizer learn what processes map as they do it, so that those that end early keep their names. The
// watch stays the caller's; Unfollow before closing it.
func (s *Symbolizer) Follow(w *target.MapWatch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = w
}

// Update takes in what was mapped since the last time. It is called often enough that the watch does not overflow.
func (s *Symbolizer) Update() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update()
}

func (s *Symbolizer) update() {
	if s.watch == nil {
		return
	}
	s.watch.Read(func(e target.MapEvent) {
		if e.Parent != 0 {
			s.maps[e.PID] = append([]mapping(nil), s.maps[e.Parent]...)
			return
		}
		s.maps[e.PID] = insert(s.maps[e.PID], mapping{Mapping: e.Mapping})
	})
}

// insert puts a mapping in its place, instead of those that it covers.
func insert(list []mapping, m mapping) []mapping {
	from := sort.Search(len(list), func(i int) bool { return list[i].End > m.Start })
	to := from
	for to < len(list) && list[to].Start < m.End {
		to++
	}
	return slices.Replace(list, from, to, m)
}

// Frame gives the frames at a run-time address: the function, preceded by what was inlined into it there. It always
// gives at least one.
func (s *Symbolizer) Frame(pid int, pc uint64) []event.Frame {
	m := s.find(pid, pc)
	if m == nil {
		return []event.Frame{{PC: pc}}
	}
	addr := symbol.PC(pc).Addr(m.bias)
	frames := m.obj.file.Inlines(addr)
	for i := range frames {
		frames[i].PC, frames[i].Target = pc, m.obj.Path
	}
	last := event.Frame{PC: pc, Target: m.obj.Path}
	if fn, off, ok := m.obj.file.At(addr); ok {
		last.Function, last.Offset = m.obj.file.Display(fn), off
	}
	if len(frames) == 0 {
		last.File, last.Line, _ = m.obj.file.Line(addr)
		return []event.Frame{last}
	}
	outer := &frames[len(frames)-1]
	outer.Inlined = false
	if outer.Function == "" {
		outer.Function = last.Function
	}
	outer.Offset = last.Offset
	return frames
}

// Function names the function that begins at a run-time address, "" when none does.
func (s *Symbolizer) Function(pid int, addr uint64) string {
	m := s.find(pid, addr)
	if m == nil {
		return ""
	}
	if fn, off, ok := m.obj.file.At(symbol.PC(addr).Addr(m.bias)); ok && off == 0 {
		return m.obj.file.Display(fn)
	}
	return ""
}

// GoType names the Go type whose descriptor lies at a run-time address.
func (s *Symbolizer) DynamicType(pid int, addr uint64) (string, *ctype.Type) {
	m := s.find(pid, addr)
	if m == nil {
		return "", nil
	}
	return m.obj.file.DynamicType(symbol.PC(addr).Addr(m.bias))
}

// find gives the mapping that holds pc, reading the process's mappings again when it is a new one.
func (s *Symbolizer) find(pid int, pc uint64) *mapping {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := lookup(s.maps[pid], pc)
	if m == nil {
		s.update()
		m = lookup(s.maps[pid], pc)
	}
	if m == nil {
		s.read(pid)
		m = lookup(s.maps[pid], pc)
	}
	if m == nil || !m.Exec() {
		return s.data(pid, pc)
	}
	return s.opened(pid, m)
}

// opened is a mapping with its object, nil when that cannot be read.
func (s *Symbolizer) opened(pid int, m *mapping) *mapping {
	if m.obj == nil && !m.bad {
		s.open(pid, m)
	}
	if m.bad {
		return nil
	}
	return m
}

// data finds what is no code by the code of the same object, mostly mapped before it: the watch tells of code alone, and a page of a
// file that two segments share does not tell which of them is mapped.
func (s *Symbolizer) data(pid int, pc uint64) *mapping {
	list := s.maps[pid]
	next := sort.Search(len(list), func(i int) bool { return list[i].Start > pc })
	for _, i := range []int{lastCode(list[:next]), next + firstCode(list[next:])} {
		if i < 0 || i >= len(list) {
			continue
		}
		if m := s.opened(pid, &list[i]); m != nil && m.obj.file.Holds(symbol.PC(pc).Addr(m.bias)) {
			return m
		}
	}
	return nil
}

// lastCode is the number of the last mapping of code, -1 when there is none.
func lastCode(list []mapping) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Exec() {
			return i
		}
	}
	return -1
}

// firstCode is the number of the first mapping of code.
func firstCode(list []mapping) int {
	for i := range list {
		if list[i].Exec() {
			return i
		}
	}
	return len(list)
}

func lookup(list []mapping, pc uint64) *mapping {
	i := sort.Search(len(list), func(i int) bool { return list[i].End > pc })
	if i < len(list) && list[i].Start <= pc {
		return &list[i]
	}
	return nil
}

// read replaces what is known of a process by what it maps now; a process that is gone keeps what was known.
func (s *Symbolizer) read(pid int) {
	p, err := target.Open(pid)
	if err != nil {
		return
	}
	maps, err := p.Maps()
	if err != nil || len(maps) == 0 {
		return
	}
	list := make([]mapping, len(maps))
	for i, m := range maps {
		list[i] = mapping{Mapping: m}
	}
	s.maps[pid] = list
}

func (s *Symbolizer) open(pid int, m *mapping) {
	m.bad = true
	var file target.Object
	if p, err := target.Open(pid); err == nil {
		file = p.Object(m.Mapping)
	} else if gone, ok := target.ObjectAt(m.Mapping); ok {
		file = gone
	} else {
		return
	}
	var err error
	if m.obj, err = s.objects.get(file); err != nil {
		return
	}
	bias, ok := m.obj.file.Bias(m.Symbol())
	m.bias, m.bad = bias, !ok
}
