package prototype

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// record reads "struct tag { ... }", a union, or a mention of either.
func (p *parser) record() *ctype.Type {
	keyword := p.tok.text
	p.advance()
	l := layout{align: 1, union: keyword == "union"}
	p.recordAttributes(&l)
	tag := ""
	if p.tok.kind == word {
		tag = p.tok.text
		p.advance()
	}
	t := p.tag(keyword, tag, p.is("{"))
	if !p.is("{") || !p.enter() {
		return t
	}
	defer p.leave()
	p.advance()
	for p.tok.kind != end && !p.is("}") {
		p.readMember(&l)
	}
	p.expect("}")
	p.recordAttributes(&l)
	t.Kind = ctype.Struct
	if l.union {
		t.Kind = ctype.Union
	}
	for _, m := range l.members {
		l.place(m)
	}
	l.finish(t)
	return t
}

// tag finds or makes the type of a tag; a definition in an inner table hides an outer one.
func (p *parser) tag(keyword, tag string, defines bool) *ctype.Type {
	name := keyword + " " + tag
	if tag != "" {
		if t := p.table.tags[name]; t != nil {
			return t
		}
		if t := p.table.tag(name); t != nil && !defines {
			return t
		}
	}
	t := &ctype.Type{Kind: ctype.Opaque, Lang: event.LangC, Size: -1}
	if tag != "" {
		t.Name = name
		p.table.tags[name] = t
	}
	return t
}

func (p *parser) recordAttributes(l *layout) {
	var a attributes
	for p.isAttribute() {
		p.attribute(&a)
	}
	l.asked, l.packed = max(l.asked, a.align), l.packed || a.packed
}

// readMember reads one declaration inside a struct.
func (p *parser) readMember(l *layout) {
	if p.accept(";") {
		return
	}
	if p.is("_Static_assert") || p.is("static_assert") {
		p.advance()
		p.group()
		return
	}
	s := p.specifiers()
	if p.accept(";") { // an unnamed struct or union, or an unnamed enum
		if s.t.Kind == ctype.Struct || s.t.Kind == ctype.Union {
			l.members = append(l.members, member{Field: ctype.Field{Type: s.t}, asked: s.attrs.align})
		}
		return
	}
	for p.tok.kind != end {
		p.oneMember(s, l)
		if !p.accept(",") {
			break
		}
	}
	p.expect(";")
}

func (p *parser) oneMember(s specifiers, l *layout) {
	d := declared{t: s.t}
	if !p.is(":") {
		d = p.declarator(s, false)
	}
	if p.err != nil {
		return
	}
	if p.accept(":") {
		at := p.tok
		bits := p.constantExpr()
		p.trailing(&d)
		if bits < 0 || bits > 8*max(s.t.Sizeof(), 0) {
			p.fail(at, "a bit-field of that width does not fit its type")
			return
		}
		l.members = append(l.members, member{Field: ctype.Field{Name: d.name.text, Type: s.t, BitSize: bits}, bits: true})
		return
	}
	if d.t.Sizeof() < 0 && !(d.t.Kind == ctype.Array && d.t.Len < 0) {
		p.fail(d.name, "the size of member \""+d.name.text+"\" is not known")
		return
	}
	var unused ctype.Param
	f := ctype.Field{Name: d.name.text, Type: p.annotate(d.t, append(s.notes, d.notes...), &unused)}
	l.members = append(l.members, member{Field: f, asked: d.attrs.align})
}

// layout places members as the System V ABI does (section 3.1.2).
type layout struct {
	members []member // placed last: "packed" may stand behind them
	fields  []ctype.Field
	bits    int64 // next free bit
	size    int64 // of a union: its largest member
	align   int64
	asked   int64 // __attribute__((aligned))
	packed  bool
	union   bool
}

type member struct {
	ctype.Field
	asked int64 // alignment
	bits  bool
}

func (l *layout) place(m member) {
	if m.bits {
		l.addBits(m.Field)
		return
	}
	l.add(m.Field, m.asked)
}

func (l *layout) add(f ctype.Field, asked int64) {
	align := f.Type.Alignof()
	if l.packed {
		align = 1
	}
	align = max(align, asked)
	if !l.union {
		f.Offset = roundUp((l.bits+7)/8, align)
		l.bits = (f.Offset + max(f.Type.Sizeof(), 0)) * 8
	}
	l.size = max(l.size, f.Offset+max(f.Type.Sizeof(), 0))
	l.align = max(l.align, align)
	l.fields = append(l.fields, f)
}

// addBits places a bit-field: it may not cross a boundary of its declared type, and width 0 moves on to the next one.
func (l *layout) addBits(f ctype.Field) {
	unit := f.Type.Sizeof() * 8
	if unit <= 0 {
		return
	}
	at := l.bits
	if l.union {
		at = 0
	}
	switch {
	case f.BitSize == 0:
		l.bits = roundUp(at, unit)
		return
	case !l.packed && at/unit != (at+f.BitSize-1)/unit:
		at = roundUp(at, unit)
	}
	f.BitOffset = at
	f.Offset = at / unit * f.Type.Sizeof()
	if !l.union {
		l.bits = at + f.BitSize
	}
	l.size = max(l.size, (at+f.BitSize+7)/8)
	if f.Name == "" {
		return // padding: it neither aligns nor shows
	}
	if !l.packed {
		l.align = max(l.align, f.Type.Alignof())
	}
	l.fields = append(l.fields, f)
}

func (l *layout) finish(t *ctype.Type) {
	t.Align = max(l.align, l.asked)
	t.Size = roundUp(max(l.size, (l.bits+7)/8), t.Align)
	t.Fields = l.fields
}

func roundUp(n, align int64) int64 { return (n + align - 1) / align * align }

// enum reads "enum tag { A, B = 2 }" or a mention of one.
func (p *parser) enum() *ctype.Type {
	p.advance()
	var ignoredLayout layout
	p.recordAttributes(&ignoredLayout)
	tag := ""
	if p.tok.kind == word {
		tag = p.tok.text
		p.advance()
	}
	t := p.tag("enum", tag, p.is("{"))
	if t.Kind == ctype.Opaque {
		t.Kind, t.Size = ctype.Enum, 4
	}
	if !p.accept("{") {
		return t
	}
	next := int64(0)
	for p.tok.kind == word {
		next = p.enumerator(t, next)
		if !p.accept(",") {
			break
		}
	}
	p.expect("}")
	p.recordAttributes(&ignoredLayout)
	return t
}

// enumerator reads "NAME = value @of(mask)" and gives the value of the one after it.
func (p *parser) enumerator(t *ctype.Type, value int64) int64 {
	e := ctype.Enumerator{Name: p.tok.text}
	p.advance()
	for p.isAttribute() {
		p.attribute(&attributes{})
	}
	if p.accept("=") {
		value = p.constantExpr()
	}
	e.Value = value
	for p.tok.kind == note {
		n := p.annotation()
		mask, ok := int64(0), false
		if n.word.text == "of" && len(n.args) == 1 {
			mask, ok = p.value(n.args[0])
		}
		if !ok {
			p.fail(n.word, "an enumerator is annotated with @of(mask) or not at all")
		}
		e.Mask = mask
	}
	t.Enumerators = append(t.Enumerators, e)
	t.Signed = t.Signed || value < 0
	if value > 1<<32-1 || value < -1<<31 {
		t.Size = 8
	}
	p.table.constants[e.Name] = value
	return value + 1
}
