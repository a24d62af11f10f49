package symbol

import (
	"fmt"
	"sort"
	"sync"

	"github.com/sonde-project/sonde/event"
)

// debugInfo is the DWARF of one file: its sections and its units. Nothing of it is read before it is asked for. It reads
// DWARF 2 to 5 itself and not through debug/dwarf, which promises nothing for hostile input and makes a map of every
// entry that it passes.
//
// All methods need the lock that File.debugging takes.
type debugInfo struct {
	file      *Debug
	sections  map[string][]byte
	broken    map[string]error
	alt       *debugInfo
	openAlt   func() *debugInfo // nil once it was tried
	usedBy    *debugInfo        // of an alternate file: the one that refers to it
	asking    event.Language    // of the current request
	units     []*unit           // by start
	tables    map[uint64]*abbrevs
	types     map[uint64]ref // type units by signature
	problem   error          // why the list of units ends early
	fuel      *int           // steps that the current request may still take, shared by all files of the program
	splits    *splitFiles    // where the other parts of skeletons are looked for
	split     bool           // it is such a part: a .dwo file, or a unit of a .dwp package
	skeleton  *unit          // what the part belongs to; nil of a type unit in a package
	spans     []unitSpan
	spanned   bool
	rangeless []*unit
}

// unit is one compilation, partial or type unit.
type unit struct {
	info        *debugInfo
	start, end  uint64 // in .debug_info
	first       uint64 // the root entry
	version     int
	addressSize int
	offsetSize  int
	abbrevs     *abbrevs
	typeAt      uint64 // of a type unit, from start
	id          uint64 // of a skeleton and its other part, from DWARF 5 on
	root        *rootEntry
	index       *unitIndex
	lines       *lineTable
	other       *otherPart // of a skeleton, once it was asked for
}

// maxUnits bounds the units of one file: a browser has some fifty thousand.
const maxUnits = 1 << 20

// dwarf keeps what File knows of debug information.
type dwarfState struct {
	sync.Mutex
	loaded bool
	main   *debugInfo
	types  *typeReader
}

// debugging locks the debug information and gives it, nil when there is none. The caller calls release.
func (f *File) debugging() (d *debugInfo, release func()) {
	s := &f.dwarf
	s.Lock()
	if !s.loaded {
		s.loaded = true
		s.main = f.newDebugInfo(f.Debug())
		s.types = newTypeReader(f)
	}
	if s.main != nil {
		*s.main.fuel = requestFuel
		s.main.asking = event.LangC
	}
	return s.main, s.Unlock
}

// requestFuel bounds one request: entries, list items and line operations read, of which a hostile file could make
// many times its size. A second or two is what it takes to burn it.
const requestFuel = 1 << 28

// burn takes a step; false when there were too many.
func (d *debugInfo) burn() bool {
	*d.fuel--
	return *d.fuel > 0
}

func (f *File) newDebugInfo(file *Debug) *debugInfo {
	if file == nil {
		return nil
	}
	fuel := requestFuel
	d := sectionsOf(file, &fuel)
	d.splits = &splitFiles{object: f, debug: file.Path(), fuel: &fuel}
	d.openAlt = func() *debugInfo { return f.newDebugInfo(f.DebugAlternate()) }
	d.readUnits(d.section(".debug_info"))
	return d
}

func sectionsOf(file *Debug, fuel *int) *debugInfo {
	return &debugInfo{file: file, fuel: fuel, sections: map[string][]byte{}, broken: map[string]error{}, tables: map[uint64]*abbrevs{}, types: map[uint64]ref{}}
}

// section gives a section's bytes, nil when it is missing or broken.
func (d *debugInfo) section(name string) []byte {
	data, ok := d.sections[name]
	if !ok {
		var err error
		if data, err = d.file.Contents(name); err != nil {
			d.broken[name] = err
		}
		d.sections[name] = data
	}
	return data
}

func (d *debugInfo) data() []byte       { return d.section(".debug_info") }
func (d *debugInfo) str() []byte        { return d.section(".debug_str") }
func (d *debugInfo) lineStr() []byte    { return d.section(".debug_line_str") }
func (d *debugInfo) strOffsets() []byte { return d.section(".debug_str_offsets") }
func (d *debugInfo) addr() []byte       { return d.section(".debug_addr") }

// alternate gives the file that dwz moved the common parts to.
func (d *debugInfo) alternate() *debugInfo {
	if open := d.openAlt; open != nil {
		d.openAlt = nil
		if d.alt = open(); d.alt != nil {
			d.alt.openAlt, d.alt.usedBy, d.alt.fuel, d.alt.splits = nil, d, d.fuel, d.splits
		}
	}
	return d.alt
}

// readUnits reads the headers of all units. Source: DWARF 5, section 7.5.1.
func (d *debugInfo) readUnits(data []byte) {
	c := dwarfCursor{data: data}
	for c.at < len(data) {
		u, err := d.readUnit(&c)
		if err != nil {
			d.problem = fmt.Errorf("%s: .debug_info: unit at 0x%x: %w", d.file.Path(), c.at, err)
			return
		}
		if u != nil {
			d.units = append(d.units, u)
		}
		if len(d.units) > maxUnits {
			d.problem = fmt.Errorf("%s: .debug_info: more than %d units", d.file.Path(), maxUnits)
			return
		}
	}
}

const (
	unitType      = 2
	unitSplitType = 6
	unitSkeleton  = 4
	unitSplit     = 5
)

// readUnit reads one header and moves the cursor behind the unit. A unit of a version that we do not know is nil.
func (d *debugInfo) readUnit(c *dwarfCursor) (*unit, error) {
	u := &unit{info: d, start: uint64(c.at)}
	length, dwarf64 := c.unitLength()
	if c.bad || length > uint64(len(c.data)-c.at) {
		return nil, errTruncated
	}
	u.end = uint64(c.at) + length
	u.offsetSize = offsetSize(dwarf64)
	u.version = int(c.u16())
	var table, signature uint64
	kind := uint8(1)
	if u.version >= 5 {
		kind = c.u8()
		u.addressSize = int(c.u8())
		table = c.fixed(u.offsetSize)
	} else {
		table = c.fixed(u.offsetSize)
		u.addressSize = int(c.u8())
	}
	switch kind {
	case unitType, unitSplitType:
		signature = c.u64()
		u.typeAt = c.fixed(u.offsetSize)
	case unitSkeleton, unitSplit:
		u.id = c.u64()
	}
	u.first = uint64(c.at)
	known := u.version >= 2 && u.version <= 5 && u.addressSize == 8 && u.first <= u.end && !c.bad
	c.at = int(u.end)
	if !known {
		return nil, nil
	}
	u.abbrevs = d.abbrevTable(table)
	if (kind == unitType || kind == unitSplitType) && u.typeAt < u.end-u.start {
		d.types[signature] = ref{d, u.start + u.typeAt}
	}
	return u, nil
}

// abbrevTable gives the table at an offset, shared by the units that name it.
func (d *debugInfo) abbrevTable(offset uint64) *abbrevs {
	t := d.tables[offset]
	if t == nil {
		t = &abbrevs{done: true}
		if data := d.section(".debug_abbrev"); offset < uint64(len(data)) {
			t = &abbrevs{info: d, rest: dwarfCursor{data: data, at: int(offset)}}
		}
		d.tables[offset] = t
	}
	return t
}

func (d *debugInfo) typeUnit(signature uint64) (ref, bool) {
	r, ok := d.types[signature]
	if !ok && d.split {
		r, ok = d.splits.typeUnit(signature)
	}
	return r, ok
}

// unitOf finds the unit that an offset lies in.
func (d *debugInfo) unitOf(at uint64) *unit {
	i := sort.Search(len(d.units), func(i int) bool { return d.units[i].end > at })
	if i == len(d.units) || at < d.units[i].first {
		return nil
	}
	return d.units[i]
}
