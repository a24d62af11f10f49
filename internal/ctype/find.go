package ctype

// Bounds of a search for a member: a hostile file can make types huge.
const (
	maxSearched = 2000
	maxNesting  = 16
)

// Find gives the offset and type of the first member of this name whose type fits, looking into structs, bases and unnamed members.
func (t *Type) Find(name string, fits func(*Type) bool) (int64, *Type, bool) {
	s := search{name: name, fits: fits, left: maxSearched}
	return s.in(t, 0)
}

type search struct {
	name string
	fits func(*Type) bool
	left int
}

func (s *search) in(t *Type, depth int) (int64, *Type, bool) {
	u := t.Underlying()
	if s.left--; u == nil || depth > maxNesting || s.left < 0 || u.Kind != Struct && u.Kind != Union {
		return 0, nil, false
	}
	for i := range u.Fields {
		if f := &u.Fields[i]; f.Name == s.name && s.fits(f.Type) {
			return f.Offset, f.Type, true
		}
	}
	for i := range u.Fields {
		f := &u.Fields[i]
		if off, found, ok := s.in(f.Type, depth+1); ok {
			return f.Offset + off, found, true
		}
	}
	return 0, nil, false
}
