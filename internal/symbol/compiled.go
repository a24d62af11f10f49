package symbol

import (
	"bytes"
	"debug/dwarf"

	"github.com/sonde-project/sonde/internal/ctype"
)

// Types are those that the debug information of a compiled eBPF object describes. Only sections for debuggers are read: in an object that is
// not linked these refer to each other by offsets that stand in place, as eBPF has relocations without addends (SHT_REL).
type Types struct{ file *File }

// TypesOf reads an object that is given as bytes; nil when it has no debug information.
func TypesOf(name string, text []byte) *Types {
	image, err := newImage(bytes.NewReader(text), int64(len(text)), name)
	if err != nil || image.section(".debug_info") == nil {
		return nil
	}
	return &Types{&File{path: name, image: image}}
}

// TypeNamed finds the definition of a type: "struct event", "watch::Event".
func (t *Types) TypeNamed(name string) (*ctype.Type, bool) {
	if t == nil {
		return nil, false
	}
	found, err := t.file.TypeNamed(name)
	return found, err == nil && found != nil
}

// Structures calls fn for each structure that has a name, with the namespaces around it, and its size.
func (t *Types) Structures(fn func(name string, size int64)) {
	if t == nil {
		return
	}
	d, release := t.file.debugging()
	defer release()
	if d == nil {
		return
	}
	for _, u := range d.units {
		_ = u.scan(func(s step) { // what comes before damage is good
			if s.end || s.entry.tag != dwarf.TagStructType || s.entry.text(dwarf.AttrName) == "" {
				return
			}
			if size, ok := s.entry.number(dwarf.AttrByteSize); ok {
				fn(s.entry.qualified(u.language()), size)
			}
		})
	}
}
