package symbol

import (
	"debug/dwarf"
	"fmt"
	"path"
	"sort"
	"strings"
)

// lineTable is the line program of a unit: its files at once, its rows when they are asked for. Source: DWARF 5, section 6.2.
type lineTable struct {
	unit      *unit
	files     []string
	problem   error
	program   dwarfCursor
	version   int
	minLength uint64
	maxOps    uint64
	isStmt    bool
	lineBase  int64
	lineRange uint64
	lengths   []uint8 // arguments of standard opcodes, from opcode 1 on
	decoded   bool
	sequences []sequence // by address
}

// sequence is a run of rows with ascending addresses.
type sequence struct {
	low, high uint64
	rows      []lineRow
}

type lineRow struct {
	addr uint64
	file uint32
	line uint32
	stmt bool
}

const (
	maxFiles = 1 << 18 // of one table
	maxRows  = 1 << 24
)

// lineTable gives the unit's table, with its header read; nil when it has none.
func (u *unit) lineTable() *lineTable {
	if s := u.info.skeleton; s != nil && u.typeAt == 0 {
		return s.lineTable() // what is in the other file has file numbers only
	}
	if u.lines != nil || !u.head().ok {
		return u.lines
	}
	v, ok := u.root.get(dwarf.AttrStmtList)
	data := u.info.section(".debug_line")
	if !ok || v.n >= uint64(len(data)) {
		return nil
	}
	t := &lineTable{unit: u}
	u.lines = t
	c := dwarfCursor{data: data, at: int(v.n)}
	t.readHeader(&c)
	if c.bad && t.problem == nil {
		t.problem = fmt.Errorf("%s: .debug_line: table at 0x%x is damaged", u.info.file.Path(), v.n)
	}
	return t
}

func (t *lineTable) readHeader(c *dwarfCursor) {
	length, dwarf64 := c.unitLength()
	if c.bad || length > uint64(len(c.data)-c.at) {
		c.bad = true
		return
	}
	c.data = c.data[:uint64(c.at)+length]
	size := offsetSize(dwarf64)
	t.version = int(c.u16())
	if t.version < 2 || t.version > 5 {
		t.problem = fmt.Errorf("%s: .debug_line: version %d is unknown", t.unit.info.file.Path(), t.version)
		return
	}
	if t.version >= 5 {
		c.skip(2) // address and segment selector size
	}
	header := c.fixed(size)
	start := uint64(c.at) + header
	t.minLength = uint64(c.u8())
	t.maxOps = 1
	if t.version >= 4 {
		t.maxOps = max(uint64(c.u8()), 1)
	}
	t.isStmt = c.u8() != 0
	t.lineBase = int64(int8(c.u8()))
	t.lineRange = max(uint64(c.u8()), 1)
	t.lengths = c.bytes(max(int(c.u8())-1, 0))
	if t.version >= 5 {
		t.readFiles5(c, size)
	} else {
		t.readFiles(c)
	}
	if start > uint64(len(c.data)) {
		c.bad = true
		return
	}
	t.program = dwarfCursor{data: c.data, at: int(start)}
}

// readFiles reads the tables of DWARF 2 to 4: numbers count from 1, and 0 is the compilation's directory.
func (t *lineTable) readFiles(c *dwarfCursor) {
	compiled := t.unit.root.text(dwarf.AttrCompDir)
	dirs := []string{compiled}
	for len(dirs) < maxFiles && !c.bad {
		dir := c.text()
		if len(dir) == 0 {
			break
		}
		dirs = append(dirs, joined(compiled, string(dir)))
	}
	t.files = []string{joined(compiled, t.unit.fileName())}
	for len(t.files) < maxFiles && !c.bad {
		name := c.text()
		if len(name) == 0 {
			break
		}
		dir := c.uleb()
		c.uleb() // time
		c.uleb() // size
		t.files = append(t.files, inDirectory(dirs, dir, string(name)))
	}
}

// joined makes a path absolute as far as the compiler told from where.
func joined(dir, name string) string {
	if dir == "" || dir == "." || strings.HasPrefix(name, "/") {
		return name
	}
	return path.Join(dir, name)
}

func inDirectory(dirs []string, dir uint64, name string) string {
	if dir < uint64(len(dirs)) {
		return joined(dirs[dir], name)
	}
	return name
}

// entryFormat is a field of the directory and file tables of DWARF 5.
type entryFormat struct {
	content uint64
	spec    spec
}

const (
	contentPath      = 1
	contentDirectory = 2
)

func (t *lineTable) readFiles5(c *dwarfCursor, size int) {
	compiled := t.unit.root.text(dwarf.AttrCompDir)
	var dirs []string
	t.readTable(c, size, func(name string, _ uint64) {
		dirs = append(dirs, joined(compiled, name))
	})
	t.readTable(c, size, func(name string, dir uint64) {
		t.files = append(t.files, inDirectory(dirs, dir, name))
	})
}

func (t *lineTable) readTable(c *dwarfCursor, size int, take func(name string, dir uint64)) {
	formats := make([]entryFormat, c.u8())
	for i := range formats {
		formats[i] = entryFormat{c.uleb(), spec{form: form(c.uleb())}}
	}
	count := c.uleb()
	// The table's own offsets may be of another size than the unit's.
	u := *t.unit
	u.offsetSize = size
	for i := uint64(0); i < count && i < maxFiles && !c.bad && len(formats) > 0; i++ {
		name, dir := "", uint64(0)
		for j := range formats {
			v := u.read(c, &formats[j].spec)
			switch formats[j].content {
			case contentPath:
				name = string(u.text(v))
			case contentDirectory:
				dir = v.n
			}
		}
		if !c.bad {
			take(name, dir)
		}
	}
}

// lineFile gives the path of a file number, as DW_AT_decl_file and DW_AT_call_file have it.
func (u *unit) lineFile(n uint64) string {
	t := u.lineTable()
	if t == nil || n >= uint64(len(t.files)) {
		return ""
	}
	return t.files[n]
}

// find gives the row that an address belongs to.
func (t *lineTable) find(addr uint64) (lineRow, bool) {
	t.decode()
	i := sort.Search(len(t.sequences), func(i int) bool { return t.sequences[i].low > addr }) - 1
	for ; i >= 0; i-- {
		s := &t.sequences[i]
		if addr < s.high {
			j := sort.Search(len(s.rows), func(j int) bool { return s.rows[j].addr > addr }) - 1
			return s.rows[max(j, 0)], j >= 0
		}
		if addr-s.low > 1<<32 {
			break
		}
	}
	return lineRow{}, false
}

// lineState is the line program's state machine.
type lineState struct {
	addr, file uint64
	line       int64
	op         uint64
	stmt       bool
}

func (t *lineTable) start() lineState { return lineState{file: 1, line: 1, stmt: t.isStmt} }

func (t *lineTable) decode() {
	if t.decoded || t.problem != nil {
		return
	}
	t.decoded = true
	c := t.program
	s := t.start()
	var rows []lineRow
	total := 0
	for c.at < len(c.data) && !c.bad && total < maxRows && t.unit.info.burn() {
		emit, end := t.operation(&c, &s)
		if emit && !end {
			rows = append(rows, lineRow{s.addr, uint32(s.file), uint32(max(s.line, 0)), s.stmt})
			total++
		}
		if end {
			t.endSequence(rows, s.addr)
			rows, s = nil, t.start()
		}
	}
	sort.Slice(t.sequences, func(i, j int) bool { return t.sequences[i].low < t.sequences[j].low })
}

// endSequence keeps a sequence, unless the linker dropped its function and left it at address 0.
func (t *lineTable) endSequence(rows []lineRow, high uint64) {
	if len(rows) == 0 || rows[0].addr == 0 || rows[0].addr >= high {
		return
	}
	if !sort.SliceIsSorted(rows, func(i, j int) bool { return rows[i].addr < rows[j].addr }) {
		sort.SliceStable(rows, func(i, j int) bool { return rows[i].addr < rows[j].addr })
	}
	t.sequences = append(t.sequences, sequence{rows[0].addr, high, rows})
}

// Standard and extended opcodes: DWARF 5, sections 6.2.5.2 and 6.2.5.3.
const (
	lnsCopy           = 1
	lnsAdvancePC      = 2
	lnsAdvanceLine    = 3
	lnsSetFile        = 4
	lnsNegateStmt     = 6
	lnsConstAddPC     = 8
	lnsFixedAdvancePC = 9

	lneEndSequence = 1
	lneSetAddress  = 2
)

// operation runs one opcode: emit says that it adds a row, end that it ends a sequence.
func (t *lineTable) operation(c *dwarfCursor, s *lineState) (emit, end bool) {
	op := c.u8()
	if int(op) > len(t.lengths) { // special opcode
		adjusted := uint64(op) - uint64(len(t.lengths)) - 1
		t.advance(s, adjusted/t.lineRange)
		s.line += t.lineBase + int64(adjusted%t.lineRange)
		return true, false
	}
	switch op {
	case 0:
		return false, t.extended(c, s)
	case lnsCopy:
		return true, false
	case lnsAdvancePC:
		t.advance(s, c.uleb())
	case lnsAdvanceLine:
		s.line += c.sleb()
	case lnsSetFile:
		s.file = c.uleb()
	case lnsNegateStmt:
		s.stmt = !s.stmt
	case lnsConstAddPC:
		t.advance(s, (255-uint64(len(t.lengths))-1)/t.lineRange)
	case lnsFixedAdvancePC:
		s.addr += uint64(c.u16())
		s.op = 0
	default:
		for range t.lengths[op-1] {
			c.uleb()
		}
	}
	return false, false
}

func (t *lineTable) extended(c *dwarfCursor, s *lineState) (end bool) {
	length := c.uleb()
	if length == 0 || length > uint64(len(c.data)-c.at) {
		c.bad = c.bad || length != 0
		return false
	}
	body := dwarfCursor{data: c.bytes(int(length))}
	switch body.u8() {
	case lneEndSequence:
		return true
	case lneSetAddress:
		s.addr, s.op = body.fixed(min(int(length)-1, 8)), 0
	}
	return false
}

// advance moves the address; on machines with several operations in an instruction also the index of the operation.
func (t *lineTable) advance(s *lineState, operations uint64) {
	if t.maxOps == 1 {
		s.addr += t.minLength * operations
		return
	}
	s.addr += t.minLength * ((s.op + operations) / t.maxOps)
	s.op = (s.op + operations) % t.maxOps
}
