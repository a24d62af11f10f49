package script

import "strings"

// block reads { statements }.
func (p *parser) block() []Stmt {
	p.down()
	defer p.up()
	open := p.expect("{")
	var list []Stmt
	for {
		switch {
		case p.accept(";"):
		case p.at("}"), p.peek().kind == tokEnd:
			p.closing("}", open)
			return list
		default:
			list = p.append(list, p.statement())
		}
	}
}

// statement reads one, with the semicolon that ends a simple one.
func (p *parser) statement() Stmt {
	t := p.peek()
	if t.kind == tokName {
		switch t.text {
		case "if":
			return p.ifStmt()
		case "while", "unroll":
			return p.loop()
		case "for":
			return p.forStmt()
		}
	}
	s := p.simple()
	if !p.at("}") && p.peek().kind != tokEnd {
		if !p.at(";") {
			p.needSemicolon()
		}
		p.next()
	}
	return s
}

// needSemicolon diagnoses what follows a statement without a semicolon between.
func (p *parser) needSemicolon() {
	t := p.peek()
	if t.kind == tokOp {
		p.unexpected(`";"`)
	}
	p.fail(Unexpected, Span{p.last, p.last}, nil, `";" is missing before %s`, p.describe(t))
}

// simple reads a jump, an assignment or an expression.
func (p *parser) simple() Stmt {
	t := p.peek()
	if t.kind == tokName {
		switch t.text {
		case "return", "break", "continue":
			p.next()
			return &Jump{Word: t.text, Span: t.span}
		case "let":
			p.next()
			if p.peek().kind != tokVar {
				p.unexpected("a variable ($x)")
			}
		case "struct", "union", "enum":
			p.fail(Unexpected, t.span, []string{"definitions stand before the probes"}, "unexpected %q, a statement must come here", t.text)
		}
	}
	x := p.expression()
	op := p.peek()
	if op.kind != tokOp || !isAssignment(op.text) {
		return &ExprStmt{X: x, Span: p.since(t.span.From)}
	}
	p.assignable(x)
	p.next()
	right := p.expression()
	return &Assign{Left: x, Op: op.text, Right: right, Span: p.since(t.span.From)}
}

func isAssignment(op string) bool {
	switch op {
	case "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=":
		return true
	}
	return false
}

// ifStmt reads if c { } else if c { } else { }.
func (p *parser) ifStmt() Stmt {
	p.down()
	defer p.up()
	word := p.next()
	s := &If{Cond: p.expression()}
	s.Then = p.block()
	if p.atWord("else") {
		p.next()
		if p.atWord("if") {
			s.Else = []Stmt{p.ifStmt()}
		} else {
			s.Else = p.block()
		}
	}
	s.Span = p.since(word.span.From)
	return s
}

// loop reads while c { } and unroll n { }.
func (p *parser) loop() Stmt {
	word := p.next()
	s := &While{Unroll: word.text == "unroll", Cond: p.expression()}
	s.Body = p.block()
	s.Span = p.since(word.span.From)
	return s
}

// forStmt reads for ($i : from..to) { }, the parentheses being optional.
func (p *parser) forStmt() Stmt {
	word := p.next()
	open := p.peek()
	bracketed := p.accept("(")
	v := p.peek()
	if v.kind != tokVar {
		p.unexpected("a variable ($i)")
	}
	p.next()
	p.expect(":")
	s := &For{Var: v.text, From: p.expression()}
	if m, ok := s.From.(*MapRef); ok && !p.at("..") {
		p.fail(Unsupported, m.Span, []string{"print(@" + m.Name + ") shows all entries", "a range is for ($i : 0..10)"},
			"a loop over a map's entries is not supported")
	}
	p.expect("..")
	s.To = p.expression()
	if bracketed {
		p.closing(")", open)
	}
	s.Body = p.block()
	s.Span = p.since(word.span.From)
	return s
}

// config reads the assignments of config = { a = 1; b = c }, the word being next.
func (p *parser) config() []Assign {
	p.next()
	p.expect("=")
	open := p.expect("{")
	var list []Assign
	for !p.at("}") && p.peek().kind != tokEnd {
		if p.accept(";") || p.accept(",") {
			continue
		}
		list = append(list, p.setting())
	}
	p.closing("}", open)
	p.blank()
	if strings.HasPrefix(p.src[p.pos:], ";") {
		p.pos++ // taken as text: behind it comes a point, which is not made of tokens
	}
	return list
}

// setting reads name = value, where the value may be a word.
func (p *parser) setting() Assign {
	name := p.peek()
	if name.kind != tokName {
		p.unexpected("the name of a setting")
	}
	p.next()
	p.expect("=")
	p.bare = true
	value := p.expression()
	p.bare = false
	p.needValue()
	return Assign{Left: &Ident{Name: name.text, Span: name.span}, Op: "=", Right: value, Span: p.since(name.span.From)}
}
