package symbol

import (
	"debug/dwarf"
	"fmt"
)

// entry is one debugging information entry ("DIE").
type entryAt struct {
	unit *unit
	at   uint64 // in .debug_info
	*abbrev
	body int // where its attributes begin
}

// entry reads the head of the entry at an offset. A null entry, which ends a list of children, has no abbrev.
func (u *unit) entry(at uint64) (e entryAt, ok bool) {
	if at < u.first || at >= u.end {
		return entryAt{}, false
	}
	c := dwarfCursor{data: u.info.data()[:u.end], at: int(at)}
	code := c.uleb()
	e = entryAt{unit: u, at: at, body: c.at}
	if code == 0 {
		return e, !c.bad
	}
	e.abbrev = u.abbrevs.find(code)
	return e, e.abbrev != nil && !c.bad
}

// entryOf reads the entry that a reference names.
func entryOf(r ref) (entryAt, bool) {
	if r.info == nil {
		return entryAt{}, false
	}
	u := r.info.unitOf(r.at)
	if u == nil {
		return entryAt{}, false
	}
	e, ok := u.entry(r.at)
	return e, ok && e.abbrev != nil
}

func (e entryAt) ref() ref { return ref{e.unit.info, e.at} }

func (e entryAt) attributes() dwarfCursor {
	return dwarfCursor{data: e.unit.info.data()[:e.unit.end], at: e.body}
}

// get finds one attribute.
func (e entryAt) get(attr dwarf.Attr) (value, bool) {
	c := e.attributes()
	for i := range e.specs {
		s := &e.specs[i]
		if s.attr == attr {
			v := e.unit.read(&c, s)
			return v, !c.bad
		}
		e.unit.pass(&c, s)
	}
	return value{}, false
}

// each gives all attributes, and where the entry ends; 0 when it does not end within its unit.
func (e entryAt) each(take func(dwarf.Attr, value)) (end uint64) {
	c := e.attributes()
	for i := range e.specs {
		v := e.unit.read(&c, &e.specs[i])
		if c.bad {
			return 0
		}
		take(e.specs[i].attr, v)
	}
	return uint64(c.at)
}

// end is where the attributes end: the first child, or the next sibling.
func (e entryAt) end() uint64 {
	c := e.attributes()
	for i := range e.specs {
		e.unit.pass(&c, &e.specs[i])
	}
	if c.bad {
		return 0
	}
	return uint64(c.at)
}

func (e entryAt) text(attr dwarf.Attr) string {
	v, ok := e.get(attr)
	if !ok {
		return ""
	}
	return string(e.unit.text(v))
}

func (e entryAt) flag(attr dwarf.Attr) bool {
	v, ok := e.get(attr)
	return ok && v.flag()
}

func (e entryAt) number(attr dwarf.Attr) (int64, bool) {
	v, ok := e.get(attr)
	if !ok {
		return 0, false
	}
	return v.number()
}

// follow gives the entry that a reference attribute leads to.
func (e entryAt) follow(attr dwarf.Attr) (entryAt, bool) {
	v, ok := e.get(attr)
	if !ok {
		return entryAt{}, false
	}
	r, ok := e.unit.target(v)
	if !ok {
		return entryAt{}, false
	}
	return entryOf(r)
}

const (
	maxChildren = 1 << 20 // of one entry
	maxDepth    = 256     // entries in each other
)

// children calls do for each child until it returns false; deeper entries are passed over. The error says that the
// unit is damaged here.
func (e entryAt) children(do func(entryAt) bool) error {
	if e.abbrev == nil || !e.nests {
		return nil
	}
	at := e.end()
	for range maxChildren {
		if !e.unit.info.burn() {
			break
		}
		child, ok := e.unit.entry(at)
		if !ok || at == 0 {
			return e.unit.damage(at)
		}
		if child.abbrev == nil {
			return nil
		}
		if !do(child) {
			return nil
		}
		if at, ok = child.next(); !ok {
			return e.unit.damage(child.at)
		}
	}
	return e.unit.damage(at)
}

// next is where the entry after this one's descendants begins.
func (e entryAt) next() (uint64, bool) {
	if !e.nests {
		end := e.end()
		return end, end != 0
	}
	if v, ok := e.get(dwarf.AttrSibling); ok {
		if r, ok := e.unit.target(v); ok && r.info == e.unit.info && r.at > e.at && r.at < e.unit.end {
			return r.at, true
		}
	}
	depth := 1
	at := e.end()
	for depth > 0 {
		inner, ok := e.unit.entry(at)
		if !ok || at == 0 || depth > maxDepth || !e.unit.info.burn() {
			return 0, false
		}
		if inner.abbrev == nil {
			depth--
			at = uint64(inner.body)
			continue
		}
		if at = inner.end(); inner.nests {
			depth++
		}
	}
	return at, true
}

func (u *unit) damage(at uint64) error {
	return fmt.Errorf("%s: .debug_info: unit at 0x%x is damaged at 0x%x", u.info.file.Path(), u.start, at)
}

// origin follows the chain of DW_AT_abstract_origin and DW_AT_specification from an instance to its declaration: each
// entry says only what differs from the one behind it. The chain begins with e.
func (e entryAt) origin() []entryAt {
	chain := []entryAt{e}
	for range maxOrigins {
		next, ok := e.follow(dwarf.AttrAbstractOrigin)
		if !ok {
			if next, ok = e.follow(dwarf.AttrSpecification); !ok {
				break
			}
		}
		chain = append(chain, next)
		e = next
	}
	return chain
}

const maxOrigins = 8

// inherited finds an attribute along a chain.
func inherited(chain []entryAt, attr dwarf.Attr) (value, entryAt, bool) {
	for _, e := range chain {
		if v, ok := e.get(attr); ok {
			return v, e, true
		}
	}
	return value{}, entryAt{}, false
}

func inheritedText(chain []entryAt, attr dwarf.Attr) string {
	v, e, ok := inherited(chain, attr)
	if !ok {
		return ""
	}
	return string(e.unit.text(v))
}

func inheritedFlag(chain []entryAt, attr dwarf.Attr) bool {
	v, _, ok := inherited(chain, attr)
	return ok && v.flag()
}
