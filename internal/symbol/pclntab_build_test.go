package symbol

import (
	"encoding/binary"
	"testing"
)

// buildPclntab writes a table of two functions, main.one at 0x1000 (16 bytes, then padding) and main.two at 0x1020 (32 bytes), in a release's
// layout.
func buildPclntab(l pclnLayout) []byte {
	u32 := binary.LittleEndian.AppendUint32
	u64 := binary.LittleEndian.AppendUint64
	names := "\x00main.one\x00main.two\x00"
	programs := []byte{0, 2, 16, 0, 2, 32, 0} // at 1: value 0 for 16 bytes; at 4: for 32
	starts := [3]uint64{0x1000, 0x1020, 0x1040}
	number := func(b []byte, n uint64) []byte {
		if l.word == 4 {
			return u32(b, uint32(n))
		}
		return u64(b, n)
	}
	if l.word == 4 {
		starts = [3]uint64{0, 0x20, 0x40} // from text
	}
	record := func(i int, nameAt, program uint32) []byte {
		b := number(nil, starts[i])
		for _, field := range []uint32{nameAt, 8, 0, program, 0, 0, 0} { // name, args, deferreturn, pcsp, pcfile, pcln, npcdata
			b = u32(b, field)
		}
		if l.split {
			b = u32(b, 0)
		}
		if l.lines {
			b = u32(b, 7)
		}
		return append(u32(b, 0), make([]byte, 16)...)
	}
	header := append(u32(nil, l.magic), 0, 0, 1, 8)
	header = u64(header, 2)
	if !l.split {
		// Positions count from the start: header, functab, records, names, programs.
		functab := 16 + 5*8
		size := len(record(0, 0, 0))
		namesAt := uint32(functab + 2*size)
		programsAt := namesAt + uint32(len(names))
		table := header
		for i, at := range []int{functab, functab + size} {
			table = u64(u64(table, starts[i]), uint64(at))
		}
		table = u64(table, starts[2])
		table = append(table, record(0, namesAt+1, programsAt+1)...)
		table = append(table, record(1, namesAt+10, programsAt+4)...)
		return append(append(table, names...), programs...)
	}
	header = u64(header, 0) // files
	if l.start {
		header = u64(header, 0x1000)
	}
	at := uint64(len(header) + 5*8)
	offsets := []uint64{at, at + uint64(len(names)), at + uint64(len(names)), at + uint64(len(names))}
	offsets = append(offsets, offsets[3]+uint64(len(programs)))
	for _, offset := range offsets {
		header = u64(header, offset)
	}
	functab := 5 * l.word
	first := record(0, 1, 1)
	table := append(append(header, names...), programs...)
	table = number(number(table, starts[0]), uint64(functab))
	table = number(number(table, starts[1]), uint64(functab+len(first)))
	table = number(table, starts[2])
	return append(append(table, first...), record(1, 10, 4)...)
}

func TestTablesOfAllGoReleasesAreRead(t *testing.T) {
	for _, l := range pclnLayouts {
		table, err := newPclntab(buildPclntab(l))
		if err != nil {
			t.Errorf("%#x: %v", l.magic, err)
			continue
		}
		if l.start {
			table.text = table.u64(24)
		}
		for i, want := range []struct {
			name       string
			addr, size uint64
		}{{"main.one", 0x1000, 16}, {"main.two", 0x1020, 32}} {
			fn, ok := table.function(i)
			if name := table.nameAt(fn.name); !ok || name != want.name || table.entry(i) != want.addr || table.covered(fn.pcsp) != want.size {
				t.Errorf("%#x: %s at %#x, %d bytes; want %+v", l.magic, name, table.entry(i), table.covered(fn.pcsp), want)
			}
		}
		if at, ok := table.find(0x1025); !ok || at != 1 {
			t.Errorf("%#x: 0x1025 is in function %d", l.magic, at)
		}
		if _, ok := table.find(0x1040); ok {
			t.Errorf("%#x: the end is in a function", l.magic)
		}
	}
}
