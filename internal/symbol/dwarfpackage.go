package symbol

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// dwoPackage is a .dwp file: the sections of many .dwo files, one behind the other, and for each unit which parts of them are its.
// Only the parts of units that are asked for are read. Source: DWARF 5, section 7.3.5; before it gcc's wiki, DebugFissionDWP.
type dwoPackage struct {
	splits   *splitFiles
	file     *Debug
	units    map[uint64][]partOfSection
	types    map[uint64][]partOfSection
	text     []byte // .debug_str.dwo, which all share
	problem  error
	typeRefs map[uint64]ref // of type units that were asked for
}

// partOfSection is what a unit has of a section.
type partOfSection struct {
	section      string
	offset, size uint64
}

// Columns of the index: DWARF 5, table 7.1 (DW_SECT_*). Version 2 has .debug_loc in the place of .debug_loclists.
var packageColumns = map[uint32]string{1: ".debug_info", 3: ".debug_abbrev", 5: ".debug_loclists", 6: ".debug_str_offsets", 8: ".debug_rnglists"}

const locationColumn = 5

// packed gives the packages of the program: beside it, and beside its debug file.
func (s *splitFiles) packed() []*dwoPackage {
	if s.searched {
		return s.packages
	}
	s.searched = true
	var paths []string
	for _, dir := range s.object.directories() {
		paths = append(paths, filepath.Join(dir, filepath.Base(s.object.path))+".dwp")
	}
	if s.debug != s.object.path {
		paths = append(paths, s.debug+".dwp", strings.TrimSuffix(s.debug, ".debug")+".dwp")
	}
	for i, path := range paths {
		if slices.Contains(paths[:i], path) {
			continue
		}
		if file, err := openObject(path); err == nil {
			s.packages = append(s.packages, openPackage(s, file))
		}
	}
	return s.packages
}

func openPackage(s *splitFiles, file *Debug) *dwoPackage {
	p := &dwoPackage{splits: s, file: file, typeRefs: map[uint64]ref{}}
	for _, index := range []struct {
		section string
		units   *map[uint64][]partOfSection
	}{{".debug_cu_index", &p.units}, {".debug_tu_index", &p.types}} {
		data, err := file.Contents(index.section)
		if err == nil {
			*index.units, err = packageIndex(data)
		}
		if err != nil && p.problem == nil {
			p.problem = fmt.Errorf("%s: %w", index.section, err)
		}
	}
	var err error
	if p.text, err = file.Contents(".debug_str.dwo"); err == nil {
		err = s.keep(len(p.text))
	}
	if err != nil && p.problem == nil {
		p.problem = err
	}
	return p
}

// packageIndex reads an index: a header, a hash table of signatures, the rows that they have, and two tables with a row for each
// unit: where its parts begin, behind a line that names the columns, and how long they are.
//
//	u16 version, u16 padding (u32 version in 2) | u32 columns, units, slots | u64 signature * slots | u32 row * slots
//	u32 section * columns | u32 offset * columns * units | u32 size * columns * units
func packageIndex(data []byte) (map[uint64][]partOfSection, error) {
	if len(data) == 0 {
		return nil, nil
	}
	c := dwarfCursor{data: data}
	version := c.u32() & 0xffff
	columns, units, slots := uint64(c.u32()), uint64(c.u32()), uint64(c.u32())
	if version != 2 && version != 5 {
		return nil, fmt.Errorf("version %d is unknown", version)
	}
	if c.bad || slots > maxUnits || units > slots || columns > 16 || uint64(len(data)-c.at) < slots*12+columns*4*(1+2*units) {
		return nil, errTruncated
	}
	signatures := dwarfCursor{data: data, at: c.at}
	rows := dwarfCursor{data: data, at: c.at + int(8*slots)}
	names := dwarfCursor{data: data, at: rows.at + int(4*slots)}
	offsets, sizes := names.at+int(4*columns), names.at+int(4*columns*(1+units))
	sections := make([]string, columns)
	for i := range sections {
		id := names.u32()
		if sections[i] = packageColumns[id]; version == 2 && id == locationColumn {
			sections[i] = ".debug_loc"
		}
	}
	all := map[uint64][]partOfSection{}
	for range slots {
		signature, row := signatures.u64(), uint64(rows.u32())
		if row == 0 || row > units {
			continue
		}
		at := dwarfCursor{data: data, at: offsets + int(4*columns*(row-1))}
		size := dwarfCursor{data: data, at: sizes + int(4*columns*(row-1))}
		var parts []partOfSection
		for _, section := range sections {
			if part := (partOfSection{section, uint64(at.u32()), uint64(size.u32())}); section != "" && part.size > 0 {
				parts = append(parts, part)
			}
		}
		all[signature] = parts
	}
	return all, nil
}

// unit gives the other part of a skeleton; ok is false when the package does not speak of it.
func (p *dwoPackage) unit(u *unit) (part otherPart, ok bool) {
	if p.problem != nil {
		return otherPart{path: p.file.Path(), problem: "cannot be read: " + p.problem.Error()}, true
	}
	parts, ok := p.units[u.number()]
	if !ok {
		return otherPart{}, false
	}
	sections, err := p.read(parts)
	if err != nil {
		return otherPart{path: p.file.Path(), problem: "cannot be read: " + err.Error()}, true
	}
	return p.splits.part(u, p.file, sections), true
}

// typeUnit gives the type that a unit of the package defines.
func (p *dwoPackage) typeUnit(signature uint64) (ref, bool) {
	if r, known := p.typeRefs[signature]; known {
		return r, r.info != nil
	}
	p.typeRefs[signature] = ref{}
	sections, err := p.read(p.types[signature])
	if err != nil || len(p.types[signature]) == 0 {
		return ref{}, false
	}
	d := p.splits.info(p.file, sections)
	d.readUnits(d.data())
	r, ok := d.types[signature]
	p.typeRefs[signature] = r
	return r, ok
}

// read gives a unit's parts of the sections.
func (p *dwoPackage) read(parts []partOfSection) (map[string][]byte, error) {
	sections := map[string][]byte{}
	for _, name := range splitSections {
		sections[name] = nil
	}
	sections[".debug_str"] = p.text
	for _, part := range parts {
		data, err := p.file.part(part.section+".dwo", part.offset, part.size)
		if err == nil {
			err = p.splits.keep(len(data))
		}
		if err != nil {
			return nil, err
		}
		sections[part.section] = data
	}
	return sections, nil
}

// part gives some bytes of a section.
func (d *Debug) part(name string, offset, size uint64) ([]byte, error) {
	s := d.section(name)
	if s == nil {
		return nil, fmt.Errorf("%s: no section %s", d.path, name)
	}
	if s.Flags&elf.SHF_COMPRESSED != 0 {
		data, err := d.Contents(name)
		if err != nil || !within(offset, size, int64(len(data))) {
			return nil, fmt.Errorf("%s: section %s: %w", d.path, name, errTruncated)
		}
		return data[offset : offset+size], nil
	}
	if !within(offset, size, int64(min(s.FileSize, maxSection))) || !within(s.Offset+offset, size, d.size) {
		return nil, fmt.Errorf("%s: section %s: %w", d.path, name, errTruncated)
	}
	data := make([]byte, size)
	_, err := d.from.ReadAt(data, int64(s.Offset+offset))
	return data, err
}
