package symbol

import (
	"debug/dwarf"
	"sort"
	"strings"

	"github.com/sonde-project/sonde/event"
)

// rootEntry is what a unit's first entry says about all of it.
type rootEntry struct {
	entryAt
	ok       bool
	bases    bases
	low      uint64 // base address of ranges and location lists
	language event.Language
	asm      bool
}

// bases are where the unit's parts of shared tables begin.
type bases struct{ str, addr, ranges, locations uint64 }

func (u *unit) bases() bases { return u.head().bases }

// head reads the first entry, once.
func (u *unit) head() *rootEntry {
	if u.root != nil {
		return u.root
	}
	r := &rootEntry{}
	u.root = r
	e, ok := u.entry(u.first)
	if !ok || e.abbrev == nil {
		return r
	}
	r.entryAt, r.ok = e, true
	r.bases, r.low = u.basesOf(e)
	if v, ok := e.get(dwarf.AttrLowpc); ok {
		r.low, _ = u.address(v)
	}
	r.language = u.languageOf(e)
	return r
}

// basesOf gives where the unit's parts of tables begin, and the base address as far as another unit says it. Without an
// attribute that is behind the header of the only table. Source: DWARF 5, sections 7.25 to 7.29; before there were no headers.
func (u *unit) basesOf(e entryAt) (bases, uint64) {
	short, long := 2*uint64(u.offsetSize), 2*uint64(u.offsetSize)+4
	if u.version < 5 {
		short, long = 0, 0
	}
	offset := func(otherwise uint64, attrs ...dwarf.Attr) uint64 {
		for _, attr := range attrs {
			if v, ok := e.get(attr); ok && (v.form == formSecOffset || v.form == formData4 || v.form == formData8) {
				return v.n
			}
		}
		return otherwise
	}
	b := bases{
		offset(short, dwarf.AttrStrOffsetsBase), offset(short, dwarf.AttrAddrBase, attrGNUAddrBase),
		offset(long, dwarf.AttrRnglistsBase), offset(long, dwarf.AttrLoclistsBase),
	}
	if s := u.info.skeleton; s != nil {
		b.addr = s.bases().addr
		if v, ok := s.root.get(attrGNURangesBase); ok && u.version < 5 {
			b.ranges = v.n
		}
		return b, s.root.low
	}
	return b, 0
}

// languageOf reads DW_AT_language. Source: DWARF 5, table 7.17, and its later additions.
func (u *unit) languageOf(e entryAt) event.Language {
	n, ok := e.number(dwarf.AttrLanguage)
	if !ok {
		return event.LangUnknown // partial units of dwz
	}
	switch n {
	case 0x04, 0x19, 0x1a, 0x21, 0x2a, 0x2b, 0x11:
		return event.LangCPP
	case 0x16:
		return event.LangGo
	case 0x1c:
		return event.LangRust
	case 0x8001:
		return event.LangAsm
	}
	return event.LangC
}

// language of a unit. One that others import (dwz's partial units) is of the language of who asks.
func (u *unit) language() event.Language {
	if l := u.head().language; l != event.LangUnknown {
		return l
	}
	d := u.info
	if d.usedBy != nil {
		d = d.usedBy
	}
	return d.asking
}

// askFor makes the language of a unit that of the request.
func (d *debugInfo) askFor(u *unit) { d.asking = u.head().language }

// mainLanguage is that of the first unit that names one.
func (d *debugInfo) mainLanguage() event.Language {
	for _, u := range d.units {
		if l := u.full().head().language; l != event.LangUnknown {
			return l
		}
	}
	return event.LangC
}

// producer names the compiler.
func (u *unit) producer() string {
	if !u.head().ok {
		return ""
	}
	return u.root.text(dwarf.AttrProducer)
}

// unitSpan is a range of addresses that a unit has code in.
type unitSpan struct {
	low, high uint64
	unit      *unit
}

// unitsAt gives the units that may have code at an address: those whose ranges say so, or when none does, those that
// say nothing of ranges.
func (d *debugInfo) unitsAt(addr uint64) []*unit {
	d.spanUnits()
	i := sort.Search(len(d.spans), func(i int) bool { return d.spans[i].low > addr })
	var found []*unit
	// Units overlap only where linkers folded equal functions; a few steps back find them.
	for j := i - 1; j >= 0 && j >= i-maxOverlap; j-- {
		if s := d.spans[j]; addr < s.high {
			found = append(found, s.unit)
		}
	}
	if found == nil {
		return d.rangeless
	}
	return found
}

const maxOverlap = 8

func (d *debugInfo) spanUnits() {
	if d.spanned {
		return
	}
	d.spanned = true
	for _, u := range d.units {
		if u.typeAt != 0 || !u.head().ok || u.root.tag != dwarf.TagCompileUnit && u.root.tag != tagSkeletonUnit {
			continue
		}
		ranges := u.rangesOf(u.root.entryAt)
		if len(ranges) == 0 && u.root.nests {
			d.rangeless = append(d.rangeless, u)
		}
		for _, r := range ranges {
			d.spans = append(d.spans, unitSpan{r.low, r.high, u})
		}
	}
	sort.Slice(d.spans, func(i, j int) bool { return d.spans[i].low < d.spans[j].low })
}

const tagSkeletonUnit dwarf.Tag = 0x4a

// span64 is a range of addresses.
type span64 struct{ low, high uint64 }

// rangesOf gives the addresses of an entry: DW_AT_low_pc with DW_AT_high_pc, or DW_AT_ranges. Source: DWARF 5, section 2.17.
func (u *unit) rangesOf(e entryAt) []span64 {
	var low, high value
	var haveLow, haveHigh, haveRanges bool
	var ranges value
	e.each(func(attr dwarf.Attr, v value) {
		switch attr {
		case dwarf.AttrLowpc:
			low, haveLow = v, true
		case dwarf.AttrHighpc:
			high, haveHigh = v, true
		case dwarf.AttrRanges:
			ranges, haveRanges = v, true
		}
	})
	if haveRanges {
		return u.rangeList(ranges)
	}
	from, ok := u.address(low)
	if !haveLow || !haveHigh || !ok {
		return nil
	}
	to, absolute := u.address(high)
	if !absolute {
		to = from + high.n
	}
	if to <= from {
		return nil
	}
	return []span64{{from, to}}
}

// entryAddress is where a function begins: DW_AT_entry_pc, DW_AT_low_pc, or its first range.
func (u *unit) entryAddress(e entryAt) (uint64, bool) {
	if v, ok := e.get(dwarf.AttrEntrypc); ok {
		if addr, ok := u.address(v); ok {
			return addr, true
		}
	}
	if v, ok := e.get(dwarf.AttrLowpc); ok {
		if addr, ok := u.address(v); ok && addr != 0 {
			return addr, true
		}
	}
	if ranges := u.rangesOf(e); len(ranges) > 0 {
		return ranges[0].low, true
	}
	return 0, false
}

// maxRanges bounds one list.
const maxRanges = 1 << 16

// rangeList reads DW_AT_ranges. Source: DWARF 4, section 2.17.3 (.debug_ranges); DWARF 5, section 7.25 (.debug_rnglists).
func (u *unit) rangeList(v value) []span64 {
	if u.version < 5 {
		return u.oldRanges(v.n)
	}
	offset := v.n
	if v.form == formRnglistx {
		base := u.bases().ranges
		relative := u.indexed(u.info.section(".debug_rnglists"), base, v.n, u.offsetSize)
		if relative == ^uint64(0) {
			return nil
		}
		offset = base + relative
	}
	data := u.info.section(".debug_rnglists")
	if offset >= uint64(len(data)) {
		return nil
	}
	c := dwarfCursor{data: data, at: int(offset)}
	l := lister{u: u, base: u.head().low}
	var list []span64
	for range maxRanges {
		span, ok, more := l.next(&c, rangeKinds)
		if !more {
			break
		}
		if ok && span.low < span.high {
			list = append(list, span)
		}
	}
	return list
}

func (u *unit) oldRanges(offset uint64) []span64 {
	data := u.info.section(".debug_ranges")
	if u.info.split {
		offset += u.bases().ranges
	}
	if offset >= uint64(len(data)) {
		return nil
	}
	c := dwarfCursor{data: data, at: int(offset)}
	base := u.head().low
	var list []span64
	for range maxRanges {
		low, high := c.u64(), c.u64()
		switch {
		case c.bad || low == 0 && high == 0 || !u.info.burn():
			return list
		case low == ^uint64(0):
			base = high
		case low < high:
			list = append(list, span64{base + low, base + high})
		}
	}
	return list
}

// lister steps through a list of ranges or locations of DWARF 5, which share their encoding but for the numbers.
type lister struct {
	u    *unit
	base uint64
}

// listKind says what an entry of a list means.
type listKind uint8

const (
	listEnd listKind = iota
	listBaseIndex
	listStartIndexEndIndex
	listStartIndexLength
	listOffsets
	listBase
	listStartEnd
	listStartLength
	listDefault
	listView
)

var (
	// DW_RLE_*: DWARF 5, table 7.30.
	rangeKinds = []listKind{listEnd, listBaseIndex, listStartIndexEndIndex, listStartIndexLength, listOffsets, listBase, listStartEnd, listStartLength}
	// DW_LLE_*: table 7.10, with GNU's view pairs.
	locationKinds = []listKind{listEnd, listBaseIndex, listStartIndexEndIndex, listStartIndexLength, listOffsets, listDefault, listBase, listStartEnd, listStartLength, listView}
)

// next reads one entry: a span when ok; more is false at the end or when the list is damaged.
func (l *lister) next(c *dwarfCursor, kinds []listKind) (span span64, ok, more bool) {
	code := c.u8()
	if c.bad || !l.u.info.burn() || int(code) >= len(kinds) {
		return span64{}, false, false
	}
	known := true
	switch kinds[code] {
	case listEnd:
		return span64{}, false, false
	case listBaseIndex:
		l.base, _ = l.u.addressAt(c.uleb())
		return span64{}, false, !c.bad
	case listBase:
		l.base = c.u64()
		return span64{}, false, !c.bad
	case listView:
		c.uleb()
		c.uleb()
		return span64{}, false, !c.bad
	case listStartIndexEndIndex:
		span.low, known = l.u.addressAt(c.uleb())
		span.high, _ = l.u.addressAt(c.uleb())
	case listStartIndexLength:
		span.low, known = l.u.addressAt(c.uleb())
		span.high = span.low + c.uleb()
	case listOffsets:
		span.low, span.high = l.base+c.uleb(), l.base+c.uleb()
	case listStartEnd:
		span.low, span.high = c.u64(), c.u64()
	case listStartLength:
		span.low = c.u64()
		span.high = span.low + c.uleb()
	case listDefault:
		span = span64{0, ^uint64(0)}
	}
	return span, known, !c.bad
}

// fileName of the unit: its source, as the compiler was given it.
func (u *unit) fileName() string {
	if !u.head().ok {
		return ""
	}
	return strings.TrimSuffix(u.root.text(dwarf.AttrName), "/")
}
