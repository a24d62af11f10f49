package script

import (
	"fmt"
	"strings"
)

// maxExpanded bounds what macros make of a script, in nodes of its tree.
const maxExpanded = 1 << 14

// macro is macro name(params) { body }. Where it is called its body stands, with the arguments for its parameters and variables of its own.
type macro struct {
	name   string
	params []Expr // *Ident: any expression, *Var: a variable, *MapRef: a map
	body   []Stmt
}

// macros are what the parser knows of them.
type macros struct {
	known    map[string]*macro
	params   []Expr     // of the one that is being read
	uses     int        // so far
	expanded int        // nodes
	loose    *statement // has yet to be taken by a block
}

// statement is what the parser has for a macro of several statements until it stands among others.
type statement struct {
	stmts []Stmt
	span  Span
}

func (s *statement) Pos() Span { return s.span }

// atMacro reports whether macro name( comes next, without reading ahead otherwise.
func (p *parser) atMacro() bool {
	at := lexer{src: p.src, pos: p.pos}
	return at.word() == "macro" && !strings.HasPrefix(p.src[at.pos:], ":")
}

// macro reads a definition.
func (p *parser) macro() {
	p.next()
	name := p.next()
	if name.kind != tokName {
		p.fail(Unexpected, name.span, nil, "the name of a macro is missing")
	}
	if IsFunction(name.text) || IsBuiltin(name.text) || p.known[name.text] != nil {
		p.fail(BadMacro, name.span, nil, "%q is there already", name.text)
	}
	m := &macro{name: name.text}
	open := p.expect("(")
	for !p.at(")") {
		m.params = append(m.params, p.macroParam())
		if !p.accept(",") {
			break
		}
	}
	p.closing(")", open)
	p.params = m.params
	m.body = p.block()
	p.params = nil
	if p.known == nil {
		p.known = map[string]*macro{}
	}
	p.known[m.name] = m
}

func (p *parser) macroParam() Expr {
	switch t := p.next(); t.kind {
	case tokName:
		return &Ident{Name: t.text, Span: t.span}
	case tokVar:
		return &Var{Name: t.text, Span: t.span}
	case tokMap:
		return &MapRef{Name: t.text, Span: t.span}
	default:
		p.fail(Unexpected, t.span, nil, "a parameter is x (any value), $x (a variable) or @x (a map)")
	}
	return nil
}

// parameter reports whether a bare name is a parameter of the macro that is being read.
func (p *parser) parameter(name string) bool {
	for _, param := range p.params {
		if id, ok := param.(*Ident); ok && id.Name == name {
			return true
		}
	}
	return false
}

// useMacro reads the arguments of a macro, its name being taken, and gives what it stands for.
func (p *parser) useMacro(m *macro, name token) Expr {
	var args []Expr
	if p.at("(") {
		open := p.next()
		args = p.list(")", open)
	}
	at := p.since(name.span.From)
	if len(args) != len(m.params) {
		p.fail(BadArguments, at, nil, "%s takes %s, not %d", m.name, arity(Name{Min: len(m.params), Max: len(m.params)}), len(args))
	}
	for i, param := range m.params {
		p.suits(param, args[i])
	}
	p.uses++
	r := rewriter{level: p.depth}
	r.change = func(x Expr) Expr { return p.argument(m, args, x, &r) }
	if only, ok := onlyExpression(m.body); ok {
		x := r.expr(only)
		p.made(&r, at)
		p.operands += r.nodes
		return x
	}
	p.needValue()
	p.loose = &statement{r.stmts(m.body), at}
	p.made(&r, at)
	return p.loose
}

// suits fails unless an argument is what a parameter wants.
func (p *parser) suits(param, arg Expr) {
	switch param.(type) {
	case *Var:
		if _, ok := arg.(*Var); !ok {
			p.fail(BadArguments, arg.Pos(), nil, "%s stands for a variable", Format(param))
		}
	case *MapRef:
		if m, ok := arg.(*MapRef); !ok || m.Keys != nil {
			p.fail(BadArguments, arg.Pos(), nil, "%s stands for a map", Format(param))
		}
	}
}

// argument is what stands for a leaf of a macro's body.
func (p *parser) argument(m *macro, args []Expr, x Expr, r *rewriter) Expr {
	for i, param := range m.params {
		if p.expanded+r.nodes > maxExpanded {
			return x // made says so
		}
		switch param := param.(type) {
		case *Ident:
			if id, ok := x.(*Ident); ok && id.Name == param.Name {
				inner := rewriter{change: func(x Expr) Expr { return x }, level: r.level}
				x := inner.expr(args[i])
				r.nodes, r.deepest = r.nodes+inner.nodes, max(r.deepest, inner.deepest)
				return x
			}
		case *Var:
			if v, ok := x.(*Var); ok && v.Name == param.Name {
				return &Var{Name: args[i].(*Var).Name, Span: v.Span}
			}
		case *MapRef:
			if ref, ok := x.(*MapRef); ok && ref.Name == param.Name {
				return &MapRef{Name: args[i].(*MapRef).Name, Keys: ref.Keys, Span: ref.Span}
			}
		}
	}
	if v, ok := x.(*Var); ok {
		return &Var{Name: fmt.Sprintf("__%s%d_%s", m.name, p.uses, v.Name), Span: v.Span}
	}
	return x
}

// made bounds what macros make.
func (p *parser) made(r *rewriter, at Span) {
	if p.expanded += r.nodes; p.expanded > maxExpanded {
		p.fail(TooLong, at, nil, "macros make more than %d words of the script", maxExpanded)
	}
	if 3*r.deepest > maxNesting { // each level may be written with parentheses
		p.fail(TooDeep, at, nil, "more than %d levels of nesting", maxNesting/3)
	}
}

// onlyExpression is what a macro gives that has a value: a body of one expression.
func onlyExpression(body []Stmt) (Expr, bool) {
	if len(body) != 1 {
		return nil, false
	}
	only, ok := body[0].(*ExprStmt)
	if !ok {
		return nil, false
	}
	return only.X, true
}

// append adds a statement to others, those of a macro one by one.
func (p *parser) append(list []Stmt, s Stmt) []Stmt {
	if e, ok := s.(*ExprStmt); ok {
		if several, ok := e.X.(*statement); ok {
			p.loose = nil
			return append(list, several.stmts...)
		}
	}
	p.needValue()
	return append(list, s)
}

// needValue fails if a macro of several statements stands where a value must be.
func (p *parser) needValue() {
	if p.loose != nil {
		p.fail(BadMacro, p.loose.span, []string{"a macro of one expression has one"}, "this macro has no value")
	}
}

// skipInclude passes over a line of C's that names a header: types come from debug information.
func (p *parser) skipInclude() bool {
	rest, ok := strings.CutPrefix(p.src[p.pos:], "#")
	if !ok || !strings.HasPrefix(strings.TrimLeft(rest, " \t"), "include") {
		return false
	}
	p.pos += lineLength(p.src[p.pos:])
	return true
}
