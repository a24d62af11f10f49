package symbol

import (
	"debug/dwarf"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// What -gsplit-dwarf leaves in the program is a skeleton: addresses, lines, and the name of the file that has everything else,
// with a number that is equal on both sides. That file is a .dwo beside the object file, or a package (.dwp) of all of them.
// Source: DWARF 5, section 7.3.2 and appendix F; for version 4 gcc's wiki, DebugFission.

// splitFiles is where the other parts of a program's skeletons are looked for.
type splitFiles struct {
	object   *File
	debug    string // the file that has the skeletons
	fuel     *int   // of the current request
	read     int64  // bytes kept of them
	packages []*dwoPackage
	searched bool
}

// maxSplit bounds what is kept of all of them: a request that looks through all types opens each.
const maxSplit = 1 << 30

// otherPart is what was found of a skeleton.
type otherPart struct {
	unit    *unit  // nil when there is none to read
	path    string // of the file that was looked for
	problem string // why it is not read
}

// Split is a file with the types of a function that is not read.
type Split struct{ Path, Problem string }

// SplitTypes gives the file that has the types of a function compiled with -gsplit-dwarf and that is not read; nil when there is
// none.
func (f *File) SplitTypes(fn *Function) *Split {
	d, release := f.debugging()
	defer release()
	if d == nil {
		return nil
	}
	for _, u := range d.unitsAt(uint64(fn.Addr)) {
		if u.full() == u && u.other != nil {
			return &Split{u.other.path, u.other.problem}
		}
	}
	return nil
}

// full gives the unit with all entries: that of another file where this one is a skeleton and the file is there.
func (u *unit) full() *unit {
	if u.other == nil {
		name := u.partOf()
		if name == "" {
			return u
		}
		part := u.info.splits.find(u, name)
		u.other = &part
	}
	if u.other.unit != nil {
		return u.other.unit
	}
	return u
}

// partOf names the file that holds a skeleton's entries, "" of a unit that is no skeleton.
func (u *unit) partOf() string {
	if u.info.split || u.info.splits == nil || !u.head().ok {
		return ""
	}
	if name := u.root.text(dwarf.AttrDwoName); name != "" {
		return name
	}
	return u.root.text(attrGNUDwoName)
}

// number is what a skeleton and its other part have in common.
func (u *unit) number() uint64 {
	if u.version >= 5 || !u.head().ok {
		return u.id
	}
	v, _ := u.root.get(attrGNUDwoID)
	return v.n
}

// find looks for the other part of a skeleton.
func (s *splitFiles) find(u *unit, name string) otherPart {
	var found []otherPart
	for _, p := range s.packed() {
		if part, ok := p.unit(u); ok {
			found = append(found, part)
		}
	}
	for _, path := range s.places(name, u.root.text(dwarf.AttrCompDir)) {
		if len(found) > 0 && found[len(found)-1].unit != nil {
			break
		}
		found = append(found, s.open(u, path))
	}
	best := otherPart{path: name, problem: notThere}
	for i, part := range found {
		if part.unit != nil || best.problem == notThere && (i == 0 || part.problem != notThere) {
			best = part
		}
	}
	return best
}

// places are where a .dwo file may lie: where the compiler wrote it, as the process sees it and as we do, and beside the program.
func (s *splitFiles) places(name, compiled string) []string {
	full := name
	if !filepath.IsAbs(name) {
		full = filepath.Join(compiled, name)
	}
	var all []string
	if filepath.IsAbs(full) {
		all = append(all, processRoot.FindString(s.object.path)+full, full)
	}
	for _, dir := range s.object.directories() {
		if !filepath.IsAbs(name) {
			all = append(all, filepath.Join(dir, name))
		}
		all = append(all, filepath.Join(dir, filepath.Base(name)))
	}
	return slices.Compact(all)
}

const notThere = "is not there"

// open reads a .dwo file, if it is the one that the skeleton means. What is needed of it is kept and the file closed: a
// program has thousands of them.
func (s *splitFiles) open(u *unit, path string) otherPart {
	part := otherPart{path: path}
	file, err := openObject(path)
	if err != nil {
		part.problem = "cannot be read: " + err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			part.problem = notThere
		}
		return part
	}
	defer file.file.Close()
	sections := map[string][]byte{}
	for _, name := range splitSections {
		if sections[name], err = file.joined(name + ".dwo"); err == nil {
			err = s.keep(len(sections[name]))
		}
		if err != nil {
			part.problem = "cannot be read: " + err.Error()
			return part
		}
	}
	return s.part(u, file, sections)
}

// joined gives the sections of a name, one behind the other: each type unit has one of its own.
func (d *Debug) joined(name string) ([]byte, error) {
	var all []byte
	for _, section := range d.Sections {
		if section.Name != name {
			continue
		}
		data, err := d.contents(section, maxSplit)
		if err != nil {
			return nil, err
		}
		if all = append(all, data...); len(all) > maxSplit {
			return nil, fmt.Errorf("section %s: more than %d bytes", name, maxSplit)
		}
	}
	return all, nil
}

// keep counts what is kept of other files.
func (s *splitFiles) keep(size int) error {
	if s.read += int64(size); s.read > maxSplit {
		return fmt.Errorf("more than %d bytes of split debug information", int64(maxSplit))
	}
	return nil
}

// splitSections are those that a unit has in the other file, there called .debug_info.dwo and so on.
var splitSections = [...]string{".debug_info", ".debug_abbrev", ".debug_str", ".debug_str_offsets", ".debug_loclists", ".debug_rnglists", ".debug_loc"}

// part makes units of the sections and gives the one that is the skeleton's.
func (s *splitFiles) part(u *unit, file *Debug, sections map[string][]byte) otherPart {
	part := otherPart{path: file.Path()}
	d := s.info(file, sections)
	d.skeleton = u
	for _, name := range []string{".debug_addr", ".debug_ranges"} {
		d.sections[name] = u.info.section(name)
	}
	d.readUnits(d.data())
	for _, candidate := range d.units {
		if candidate.typeAt == 0 && candidate.number() == u.number() {
			part.unit = candidate
			return part
		}
	}
	part.problem = "is of another build"
	if d.problem != nil {
		part.problem = "cannot be read: " + d.problem.Error()
	}
	return part
}

func (s *splitFiles) info(file *Debug, sections map[string][]byte) *debugInfo {
	d := sectionsOf(file, s.fuel)
	d.sections, d.splits, d.split = sections, s, true
	return d
}

// typeUnit finds a type unit that the packages have.
func (s *splitFiles) typeUnit(signature uint64) (ref, bool) {
	for _, p := range s.packed() {
		if r, ok := p.typeUnit(signature); ok {
			return r, true
		}
	}
	return ref{}, false
}

// close releases the packages, and keeps them from being opened later.
func (s *splitFiles) close() {
	for _, p := range s.packages {
		p.file.file.Close()
	}
	s.packages, s.searched = nil, true
}
