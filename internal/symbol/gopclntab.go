package symbol

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"
)

// pclntab is Go's own table of functions: what the runtime finds names and lines by, and the only one left in a stripped
// program. Source: runtime/symtab.go and cmd/link/internal/ld/pcln.go, Go 1.2 to 1.26.
type pclntab struct {
	data      []byte
	layout    pclnLayout
	count     int    // functions
	text      uint64 // what entry offsets count from
	end       uint64 // after the last function
	shared    uint64 // what offsets of functions' data count from (go:func.*), 0 unknown
	names     string
	units     []byte // u32: where a compilation unit's files are in files
	files     []byte
	programs  []byte // pc-value programs
	functab   []byte // count pairs {entry, position in functions}, then the end
	functions []byte
}

// pclnLayout is what changed between releases.
type pclnLayout struct {
	magic uint32
	word  int  // bytes of a functab number: addresses before Go 1.18, u32 offsets from text since
	split bool // Go 1.16: tables have offsets of their own in the header
	start bool // Go 1.18: the header has a textStart, 0 since Go 1.26
	lines bool // Go 1.20: functions have a start line
}

var pclnLayouts = [...]pclnLayout{
	{magic: 0xfffffffb, word: 8},
	{magic: 0xfffffffa, word: 8, split: true},
	{magic: 0xfffffff0, word: 4, split: true, start: true},
	{magic: 0xfffffff1, word: 4, split: true, start: true, lines: true},
}

const (
	maxPclntab     = 512 << 20
	maxGoFunctions = 4 << 20
	// maxPclntabTries bounds how often something that begins like a table is looked at.
	maxPclntabTries = 16
)

// pclntabSection finds the table's section: position independent programs of older releases have it among relocated data.
func (m *image) pclntabSection() *elf.Section {
	for _, name := range []string{".gopclntab", ".data.rel.ro.gopclntab"} {
		if s := m.section(name); s != nil {
			return s
		}
	}
	return nil
}

// pclntab reads the table, nil when the object has none or it is damaged; the reason is among the problems then.
func (f *File) pclntab() *pclntab {
	f.pclntabOnce.Do(func() {
		if !f.isGo() {
			return
		}
		data, addr, err := f.pclntabData()
		if err == nil && data != nil {
			if f.pcln, err = newPclntab(data); err == nil {
				err = f.placeGoText(f.pcln, addr)
			}
		}
		if err != nil {
			f.pcln, f.pclnProblem = nil, fmt.Errorf("%s: Go function table: %w", f.path, err)
		}
	})
	return f.pcln
}

// pclntabData gives the table and its address. A C linker may have merged its section with others (position independent programs
// before Go 1.26); then it is found by its first bytes.
func (f *File) pclntabData() (data []byte, addr uint64, err error) {
	if s := f.image.pclntabSection(); s != nil {
		data, err = f.image.contents(s, maxPclntab)
		return data, s.Addr, err
	}
	for _, name := range []string{".data.rel.ro", ".rodata"} {
		s := f.image.section(name)
		if s == nil {
			continue
		}
		if data, err = f.image.contents(s, maxPclntab); err != nil {
			return nil, 0, err
		}
		for _, l := range pclnLayouts {
			if at := findPclntab(data, l.magic); at >= 0 {
				return data[at:], s.Addr + uint64(at), nil
			}
		}
	}
	return nil, 0, nil
}

// findPclntab looks for a header {magic, 0, 0, 1, 8} that a table follows.
func findPclntab(data []byte, magic uint32) int {
	header := append(binary.LittleEndian.AppendUint32(nil, magic), 0, 0, 1, 8)
	from := 0
	for range maxPclntabTries {
		at := bytes.Index(data[from:], header)
		if at < 0 {
			return -1
		}
		at += from
		if _, err := newPclntab(data[at:]); at%8 == 0 && err == nil {
			return at
		}
		from = at + 1
	}
	return -1
}

// newPclntab reads the header: {u32 magic, u8 0, u8 0, u8 minLC, u8 ptrSize, u64 nfunc, ...}.
func newPclntab(data []byte) (*pclntab, error) {
	if len(data) < 16 {
		return nil, errTruncated
	}
	t := &pclntab{data: data}
	magic := binary.LittleEndian.Uint32(data)
	for _, l := range pclnLayouts {
		if l.magic == magic {
			t.layout = l
		}
	}
	if t.layout.magic == 0 {
		return nil, fmt.Errorf("magic %#x is of no known Go release", magic)
	}
	if data[4] != 0 || data[5] != 0 || data[6] != 1 || data[7] != 8 {
		return nil, fmt.Errorf("header % x is not of a 64-bit x86 program", data[4:8])
	}
	count := t.u64(8)
	if count == 0 || count > maxGoFunctions {
		return nil, fmt.Errorf("%d functions", count)
	}
	t.count = int(count)
	if t.layout.split {
		return t, t.splitTables()
	}
	return t, t.joinedTables()
}

// splitTables cuts the table up by the header's offsets: nfunc, nfiles, [textStart,] names, units, files, programs, functions.
func (t *pclntab) splitTables() error {
	at := 24
	if t.layout.start {
		at = 32
	}
	var from [6]uint64
	for i := range 5 {
		from[i] = t.u64(at + 8*i)
	}
	from[5] = uint64(len(t.data))
	for i := range 5 {
		if from[i] > from[i+1] {
			return fmt.Errorf("tables overlap at %#x", from[i])
		}
	}
	t.names = string(t.data[from[0]:from[1]])
	t.units, t.files, t.programs = t.data[from[1]:from[2]], t.data[from[2]:from[3]], t.data[from[3]:from[4]]
	t.functions = t.data[from[4]:]
	t.functab = t.functions
	return t.checkFunctab()
}

// joinedTables is the layout before Go 1.16: the functab follows nfunc, and all positions count from the start.
func (t *pclntab) joinedTables() error {
	t.names, t.programs, t.functions = string(t.data), t.data, t.data
	t.functab = t.data[16:]
	return t.checkFunctab()
}

func (t *pclntab) checkFunctab() error {
	if uint64(2*t.count+1)*uint64(t.layout.word) > uint64(len(t.functab)) {
		return errTruncated
	}
	return nil
}

// u64 reads a word of the header, 0 beyond the end.
func (t *pclntab) u64(at int) uint64 {
	if at+8 > len(t.data) {
		return 0
	}
	return binary.LittleEndian.Uint64(t.data[at:])
}

// number is entry i of the functab as a flat list.
func (t *pclntab) number(i int) uint64 {
	if t.layout.word == 4 {
		return uint64(binary.LittleEndian.Uint32(t.functab[4*i:]))
	}
	return binary.LittleEndian.Uint64(t.functab[8*i:])
}

// entry is the address of function i; of the end of the text for i = count.
func (t *pclntab) entry(i int) uint64 {
	if t.layout.word == 4 {
		return t.text + t.number(2*i)
	}
	return t.number(2 * i)
}

// goFunc is runtime._func: {entry, i32 name, i32 args, u32 deferreturn, u32 pcsp, pcfile, pcln, npcdata, [u32 cuOffset, [i32 startLine,]]
// u8 funcID, u8 flag, u8, u8 nfuncdata}.
type goFunc struct {
	name, args, deferReturn uint32
	pcsp, pcfile, pcln      uint32
	unit                    uint32
	startLine               int32
	id, flags               uint8
	argInfo                 uint32 // how tracebacks print the parameters, from pclntab.shared
}

// noFuncData stands for data that a function has not. Source: runtime/symtab.go, funcdata.
const noFuncData = ^uint32(0)

// funcDataArgInfo is FUNCDATA_ArgInfo of internal/abi/symtab.go.
const funcDataArgInfo = 5

// function reads the record of function i; ok is false when it lies outside the table.
func (t *pclntab) function(i int) (fn goFunc, ok bool) {
	at := t.number(2*i + 1)
	head := uint64(t.layout.word)
	if at > uint64(len(t.functions)) || uint64(len(t.functions))-at < head+40 {
		return goFunc{}, false
	}
	b := t.functions[at+head:]
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }
	fn = goFunc{name: word(0), args: word(1), deferReturn: word(2), pcsp: word(3), pcfile: word(4), pcln: word(5)}
	next := 7
	if t.layout.split {
		fn.unit = word(7)
		next = 8
	}
	if t.layout.lines {
		fn.startLine = int32(word(8))
		next = 9
	}
	fn.id, fn.flags = b[4*next], b[4*next+1]
	fn.argInfo = noFuncData
	tables := uint64(word(6)) // of values by pc; then come the places of data
	if data := 4 * (uint64(next) + 1 + tables + funcDataArgInfo); b[4*next+3] > funcDataArgInfo && tables < 64 && data+4 <= uint64(len(b)) {
		fn.argInfo = binary.LittleEndian.Uint32(b[data:])
	}
	return fn, true
}

// nameAt reads a function's name.
func (t *pclntab) nameAt(offset uint32) string { return nameAt(t.names, uint64(offset)) }

// goFunctions gives the functions of the table as symbols.
func (f *File) goFunctions() []entry {
	t := f.pclntab()
	if t == nil {
		if f.pclnProblem != nil {
			f.problems = append(f.problems, f.pclnProblem)
		}
		return nil
	}
	entries := make([]entry, 0, t.count)
	for i := range t.count {
		fn, ok := t.function(i)
		name := strings.ReplaceAll(t.nameAt(fn.name), "·", ".") // as the linker writes it into .symtab
		start, next := t.entry(i), t.entry(i+1)
		if !ok || name == "" || next <= start {
			continue
		}
		size := t.covered(fn.pcsp)
		if size == 0 || size > next-start {
			size = next - start
		}
		entries = append(entries, entry{addr: start, size: size, name: name, source: fromPclntab})
	}
	return entries
}
