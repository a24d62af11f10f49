package prototype

import (
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
)

// declared is a declarator read: a name with its type.
type declared struct {
	name  token
	t     *ctype.Type
	konst bool
	count string // what stands in the first brackets of a parameter: "count", "return", "*len", "size*n"
	array bool   // a parameter written as an array
	attrs attributes
	notes []annotation
}

// declarator reads "*name[3]", "(*name)(int)" and the like; param says that arrays and functions decay.
func (p *parser) declarator(s specifiers, param bool) declared {
	d := declared{t: s.t, konst: s.konst, attrs: s.attrs}
	if s.t == nil || !p.enter() {
		d.t = &ctype.Type{Kind: ctype.Void}
		return d
	}
	defer p.leave()
	p.pointers(&d)
	p.direct(&d, param)
	p.trailing(&d)
	d.t = d.attrs.apply(d.t)
	return d
}

func (p *parser) pointers(d *declared) {
	for p.accept("*") {
		d.t = pointerTo(d.t, d.konst)
		d.konst = false
		for p.tok.kind == word && (ignored[p.tok.text] || p.is("const") || p.is("__const")) {
			d.konst = d.konst || strings.Trim(p.tok.text, "_") == "const"
			p.advance()
		}
	}
}

// pointerTo makes a pointer; one to plain char is text until an annotation says otherwise.
func pointerTo(t *ctype.Type, konst bool) *ctype.Type {
	kind := ctype.Pointer
	if isChar(t) {
		kind = ctype.CString
	}
	return &ctype.Type{Kind: kind, Lang: event.LangC, Size: 8, Elem: t, Const: konst}
}

func isChar(t *ctype.Type) bool {
	u := t.Underlying()
	return u.Kind == ctype.Char && u.Name == "char"
}

// direct reads the name and what follows it. In "(*name)(int)" the part in parentheses is read against a hollow
// type, which is filled once the rest is known.
func (p *parser) direct(d *declared, param bool) {
	var hollow *ctype.Type
	inner := declared{}
	switch {
	case p.tok.kind == word && !p.startsType(p.tok):
		d.name = p.tok
		p.advance()
	case p.tok.kind == word && !p.is("__attribute__") && (p.ahead.text == "(" || p.ahead.text == "," || p.ahead.text == ";" || p.ahead.text == ")" || p.ahead.text == "["):
		d.name = p.tok // a name that is also a type's: "int index(...)", "size_t size"
		p.advance()
	case p.is("(") && p.groups():
		p.advance()
		for p.is("__attribute__") || p.is("__extension__") {
			p.trailing(d)
		}
		hollow = &ctype.Type{Kind: ctype.Void, Size: -1}
		inner = p.declarator(specifiers{t: hollow}, param)
		p.expect(")")
	}
	outer := p.suffix(d, param && hollow == nil)
	if hollow == nil {
		d.t = outer
		return
	}
	*hollow = *outer
	if inner.t == hollow {
		inner.t = outer // "(name)": parentheses for nothing
	}
	if inner.t.Kind == ctype.Pointer && isChar(outer) && inner.t.Elem == hollow {
		inner.t.Kind = ctype.CString
	}
	d.name, d.t, d.count, d.array = inner.name, inner.t, inner.count, inner.array
	d.notes = append(d.notes, inner.notes...)
}

// groups tells "(*f)" from the parameters of a function without a name.
func (p *parser) groups() bool {
	t := p.ahead
	return t.text == "*" || t.text == "(" || t.text == "__attribute__" || t.kind == word && !p.startsType(t)
}

// suffix reads the brackets and parameter lists behind a name, outermost first.
func (p *parser) suffix(d *declared, param bool) *ctype.Type {
	if !p.enter() {
		return d.t
	}
	defer p.leave()
	switch {
	case p.accept("["):
		n := p.length(d, param)
		p.expect("]")
		elem := p.suffix(d, false)
		if param {
			d.array = true
			if n > 0 && elem.Sizeof() > 1 {
				d.count = strconv.FormatInt(n, 10)
			}
			return pointerTo(elem, d.konst)
		}
		t := &ctype.Type{Kind: ctype.Array, Lang: event.LangC, Elem: elem, Len: n}
		t.Size = t.Sizeof()
		return t
	case p.is("("):
		sig := p.parameters()
		result := p.suffix(d, false)
		if result.Kind != ctype.Void {
			sig.Results = []ctype.Param{{Type: result}}
		}
		t := &ctype.Type{Kind: ctype.Func, Lang: event.LangC, Size: 1, Func: sig}
		if param {
			return &ctype.Type{Kind: ctype.Pointer, Lang: event.LangC, Size: 8, Elem: t}
		}
		return t
	}
	return d.t
}

// length reads what stands in brackets: a constant, or for a parameter the name of what counts it.
func (p *parser) length(d *declared, param bool) int64 {
	for p.is("static") || p.is("const") || p.tok.kind == word && ignored[p.tok.text] {
		p.advance()
	}
	if p.is("]") {
		return -1
	}
	_, known := p.table.constant(p.tok.text)
	if param && (p.tok.kind == word && !known && !p.is("sizeof") || p.is("*")) {
		for p.tok.kind != end && !p.is("]") {
			d.count += p.tok.text
			p.advance()
		}
		return -1
	}
	at := p.tok
	n := p.constantExpr()
	if n < 0 || n > 1<<32 {
		p.fail(at, "an array of that length is not possible")
		return 0
	}
	return n
}

func (p *parser) parameters() *ctype.Signature {
	sig := &ctype.Signature{Lang: event.LangC, Source: "prototype"}
	p.expect("(")
	if p.is("void") && p.ahead.text == ")" {
		p.advance()
	}
	for p.tok.kind != end && !p.is(")") {
		if p.accept("...") {
			sig.Variadic = true
			break
		}
		s := p.specifiers()
		d := p.declarator(s, true)
		if p.err != nil {
			return sig
		}
		sig.Params = append(sig.Params, p.param(s, d))
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return sig
}

// param turns what was read into a parameter; a byte buffer written as buf[count] is no text.
func (p *parser) param(s specifiers, d declared) ctype.Param {
	out := ctype.Param{Name: d.name.text, Type: decayed(d.t)}
	if d.array && d.count != "" {
		if elem := d.t.Elem.Underlying().Sizeof(); elem <= 1 {
			out.Len = d.count
		} else {
			out.Count = d.count
		}
		out.Type = asBuffer(out.Type)
	}
	out.Type = p.annotate(out.Type, append(s.notes, d.notes...), &out)
	return out
}

// decayed: a parameter of an array type by another name (va_list, jmp_buf) is a pointer, and keeps the name.
func decayed(t *ctype.Type) *ctype.Type {
	u := t.Underlying()
	if u.Kind != ctype.Array || u.Vector || t.Kind != ctype.Typedef {
		return t
	}
	c := *t
	c.Elem, c.Size = pointerTo(u.Elem, false), 8
	return &c
}

// trailing reads annotations, attributes and, behind a function, macros such as __THROW.
func (p *parser) trailing(d *declared) {
	for p.tok.kind == word || p.tok.kind == note {
		switch {
		case p.tok.kind == note:
			d.notes = append(d.notes, p.annotation())
		case p.isAttribute():
			p.attribute(&d.attrs)
		case ignored[p.tok.text]:
			p.advance()
		case d.t.Kind == ctype.Func || skipped[p.tok.text]:
			p.advance()
			if p.is("(") {
				p.group()
			}
		default:
			return
		}
	}
}
