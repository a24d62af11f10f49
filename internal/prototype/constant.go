package prototype

import (
	"strconv"
	"strings"

	"github.com/sonde-project/sonde/internal/ctype"
)

// levels of binary operators, loosest first.
var levels = [...]string{"||", "&&", "|", "^", "&", "== !=", "< > <= >=", "<< >>", "+ -", "* / %"}

func (p *parser) constantExpr() int64 {
	c := p.binary(0)
	if !p.is("?") || !p.enter() {
		return c
	}
	defer p.leave()
	p.advance()
	x := p.constantExpr()
	p.expect(":")
	y := p.constantExpr()
	if c != 0 {
		return x
	}
	return y
}

func (p *parser) binary(level int) int64 {
	if level == len(levels) {
		return p.unary()
	}
	x := p.binary(level + 1)
	for p.tok.kind == mark && operates(levels[level], p.tok.text) {
		op := p.tok
		p.advance()
		x = p.apply(op, x, p.binary(level+1))
	}
	return x
}

func operates(level, op string) bool {
	for _, o := range strings.Fields(level) {
		if o == op {
			return true
		}
	}
	return false
}

func (p *parser) apply(op token, x, y int64) int64 {
	switch op.text {
	case "||", "&&", "==", "!=", "<", ">", "<=", ">=":
		return truth(op.text, x, y)
	case "|":
		return x | y
	case "^":
		return x ^ y
	case "&":
		return x & y
	case "<<":
		return x << (uint64(y) & 63)
	case ">>":
		return x >> (uint64(y) & 63)
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	}
	if y == 0 {
		p.fail(op, "division by zero")
		return 0
	}
	if op.text == "/" {
		return x / y
	}
	return x % y
}

func truth(op string, x, y int64) int64 {
	yes := false
	switch op {
	case "||":
		yes = x != 0 || y != 0
	case "&&":
		yes = x != 0 && y != 0
	case "==":
		yes = x == y
	case "!=":
		yes = x != y
	case "<":
		yes = x < y
	case ">":
		yes = x > y
	case "<=":
		yes = x <= y
	case ">=":
		yes = x >= y
	}
	if yes {
		return 1
	}
	return 0
}

func (p *parser) unary() int64 {
	if !p.enter() {
		return 0
	}
	defer p.leave()
	t := p.tok
	switch {
	case p.accept("-"):
		return -p.unary()
	case p.accept("+"):
		return p.unary()
	case p.accept("~"):
		return ^p.unary()
	case p.accept("!"):
		return truth("==", p.unary(), 0)
	case p.accept("sizeof"), p.accept("_Alignof"):
		return p.sizeof(t)
	case p.accept("("):
		if p.startsType(p.tok) { // a cast: "(int) 0x80000000"
			p.typeName()
			p.expect(")")
			return p.unary()
		}
		v := p.constantExpr()
		p.expect(")")
		return v
	}
	p.advance()
	v, ok := p.value(t)
	if !ok {
		p.fail(t, "expected a constant here, found "+describe(t))
	}
	return v
}

func (p *parser) sizeof(op token) int64 {
	p.expect("(")
	t := p.typeName()
	p.expect(")")
	n := t.Sizeof()
	if op.text == "_Alignof" {
		n = t.Alignof()
	}
	if n < 0 && p.err == nil {
		p.fail(op, "the size of that type is not known")
	}
	return n
}

func (p *parser) typeName() *ctype.Type {
	s := p.specifiers()
	return p.declarator(s, false).t
}

// value is what a number, a character or an enumerator stands for.
func (p *parser) value(t token) (int64, bool) {
	switch t.kind {
	case word:
		return p.table.constant(t.text)
	case text:
		r, _, tail, err := strconv.UnquoteChar(strings.Trim(t.text, "'"), '\'')
		return int64(r), err == nil && tail == ""
	}
	return parseNumber(t.text)
}

func parseNumber(s string) (int64, bool) {
	v, err := strconv.ParseUint(strings.TrimRight(s, "uUlL"), 0, 64)
	return int64(v), err == nil
}
