package symbol

import (
	"sort"
)

// Line gives the source line of an address. A Go program without debug information still has it in its own tables.
func (f *File) Line(addr Addr) (file string, line int, ok bool) {
	if file, line, ok = f.debugLine(addr); ok {
		return file, line, true
	}
	return f.GoLine(addr)
}

func (f *File) debugLine(addr Addr) (file string, line int, ok bool) {
	d, release := f.debugging()
	defer release()
	if d == nil {
		return "", 0, false
	}
	for _, u := range d.unitsAt(uint64(addr)) {
		if file, line, ok = u.line(uint64(addr)); ok {
			return file, line, true
		}
	}
	return "", 0, false
}

func (u *unit) line(addr uint64) (file string, line int, ok bool) {
	t := u.lineTable()
	if t == nil {
		return "", 0, false
	}
	row, ok := t.find(addr)
	if !ok || row.line == 0 {
		return "", 0, false
	}
	return u.lineFile(uint64(row.file)), int(row.line), true
}

// Lines gives where the code of a source line begins, lowest address first: one address for every function, and every
// inlined instance of one, that has code of the line. The file is a path or the end of one: "main.c", "src/main.c".
func (f *File) Lines(file string, line int) []Addr {
	if line <= 0 || file == "" {
		return nil
	}
	d, release := f.debugging()
	if d == nil {
		release()
		return f.GoLines(file, line)
	}
	defer release()
	var all []Addr
	for _, u := range d.units {
		all = append(all, u.linesOf(file, uint32(line))...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return dropEqual(all)
}

func dropEqual(all []Addr) []Addr {
	var kept []Addr
	for i, a := range all {
		if i == 0 || a != all[i-1] {
			kept = append(kept, a)
		}
	}
	return kept
}

// linesOf gives the lowest statement address of the line in each block of code of the unit.
func (u *unit) linesOf(file string, line uint32) []Addr {
	if u.typeAt != 0 {
		return nil
	}
	t := u.lineTable()
	if t == nil {
		return nil
	}
	numbers := map[uint32]bool{}
	for i, name := range t.files {
		if endsPath(name, file) {
			numbers[uint32(i)] = true
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	t.decode()
	lowest := map[uint64]uint64{} // by block
	for _, s := range t.sequences {
		for _, row := range s.rows {
			if row.line != line || !row.stmt || !numbers[row.file] {
				continue
			}
			block, ok := u.blockAt(row.addr)
			if known, seen := lowest[block]; ok && (!seen || row.addr < known) {
				lowest[block] = row.addr
			}
		}
	}
	var all []Addr
	for _, addr := range lowest {
		all = append(all, Addr(addr))
	}
	return all
}

// LineOf is a source line that has code.
type LineOf struct {
	Addr Addr
	File string
	Line int
}

// LinesOf gives the source lines that a function has code of, each with its lowest address there, by address.
func (f *File) LinesOf(fn *Function) []LineOf {
	d, release := f.debugging()
	defer release()
	if d == nil {
		return nil
	}
	var all []LineOf
	for _, u := range d.unitsAt(uint64(fn.Addr)) {
		u = u.full()
		e, ok := u.functionAround(uint64(fn.Addr))
		t := u.lineTable()
		if !ok || t == nil {
			continue
		}
		for _, r := range u.rangesOf(e) {
			all = append(all, t.statements(r)...)
		}
		if len(all) > 0 {
			break
		}
	}
	return firstOfEach(all)
}

// statements gives the rows in a range of addresses where a statement begins.
func (t *lineTable) statements(r span64) []LineOf {
	t.decode()
	var all []LineOf
	for _, s := range t.sequences {
		if s.high <= r.low || s.low >= r.high {
			continue
		}
		for _, row := range s.rows {
			if row.stmt && row.line > 0 && row.addr >= r.low && row.addr < r.high {
				all = append(all, LineOf{Addr(row.addr), t.unit.lineFile(uint64(row.file)), int(row.line)})
			}
		}
	}
	return all
}

func firstOfEach(all []LineOf) []LineOf {
	sort.SliceStable(all, func(i, j int) bool { return all[i].Addr < all[j].Addr })
	type line struct {
		file string
		line int
	}
	seen := map[line]bool{}
	var kept []LineOf
	for _, l := range all {
		if at := (line{l.File, l.Line}); !seen[at] {
			seen[at] = true
			kept = append(kept, l)
		}
	}
	return kept
}

// blockAt names the innermost function or inlined instance at an address.
func (u *unit) blockAt(addr uint64) (uint64, bool) {
	chain := u.full().stackAt(addr)
	if len(chain) == 0 {
		return 0, false
	}
	return chain[len(chain)-1].at, true
}
