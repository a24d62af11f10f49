package symbol

import (
	"debug/dwarf"
	"sort"
)

// unitIndex is what one pass over a unit's entries found: which functions have code, and which entries enclose others.
type unitIndex struct {
	functions []functionEntry // by address
	scopes    []scope         // by start
	open      []openScope     // during the pass: those around the current entry
	spans     []functionSpan  // by address, made on first use
	problem   error
}

type openScope struct{ index, depth int }

// functionEntry is a DW_TAG_subprogram with code.
type functionEntry struct {
	addr uint64 // of entry
	at   uint64 // the entry in .debug_info
}

// scope is an entry that gives those within it a part of their name: namespace, class, function.
type scope struct {
	start, end uint64 // in .debug_info: from the entry to behind its children
	parent     int    // index of the scope around it, -1 none
}

// maxScan bounds the entries of one unit.
const maxScan = 64 << 20

// indexOf gives the unit's index, made on first use.
func (u *unit) indexOf() *unitIndex {
	if u.index == nil {
		u.index = &unitIndex{}
		u.index.problem = u.scan(u.index.take)
		sort.Slice(u.index.functions, func(i, j int) bool { return u.index.functions[i].addr < u.index.functions[j].addr })
	}
	return u.index
}

// step is one entry of a scan.
type step struct {
	entry entryAt
	depth int
	end   bool // the children of the entry at this depth ended here, at entry.at
}

// scan goes through all entries of the unit in order. The error says where the unit is damaged.
func (u *unit) scan(take func(step)) error {
	data := u.info.data()[:u.end]
	at, depth := u.first, 0
	for range maxScan {
		if at >= u.end {
			return nil
		}
		if !u.info.burn() {
			break
		}
		e, ok := u.entry(at)
		if !ok {
			return u.damage(at)
		}
		if e.abbrev == nil {
			at = uint64(e.body)
			if depth--; depth <= 0 {
				return nil
			}
			take(step{entry: entryAt{unit: u, at: at}, depth: depth, end: true})
			continue
		}
		take(step{entry: e, depth: depth})
		c := dwarfCursor{data: data, at: e.body}
		for i := range e.specs {
			u.pass(&c, &e.specs[i])
		}
		if c.bad {
			return u.damage(at)
		}
		at = uint64(c.at)
		if e.nests {
			depth++
		} else if depth == 0 {
			return nil
		}
		if depth > maxDepth {
			return u.damage(at)
		}
	}
	return u.damage(at)
}

// take notes one step.
func (x *unitIndex) take(s step) {
	if s.end {
		x.close(s)
		return
	}
	switch s.entry.tag {
	case dwarf.TagSubprogram:
		if addr, ok := s.entry.unit.code(s.entry); ok {
			x.functions = append(x.functions, functionEntry{addr, s.entry.at})
		}
	case dwarf.TagNamespace, dwarf.TagStructType, dwarf.TagClassType, dwarf.TagUnionType, dwarf.TagEnumerationType, dwarf.TagModule:
	default:
		return
	}
	if s.entry.nests && s.depth > 0 {
		parent := -1
		if n := len(x.open); n > 0 {
			parent = x.open[n-1].index
		}
		x.open = append(x.open, openScope{len(x.scopes), s.depth})
		x.scopes = append(x.scopes, scope{start: s.entry.at, parent: parent})
	}
}

// close ends the scope whose children ended.
func (x *unitIndex) close(s step) {
	if n := len(x.open); n > 0 && x.open[n-1].depth == s.depth {
		x.scopes[x.open[n-1].index].end = s.entry.at
		x.open = x.open[:n-1]
	}
}

// code gives the address where an entry's code begins. Address 0 is what linkers leave of functions they dropped.
func (u *unit) code(e entryAt) (uint64, bool) {
	for i := range e.specs {
		switch e.specs[i].attr {
		case dwarf.AttrLowpc, dwarf.AttrRanges, dwarf.AttrEntrypc:
			addr, ok := u.entryAddress(e)
			return addr, ok && addr != 0 && addr+1 != 0
		}
	}
	return 0, false
}

// scopeOf finds the innermost scope around an offset, not counting one that begins there.
func (x *unitIndex) scopeOf(at uint64) int {
	i := sort.Search(len(x.scopes), func(i int) bool { return x.scopes[i].start >= at }) - 1
	for i >= 0 && at >= x.scopes[i].end {
		i = x.scopes[i].parent
	}
	return i
}

// at gives the functions that begin at an address.
func (x *unitIndex) at(addr uint64) []functionEntry {
	i := sort.Search(len(x.functions), func(i int) bool { return x.functions[i].addr >= addr })
	j := i
	for j < len(x.functions) && x.functions[j].addr == addr {
		j++
	}
	return x.functions[i:j]
}
