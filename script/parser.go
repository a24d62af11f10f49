package script

// parser is a recursive-descent parser with one token of look-ahead. Probe points are read from the text itself
// (point.go), everything else from tokens.
type parser struct {
	lexer
	ahead    token
	hasAhead bool
	last     int // end of the last token taken
	depth    int // recursion, at most maxNesting
	operands int // of the current expression, at most maxOperands
	// predicate: a "/" before a "{" ends the expression; see endsPredicate.
	predicate bool
	// bare: any identifier may be a parameter's name (--if and --by).
	bare bool
	// enumerators are the names that enums of the script define.
	enumerators []string
	macros
}

// Parse reads a whole script. Its error is a *Diagnostic.
func Parse(text string) (parsed *Script, err error) {
	defer catch(&err)
	p := newParser(text)
	return p.script(), nil
}

// ParseExpr reads one expression, as --if has it. A name that is no builtin stands for a parameter of the probed
// function. Its error is a *Diagnostic.
func ParseExpr(text string) (x Expr, err error) {
	defer catch(&err)
	p := newParser(text)
	p.bare = true
	parsed := p.expression()
	p.end()
	return parsed, nil
}

// ParseExprs reads a list of expressions between commas, as --by has it. Its error is a *Diagnostic.
func ParseExprs(text string) (list []Expr, err error) {
	defer catch(&err)
	p := newParser(text)
	p.bare = true
	return p.expressions(), nil
}

// expressions reads a list of them to the end of the text.
func (p *parser) expressions() []Expr {
	list := []Expr{p.expression()}
	for p.accept(",") {
		list = append(list, p.expression())
	}
	p.end()
	return list
}

func newParser(text string) *parser {
	p := &parser{lexer: lexer{src: text}}
	if len(text) > maxText {
		p.src = text[:80]
		p.fail(TooLong, Span{}, nil, "text is longer than %d bytes", maxText)
	}
	return p
}

// peek gives the next token without taking it.
func (p *parser) peek() token {
	if !p.hasAhead {
		p.ahead, p.hasAhead = p.token(), true
	}
	return p.ahead
}

// next takes a token.
func (p *parser) next() token {
	t := p.peek()
	p.hasAhead, p.last = false, t.span.To
	return t
}

// at reports whether the next token is the operator.
func (p *parser) at(op string) bool {
	t := p.peek()
	return t.kind == tokOp && t.text == op
}

// atWord reports whether the next token is the word.
func (p *parser) atWord(word string) bool {
	t := p.peek()
	return t.kind == tokName && t.text == word
}

// accept takes the operator if it is next.
func (p *parser) accept(op string) bool {
	if p.at(op) {
		p.next()
		return true
	}
	return false
}

// expect takes the operator or fails.
func (p *parser) expect(op string) token {
	if !p.at(op) {
		p.unexpected(`"` + op + `"`)
	}
	return p.next()
}

// closing takes the bracket that ends what open began.
func (p *parser) closing(op string, open token) token {
	if p.peek().kind == tokEnd {
		p.fail(UnclosedBracket, open.span, []string{`add "` + op + `"`}, "%q is never closed", open.text)
	}
	return p.expect(op)
}

// end fails unless all of the text is read.
func (p *parser) end() {
	if p.peek().kind != tokEnd {
		p.unexpected("the end")
	}
}

// unexpected says that the next token is not what must come.
func (p *parser) unexpected(want string) {
	t := p.peek()
	if t.kind == tokOp && t.text == "=" {
		p.fail(Assignment, t.span, []string{`did you mean "=="?`}, `"=" sets a value; a condition compares`)
	}
	if t.kind == tokEnd {
		p.fail(Unexpected, t.span, nil, "%s is missing", want)
	}
	p.fail(Unexpected, t.span, p.unexpectedHints(t), "unexpected %s, %s must come here", p.describe(t), want)
}

// unexpectedHints knows words of other languages.
func (p *parser) unexpectedHints(t token) []string {
	switch {
	case t.kind == tokName && t.text == "and":
		return []string{`"and" is "&&"`}
	case t.kind == tokName && t.text == "or":
		return []string{`"or" is "||"`}
	case t.kind == tokName && p.last < t.span.From && p.last > 0 && isDigit(p.src[p.last-1]):
		if scale, ok := unitScale(t.text); ok && (scale > 1 || t.text == "ns") {
			return []string{"a unit stands right behind its number: 10" + t.text}
		}
		return []string{"units are those of time, right behind a number: 10ms; sizes are in bytes"}
	case t.kind == tokOp && t.text == "/" && !p.predicate && p.bare:
		return []string{"the condition stands without slashes"}
	}
	return nil
}

// describe names a token for a message.
func (p *parser) describe(t token) string {
	switch t.kind {
	case tokEnd:
		return "end"
	case tokString:
		return "string"
	}
	return `"` + printable(p.src[t.span.From:t.span.To]) + `"`
}

// down counts one level of recursion; up ends it.
func (p *parser) down() {
	if p.depth++; p.depth > maxNesting {
		p.fail(TooDeep, p.peek().span, nil, "more than %d levels of nesting", maxNesting)
	}
}

func (p *parser) up() { p.depth-- }

// since is the span from a position to the end of the last token taken.
func (p *parser) since(from int) Span { return Span{from, p.last} }
