package script

import (
	"slices"
	"strings"
)

// precedence is C's: the higher binds the tighter; 0 is no binary operator.
func precedence(op string) int {
	switch op {
	case "||":
		return 1
	case "&&":
		return 2
	case "|":
		return 3
	case "^":
		return 4
	case "&":
		return 5
	case "==", "!=":
		return 6
	case "<", ">", "<=", ">=":
		return 7
	case "<<", ">>":
		return 8
	case "+", "-":
		return 9
	case "*", "/", "%":
		return 10
	}
	return 0
}

// Precedence of what is not a binary operator.
const (
	condLevel    = 0
	unaryLevel   = 11
	postfixLevel = 12
)

// expression reads an expression that stands alone.
func (p *parser) expression() Expr {
	p.operands = 0
	return p.expr()
}

// expr reads c ? x : y, or less.
func (p *parser) expr() Expr {
	p.down()
	defer p.up()
	c := p.binary(1)
	if !p.accept("?") {
		return c
	}
	x := p.expr()
	p.expect(":")
	y := p.expr()
	return &Cond{C: c, X: x, Y: y, Span: Span{c.Pos().From, y.Pos().To}}
}

// binary reads operands joined by operators of at least the level.
func (p *parser) binary(level int) Expr {
	x := p.unary()
	for {
		op := p.peek()
		found := precedence(op.text)
		if op.kind != tokOp || found < level || found == 0 || p.endsPredicate(op) {
			return x
		}
		p.next()
		y := p.binary(found + 1)
		x = &Binary{Op: op.text, X: x, Y: y, Span: Span{x.Pos().From, y.Pos().To}}
	}
}

// endsPredicate tells the "/" that ends a predicate from a division: only the first has a "{" behind it, and no
// expression begins with one. This is bpftrace's rule.
func (p *parser) endsPredicate(t token) bool {
	if !p.predicate || t.kind != tokOp || t.text != "/" {
		return false
	}
	behind := lexer{src: p.src, pos: t.span.To}
	behind.blank()
	return strings.HasPrefix(p.src[behind.pos:], "{")
}

// unary reads an operand with what stands before it.
func (p *parser) unary() Expr {
	p.down()
	defer p.up()
	if p.operands++; p.operands > maxOperands {
		p.fail(TooDeep, p.peek().span, nil, "more than %d operands in one expression", maxOperands)
	}
	t := p.peek()
	if t.kind != tokOp {
		return p.postfix(p.primary())
	}
	switch t.text {
	case "-", "!", "~", "*", "&":
		p.next()
		x := p.unary()
		return &Unary{Op: t.text, X: x, Span: Span{t.span.From, x.Pos().To}}
	case "+":
		p.next()
		return p.unary()
	case "++", "--":
		p.next()
		x := p.unary()
		p.assignable(x)
		return &Unary{Op: t.text, X: x, Span: Span{t.span.From, x.Pos().To}}
	case "(":
		p.next()
		if name, ok := p.castType(); ok {
			x := p.unary()
			return &Cast{Type: name, X: x, Span: Span{t.span.From, x.Pos().To}}
		}
		return p.postfix(p.parenthesis(t))
	}
	p.missingOperand(t)
	return nil
}

// missingOperand diagnoses a token where an operand must be.
func (p *parser) missingOperand(t token) {
	var hints []string
	switch {
	case t.kind == tokOp && t.text == "=":
		hints = []string{`did you mean "=="?`}
	case t.kind == tokOp && t.text == "/" && p.bare:
		hints = []string{"the condition stands without slashes"}
	}
	if t.kind == tokEnd {
		p.fail(MissingOperand, t.span, hints, "a value is missing at the end")
	}
	p.fail(MissingOperand, t.span, hints, "a value is missing before %s", p.describe(t))
}

// parenthesis reads (x) or the tuple (x, y), open being taken.
func (p *parser) parenthesis(open token) Expr {
	x := p.expr()
	if !p.at(",") {
		p.closing(")", open)
		return x
	}
	elems := []Expr{x}
	for p.accept(",") && !p.at(")") {
		elems = append(elems, p.expr())
	}
	end := p.closing(")", open)
	return &Tuple{Elems: elems, Span: Span{open.span.From, end.span.To}}
}

// postfix reads what stands behind an operand: x.f x->f x[i] x++ x--.
func (p *parser) postfix(x Expr) Expr {
	from := x.Pos().From
	for {
		t := p.peek()
		if t.kind != tokOp {
			return x
		}
		switch t.text {
		case ".", "->":
			p.next()
			x = &FieldRef{X: x, Name: p.member(), Arrow: t.text == "->", Span: p.since(from)}
		case "[":
			p.next()
			i := p.expr()
			p.closing("]", t)
			x = &Index{X: x, I: i, Span: p.since(from)}
		case "++", "--":
			p.next()
			p.assignable(x)
			x = &Unary{Op: t.text, X: x, Postfix: true, Span: p.since(from)}
		default:
			return x
		}
		if p.operands++; p.operands > maxOperands {
			p.fail(TooDeep, t.span, nil, "more than %d operands in one expression", maxOperands)
		}
	}
}

// member reads the name behind "." or "->": an identifier, or digits for a part of a tuple.
func (p *parser) member() string {
	p.blank()
	name := p.word()
	if name == "" {
		name = p.digits()
	}
	if name == "" {
		p.unexpected("the name of a field")
	}
	p.last = p.pos
	return name
}

// assignable fails unless x can be set.
func (p *parser) assignable(x Expr) {
	switch x := x.(type) {
	case *MapRef, *Var:
	case *Ident:
		p.fail(NotAssignable, x.Span, []string{"variables are $" + x.Name + ", maps @" + x.Name}, "%s cannot be set", x.Name)
	default:
		p.fail(NotAssignable, x.Pos(), []string{"only variables ($x) and maps (@x) can be set"}, "this cannot be set")
	}
}

// primary reads an operand by itself.
func (p *parser) primary() Expr {
	t := p.next()
	switch t.kind {
	case tokNumber:
		return &Int{Value: t.value, Text: t.text, Span: t.span}
	case tokString:
		return &Str{Value: t.text, Span: t.span}
	case tokVar:
		return &Var{Name: t.text, Span: t.span}
	case tokPositional:
		return &Positional{N: int(t.value), Count: t.text == "#", Span: t.span}
	case tokMap:
		return p.mapRef(t)
	case tokName:
		return p.named(t)
	}
	p.missingOperand(t)
	return nil
}

// mapRef reads the keys behind a map's name.
func (p *parser) mapRef(t token) Expr {
	m := &MapRef{Name: t.text, Span: t.span}
	if !p.at("[") {
		return m
	}
	open := p.next()
	m.Keys = p.list("]", open)
	m.Span = p.since(t.span.From)
	if len(m.Keys) == 0 {
		p.fail(MissingOperand, Span{open.span.From, m.Span.To}, []string{"a map without key is @" + t.text}, "a key is missing")
	}
	return m
}

// list reads expressions up to the closing bracket.
func (p *parser) list(end string, open token) []Expr {
	var list []Expr
	for !p.at(end) && p.peek().kind != tokEnd {
		list = append(list, p.expr())
		if p.at(end) || p.peek().kind == tokEnd {
			break
		}
		p.expect(",")
		if p.at(end) {
			p.missingOperand(p.peek())
		}
	}
	p.closing(end, open)
	return list
}

// named reads a builtin, a call, a constant or a parameter.
func (p *parser) named(t token) Expr {
	m := p.known[t.text]
	switch {
	case t.text == "sizeof":
		return p.sizeof(t)
	case m != nil && (p.at("(") || len(m.params) == 0):
		return p.useMacro(m, t)
	case p.parameter(t.text):
		return &Ident{Name: t.text, Span: t.span}
	case p.at("("):
		return p.call(t)
	}
	if value, ok := constant(t.text); ok {
		return &Int{Value: value, Text: t.text, Span: t.span}
	}
	id := &Ident{Name: t.text, Span: t.span}
	if !p.bare && !IsBuiltin(t.text) && !constantName(t.text) && !slices.Contains(p.enumerators, t.text) {
		panic(UnknownIdent(id, p.src))
	}
	return id
}

// constant knows the words that are numbers.
func constant(word string) (int64, bool) {
	switch word {
	case "true":
		return 1, true
	case "false", "NULL", "nullptr", "nil":
		return 0, true
	}
	return 0, false
}

// constantName reports whether a name is written as C writes enumerators; they are looked up in the target's types.
func constantName(name string) bool {
	return strings.ToUpper(name) == name && strings.Trim(name, "_0123456789") != ""
}
