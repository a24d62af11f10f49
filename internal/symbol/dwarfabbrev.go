package symbol

import "debug/dwarf"

// spec is one attribute of an abbreviation.
type spec struct {
	attr     dwarf.Attr
	form     form
	implicit int64 // formImplicitConst
}

// abbrev is one abbreviation: the shape of a debugging information entry. Source: DWARF 5, section 7.5.3.
type abbrev struct {
	tag   dwarf.Tag
	nests bool
	specs []spec
}

// abbrevs is one table, read as far as codes were asked for: most units are asked for their first entry only.
type abbrevs struct {
	info   *debugInfo
	rest   dwarfCursor
	inLine []*abbrev          // by code-1, as compilers number them
	others map[uint64]*abbrev // the rest
	done   bool
}

// maxAttributes bounds one abbreviation; compilers write at most some thirty.
const maxAttributes = 256

func (t *abbrevs) find(code uint64) *abbrev {
	for {
		if code-1 < uint64(len(t.inLine)) {
			return t.inLine[code-1]
		}
		if a := t.others[code]; a != nil {
			return a
		}
		if t.done {
			return nil
		}
		t.readOne()
	}
}

func (t *abbrevs) readOne() {
	code := t.rest.uleb()
	if code == 0 || t.rest.bad || !t.info.burn() {
		t.done = true
		return
	}
	a := &abbrev{tag: dwarf.Tag(t.rest.uleb()), nests: t.rest.u8() != 0}
	for {
		s := spec{attr: dwarf.Attr(t.rest.uleb()), form: form(t.rest.uleb())}
		if s.form == formImplicitConst {
			s.implicit = t.rest.sleb()
		}
		if s.attr == 0 && s.form == 0 {
			break
		}
		a.specs = append(a.specs, s)
		if t.rest.bad || len(a.specs) > maxAttributes {
			t.done = true
			return
		}
	}
	if code == uint64(len(t.inLine))+1 {
		t.inLine = append(t.inLine, a)
		return
	}
	if t.others == nil {
		t.others = map[uint64]*abbrev{}
	}
	if t.others[code] == nil {
		t.others[code] = a
	}
}
