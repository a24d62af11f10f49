package symbol

import (
	"bytes"
	"encoding/binary"
	"sort"
	"strings"
)

// A pc-value program is a list of pairs of varints: the change of a value (zigzag), then for how many bytes of code
// the value holds. A change of 0 ends it, except at the start. Source: runtime/symtab.go, step.

// maxSteps bounds a program; a function of 1 MiB has some ten thousand steps.
const maxSteps = 1 << 20

// walk runs a program from -1 and hands out each value with the offset where it ends, until yield says false.
func (t *pclntab) walk(program uint32, yield func(value int32, end uint64) bool) {
	if program == 0 || uint64(program) >= uint64(len(t.programs)) {
		return
	}
	p := t.programs[program:]
	value, end := int32(-1), uint64(0)
	for step := range maxSteps {
		change, n := binary.Uvarint(p)
		if n <= 0 || change == 0 && step > 0 {
			return
		}
		length, k := binary.Uvarint(p[n:])
		if k <= 0 {
			return
		}
		p = p[n+k:]
		value += int32(uint32(change>>1) ^ -uint32(change&1))
		end += length
		if !yield(value, end) {
			return
		}
	}
}

// covered is how many bytes of code a program speaks of: the function without the padding after it.
func (t *pclntab) covered(program uint32) (size uint64) {
	t.walk(program, func(_ int32, end uint64) bool { size = end; return true })
	return size
}

// valueAt is the value at an offset into the function, -1 when there is none.
func (t *pclntab) valueAt(program uint32, offset uint64) (found int32) {
	found = -1
	t.walk(program, func(value int32, end uint64) bool {
		if offset < end {
			found = value
			return false
		}
		return true
	})
	return found
}

// find gives the number of the function that covers addr.
func (t *pclntab) find(addr uint64) (int, bool) {
	i := sort.Search(t.count+1, func(i int) bool { return t.entry(i) > addr }) - 1
	return i, i >= 0 && i < t.count
}

// file gives a source file: a compilation unit's list starts at unit, and holds positions of names.
func (t *pclntab) file(unit uint32, number int32) string {
	at := 4 * (uint64(unit) + uint64(number))
	if number < 0 || at+4 > uint64(len(t.units)) {
		return ""
	}
	name := binary.LittleEndian.Uint32(t.units[at:])
	if uint64(name) >= uint64(len(t.files)) {
		return ""
	}
	text := t.files[name:min(uint64(len(t.files)), uint64(name)+maxName)]
	end := bytes.IndexByte(text, 0)
	if end < 0 {
		return ""
	}
	return string(text[:end])
}

// GoLine gives the source line of an address from Go's own table, which survives stripping. Programs built with Go before 1.16
// have none that this reads.
func (f *File) GoLine(addr Addr) (file string, line int, ok bool) {
	t := f.pclntab()
	if t == nil || !t.layout.split {
		return "", 0, false
	}
	i, ok := t.find(uint64(addr))
	if !ok {
		return "", 0, false
	}
	fn, ok := t.function(i)
	offset := uint64(addr) - t.entry(i)
	file = t.file(fn.unit, t.valueAt(fn.pcfile, offset))
	number := t.valueAt(fn.pcln, offset)
	return file, int(number), ok && file != "" && number > 0
}

// GoLines gives where the code of a source line begins, lowest address first: one address for each function that has some of it. The
// file is a path or the end of one.
func (f *File) GoLines(file string, line int) []Addr {
	t := f.pclntab()
	if t == nil || !t.layout.split || line <= 0 {
		return nil
	}
	var found []Addr
	for i := range t.count {
		fn, ok := t.function(i)
		if !ok {
			continue
		}
		var from uint64
		t.walk(fn.pcln, func(value int32, end uint64) bool {
			if int(value) == line && endsPath(t.file(fn.unit, t.valueAt(fn.pcfile, from)), file) {
				found = append(found, Addr(t.entry(i)+from))
				return false
			}
			from = end
			return true
		})
	}
	return found
}

// endsPath reports whether path is wanted or ends in it at a slash.
func endsPath(path, wanted string) bool {
	rest, found := strings.CutSuffix(path, wanted)
	return found && wanted != "" && (rest == "" || rest[len(rest)-1] == '/' || wanted[0] == '/')
}

// GoFunction is what the runtime knows of a function.
type GoFunction struct {
	// DeferReturn is where, from the function's start, execution goes on after a recovered panic; 0 when it defers nothing.
	DeferReturn uint64
	// Assembly: written in assembly, so its arguments are on the stack (ABI0).
	Assembly bool
	ArgsSize int64 // bytes of stack arguments and results, -1 unknown
	// Words is how many numbers and pointers the parameters consist of, as tracebacks count them: a string is two. -1 unknown, or
	// more than tracebacks show.
	Words     int
	File      string
	StartLine int // of the func keyword, 0 unknown
}

const (
	goFlagAssembly = 1 << 2      // abi.FuncFlagAsm
	goArgsUnknown  = -0x80000000 // abi.ArgsSizeUnknown
)

// GoFunction gives the runtime's record of a Go function.
func (f *File) GoFunction(fn *Function) (GoFunction, bool) {
	t := f.pclntab()
	if t == nil {
		return GoFunction{}, false
	}
	i, ok := t.find(uint64(fn.Addr))
	if !ok || t.entry(i) != uint64(fn.Addr) {
		return GoFunction{}, false
	}
	record, ok := t.function(i)
	info := GoFunction{
		DeferReturn: uint64(record.deferReturn),
		Assembly:    t.layout.lines && record.flags&goFlagAssembly != 0,
		ArgsSize:    int64(int32(record.args)),
		StartLine:   int(record.startLine),
		Words:       -1,
		File:        t.file(record.unit, t.valueAt(record.pcfile, 0)),
	}
	if info.ArgsSize == goArgsUnknown {
		info.ArgsSize = -1
	}
	switch {
	case info.ArgsSize == 0:
		info.Words = 0
	case record.argInfo != noFuncData && t.shared != 0:
		info.Words = f.goWords(t.shared + uint64(record.argInfo))
	}
	return info, ok
}

// Bytes of what tracebacks print the parameters by: pairs {offset, size}, and operators. Source: internal/abi/type.go, TraceArgs.
const (
	traceArgsMost     = 171 // TraceArgsMaxLen
	traceArgsEnd      = 0xff
	traceArgsStart    = 0xfe
	traceArgsStop     = 0xfd
	traceArgsMore     = 0xfc
	traceArgsTooLarge = 0xfb
)

// goWords counts the components of a function's parameters; -1 when there are more than are told.
func (f *File) goWords(addr uint64) int {
	words := 0
	var b [1]byte
	for i := uint64(0); i < traceArgsMost; i++ {
		if f.image.readAt(addr+i, b[:]) != nil {
			return -1
		}
		switch b[0] {
		case traceArgsEnd:
			return words
		case traceArgsStart, traceArgsStop:
		case traceArgsMore:
			return -1
		case traceArgsTooLarge:
			words++
		default:
			words++
			i++ // its size
		}
	}
	return -1
}
