package prototype

import (
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/ctype"
	"github.com/sonde-project/sonde/script"
)

const (
	maxNesting = 100     // parentheses, structs and pointers inside each other
	maxText    = 8 << 20 // bytes of one file
)

// parser reads declarations into a Table. The first mistake stops it: fail moves it to the end of the text.
type parser struct {
	lexer
	table  *Table
	tok    token // current
	ahead  token // the one after
	depth  int
	blocks int // open extern "C" { blocks
	err    *script.Diagnostic
}

func parse(src string, parent *Table) (*Table, *script.Diagnostic) {
	p := &parser{lexer: lexer{src: src}, table: newTable(parent)}
	if len(src) > maxText {
		return nil, mistake(src, token{}, "more than 8 MiB of declarations")
	}
	p.ahead = p.lexer.next()
	p.advance()
	for p.tok.kind != end {
		p.external()
	}
	for _, t := range p.table.types {
		if t.Kind == ctype.Typedef {
			t.Size = t.Sizeof() // of a structure that was completed after the typedef
		}
	}
	return p.table, p.err
}

func (p *parser) advance() {
	p.tok = p.ahead
	if p.err != nil {
		return
	}
	p.ahead = p.lexer.next()
	if p.tok.kind == wrong {
		p.fail(p.tok, p.tok.text)
	}
}

func (p *parser) fail(at token, message string, hints ...string) {
	if p.err == nil {
		p.err = mistake(p.src, at, message, hints...)
	}
	p.tok = token{kind: end, at: len(p.src)}
	p.ahead = p.tok
}

// is reports whether the current token is this punctuation or word.
func (p *parser) is(s string) bool {
	return p.tok.text == s && (p.tok.kind == mark || p.tok.kind == word)
}

func (p *parser) accept(s string) bool {
	if p.is(s) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) expect(s string) {
	if !p.accept(s) {
		p.fail(p.tok, "expected \""+s+"\" here, found "+describe(p.tok))
	}
}

func describe(t token) string {
	if t.kind == end {
		return "the end"
	}
	return "\"" + t.text + "\""
}

// enter and leave bound recursion.
func (p *parser) enter() bool {
	if p.depth++; p.depth > maxNesting {
		p.fail(p.tok, "nested too deeply")
		return false
	}
	return true
}

func (p *parser) leave() { p.depth-- }

// group passes over "( ... )", "{ ... }" or "[ ... ]", the current token being the opening one, and gives its tokens.
func (p *parser) group() []token {
	open := p.tok
	level := 0
	var tokens []token
	for p.tok.kind != end {
		if p.tok.kind == mark {
			switch p.tok.text {
			case "(", "{", "[":
				level++
			case ")", "}", "]":
				level--
			}
		}
		tokens = append(tokens, p.tok)
		p.advance()
		if level == 0 {
			return tokens
		}
	}
	p.fail(open, "\""+open.text+"\" is never closed")
	return nil
}

// external reads one declaration at file level.
func (p *parser) external() {
	switch {
	case p.accept(";"):
		return
	case p.blocks > 0 && p.is("}"):
		p.blocks--
		p.advance()
		return
	case p.is("extern") && p.ahead.kind == text:
		p.advance()
		p.advance()
		if p.accept("{") {
			p.blocks++
		}
		return
	case p.is("_Static_assert"), p.is("static_assert"), p.is("__asm__"), p.is("asm"):
		p.advance()
		p.group()
		return
	}
	start := p.tok
	s := p.specifiers()
	if p.err == nil && p.tok == start {
		p.fail(start, "expected a declaration here, found "+describe(start))
		return
	}
	if p.accept(";") {
		p.markTag(s)
		return
	}
	p.declarators(s)
}

// declarators reads what follows the specifiers, up to the ";" or the function's body.
func (p *parser) declarators(s specifiers) {
	for p.tok.kind != end {
		d := p.declarator(s, false)
		p.define(s, d)
		if p.accept("=") {
			p.initializer()
		}
		switch {
		case p.accept(","):
		case p.is("{"):
			p.group()
			return
		default:
			p.expect(";")
			return
		}
	}
	if p.err == nil {
		p.fail(p.tok, "the declaration has no end")
	}
}

func (p *parser) initializer() {
	for p.tok.kind != end && !p.is(",") && !p.is(";") {
		if p.is("(") || p.is("{") || p.is("[") {
			p.group()
			continue
		}
		p.advance()
	}
}

// define enters a typedef or a function into the table. Variables are of no interest.
func (p *parser) define(s specifiers, d declared) {
	name := d.name.text
	switch {
	case p.err != nil:
		return
	case name == "":
		p.fail(p.tok, "expected a name here, found "+describe(p.tok))
	case s.typedef:
		t := p.named(name, p.annotate(d.t, d.notes, nil))
		if d.attrs.align > 0 {
			t.Align = d.attrs.align // a typedef may also lower it
		}
		p.table.types[name] = t
	case d.t.Kind == ctype.Func:
		sig := d.t.Func
		if len(sig.Results) > 0 {
			sig.Results[0].Type = p.annotate(sig.Results[0].Type, s.notes, &sig.Results[0])
		}
		p.table.functions[name] = sig
		p.annotateFunction(sig, d.notes)
	}
}

func (p *parser) named(name string, t *ctype.Type) *ctype.Type {
	if t.Name == "" && (t.Kind == ctype.Struct || t.Kind == ctype.Union || t.Kind == ctype.Enum || t.Kind == ctype.Opaque) {
		t.Name = name // typedef struct { ... } T: the structure's only name
		return t
	}
	return &ctype.Type{Kind: ctype.Typedef, Lang: event.LangC, Name: name, Size: t.Sizeof(), Elem: t, Format: t.Format}
}

// markTag applies annotations behind a structure or an enum to itself: "enum open_flags { ... } @flags;".
func (p *parser) markTag(s specifiers) {
	for _, n := range s.notes {
		switch {
		case n.word.text == "flags" && n.args == nil:
			s.t.Flags = true
		case formats[n.word.text]:
			s.t.Format = n.word.text
		default:
			p.fail(n.word, "@"+n.word.text+" says nothing about a type")
		}
	}
}
