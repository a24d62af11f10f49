package script

import "strings"

// TypeDef is a C definition of a script: struct, union, enum or typedef. Text ends with its semicolon, which scripts may leave out.
type TypeDef struct {
	Text string
	Span Span // without the semicolon
}

// Types gives the definitions as C, each at its place in the script's text, so that places in the one are places in the other.
func (s *Script) Types() string {
	text := []byte(strings.Repeat(" ", len(s.Text)+1))
	for _, d := range s.Defs {
		copy(text[d.Span.From:], s.Text[d.Span.From:d.Span.To])
		text[d.Span.To] = ';'
	}
	return string(text)
}

// atDefinition reports whether a definition comes next, without reading ahead otherwise.
func (p *parser) atDefinition() bool {
	at := lexer{src: p.src, pos: p.pos}
	switch at.word() {
	case "struct", "union", "enum", "typedef":
		return true
	}
	return false
}

// definition reads one, of which no more is understood here than where it ends and which names its enumerators have.
func (p *parser) definition() TypeDef {
	from := p.pos
	alias := p.atWord("typedef")
	var open []token
	enum := false
	for {
		t := p.next()
		switch {
		case t.kind == tokEnd && len(open) > 0:
			p.closing("}", open[len(open)-1])
		case t.kind == tokEnd:
			p.fail(Unexpected, t.span, nil, `";" is missing behind a definition`)
		case t.kind == tokName && t.text == "enum":
			enum = true
		case t.kind == tokName && enum && len(open) > 0:
			p.enumerators = append(p.enumerators, t.text)
		case t.kind != tokOp:
		case t.text == "{":
			open = append(open, t)
		case t.text == "}" && len(open) == 0:
			p.fail(Unexpected, t.span, nil, `"}" ends nothing`)
		case t.text == "}":
			open, enum = open[:len(open)-1], false
		}
		if len(open) > 0 || t.kind != tokOp || t.text != ";" && (alias || t.text != "}") {
			continue
		}
		def := TypeDef{Span: Span{from, t.span.From}}
		if t.text == "}" {
			p.attributes()
			def.Span.To = p.last
			if p.blank(); strings.HasPrefix(p.src[p.pos:], ";") {
				p.pos++
			}
		}
		def.Text = strings.TrimSpace(p.src[from:def.Span.To]) + ";"
		return def
	}
}

// attributes reads __attribute__((packed)) behind a definition.
func (p *parser) attributes() {
	for {
		at := lexer{src: p.src, pos: p.pos}
		if at.blank(); at.word() != "__attribute__" {
			return
		}
		p.next()
		open := p.expect("(")
		p.expect("(")
		for !p.at(")") && p.peek().kind != tokEnd {
			if p.next(); p.accept("(") {
				p.list(")", open)
			}
		}
		p.closing(")", open)
		p.closing(")", open)
	}
}
