package symbol

import (
	"debug/dwarf"
	"fmt"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
)

// TypeNamed finds the definition of a type by the name that its author gave it: "struct stat", "stat", "ns::Box<int>",
// "main.Store". nil without error when there is none.
func (f *File) TypeNamed(name string) (*ctype.Type, error) {
	d, release := f.debugging()
	defer release()
	if d == nil || name == "" {
		return nil, nil
	}
	r := f.dwarf.types
	if t, ok := r.names[name]; ok {
		return t, nil
	}
	d.asking = d.mainLanguage()
	e, problem := d.typeNamed(name)
	if e.abbrev == nil {
		if problem != nil {
			return nil, fmt.Errorf("type %s: %w", name, problem)
		}
		r.names[name] = nil
		return nil, nil
	}
	t := r.get(e, byValue)
	r.finish()
	r.names[name] = t
	return t, nil
}

// typeNamed looks through all units for the definition of a type.
func (d *debugInfo) typeNamed(name string) (found entryAt, problem error) {
	tags, bare := tagged(name)
	last := lastComponent(bare)
	units := d.units
	if alt := d.alternate(); alt != nil {
		units = append(append([]*unit(nil), units...), alt.units...)
	}
	for _, u := range units {
		u = u.full()
		err := u.scan(func(s step) {
			if s.end || found.abbrev != nil || !tags[s.entry.tag] || s.entry.text(dwarf.AttrName) == "" {
				return
			}
			if own := s.entry.text(dwarf.AttrName); own != last && own != bare {
				return
			}
			if s.entry.flag(dwarf.AttrDeclaration) || s.entry.qualified(u.language()) != bare && lastComponent(bare) != bare {
				return
			}
			found = s.entry
		})
		if found.abbrev != nil {
			return found, nil
		}
		if err != nil {
			problem = err
		}
	}
	return found, problem
}

// tagged takes "struct stat" apart into what it may be and its bare name.
func tagged(name string) (map[dwarf.Tag]bool, string) {
	for _, t := range []struct {
		word string
		tags []dwarf.Tag
	}{
		{"struct ", []dwarf.Tag{dwarf.TagStructType, dwarf.TagClassType}},
		{"class ", []dwarf.Tag{dwarf.TagStructType, dwarf.TagClassType}},
		{"union ", []dwarf.Tag{dwarf.TagUnionType}},
		{"enum ", []dwarf.Tag{dwarf.TagEnumerationType}},
		{"", []dwarf.Tag{dwarf.TagStructType, dwarf.TagClassType, dwarf.TagUnionType, dwarf.TagEnumerationType, dwarf.TagTypedef, dwarf.TagBaseType}},
	} {
		bare, ok := strings.CutPrefix(name, t.word)
		if !ok {
			continue
		}
		tags := map[dwarf.Tag]bool{}
		for _, tag := range t.tags {
			tags[tag] = true
		}
		return tags, bare
	}
	return nil, name
}

// GoType gives the Go type whose runtime descriptor lies at an address, "" when debug information does not have it.
func (f *File) GoType(addr Addr) (string, *ctype.Type) {
	base, _ := f.objectAddr("runtime.types")
	d, release := f.debugging()
	defer release()
	if d == nil {
		return "", nil
	}
	r := f.dwarf.types
	if r.goTypes == nil {
		r.goTypes = d.goTypes()
	}
	target, ok := r.goTypes[uint64(addr)]
	if !ok { // since Go 1.26 offsets from runtime.types
		target, ok = r.goTypes[uint64(addr-base)]
	}
	if !ok {
		return "", nil
	}
	e, ok := entryOf(target)
	if !ok {
		return "", nil
	}
	t := r.get(e, byValue)
	r.finish()
	return t.String(), t
}

// goTypes collects DW_AT_go_runtime_type of all types.
func (d *debugInfo) goTypes() map[uint64]ref {
	all := map[uint64]ref{}
	for _, u := range d.units {
		u.scan(func(s step) {
			if s.end {
				return
			}
			for i := range s.entry.specs {
				if s.entry.specs[i].attr == attrGoRuntimeType {
					if v, ok := s.entry.get(attrGoRuntimeType); ok && v.n != 0 {
						all[v.n] = s.entry.ref()
					}
				}
			}
		})
	}
	return all
}
