package script

import "strings"

// typeName reads a type up to its closing parenthesis from the parser's position without moving it. It gives the
// type in one spelling ("struct foo *", "char **", "ns::Box<int, 3> *", "uint8[4]") and the position behind the ")".
//
//	type  = { "const" | "volatile" } ( kind name | scalar { scalar } | name ) [ "const" ] { "*" | "&" } { "[" number "]" }
//	name  = word { ( "::" | "." ) word } with "<" ... ">" behind any word
func (p *parser) typeName() (name string, end int, ok bool) {
	r := typeReader{lexer: lexer{src: p.src, pos: p.pos}}
	if p.hasAhead {
		r.pos = p.ahead.span.From
	}
	r.advance()
	if !r.base() {
		return "", 0, false
	}
	r.qualifiers()
	for first := true; r.atOp("*") || r.atOp("&") || r.atOp("&&"); first = false {
		if first {
			r.b.WriteByte(' ')
		}
		r.take()
		for r.atName("const") {
			r.advance()
		}
	}
	for r.atOp("[") {
		r.take()
		if r.t.kind == tokNumber {
			r.take()
		}
		if !r.atOp("]") {
			return "", 0, false
		}
		r.take()
	}
	return r.b.String(), r.t.span.To, r.atOp(")")
}

// typeReader collects the spelling of a type.
type typeReader struct {
	lexer
	t token
	b strings.Builder
}

// advance steps to the next token. What can begin no token ends the type: the parser proper diagnoses it.
func (r *typeReader) advance() {
	defer func() {
		if _, wrong := recover().(*Diagnostic); wrong {
			r.t = token{kind: tokEnd}
		}
	}()
	r.t = token{kind: tokEnd}
	r.t = r.token()
}

func (r *typeReader) atOp(op string) bool     { return r.t.kind == tokOp && r.t.text == op }
func (r *typeReader) atName(word string) bool { return r.t.kind == tokName && r.t.text == word }

// take writes the token as it stands and steps on.
func (r *typeReader) take() {
	r.b.WriteString(r.src[r.t.span.From:r.t.span.To])
	r.advance()
}

// takeWord writes a word, apart from the word before it.
func (r *typeReader) takeWord() {
	if r.b.Len() > 0 {
		r.b.WriteByte(' ')
	}
	r.take()
}

func (r *typeReader) qualifiers() {
	for r.atName("const") || r.atName("volatile") {
		r.takeWord()
	}
}

// base reads all but pointers and arrays.
func (r *typeReader) base() bool {
	r.qualifiers()
	if r.t.kind != tokName {
		return false
	}
	if isTypeKeyword(r.t.text) {
		r.takeWord()
		return r.qualified()
	}
	if !isScalarType(r.t.text) {
		return r.qualified()
	}
	for r.t.kind == tokName && isScalarType(r.t.text) {
		r.takeWord()
	}
	return true
}

// qualified reads ns::Name<args>::Inner or main.Store.
func (r *typeReader) qualified() bool {
	for first := true; ; first = false {
		if r.t.kind != tokName {
			return false
		}
		if first {
			r.takeWord()
		} else {
			r.take()
		}
		if r.atOp("<") && !r.template() {
			return false
		}
		if !r.atOp("::") && !r.atOp(".") {
			return true
		}
		r.take()
	}
}

// template reads <...>, brackets inside included.
func (r *typeReader) template() bool {
	for open := 0; ; {
		switch {
		case r.atOp("<"):
			open++
		case r.atOp(">"):
			open--
		case r.atOp(">>"):
			open -= 2
		case r.atOp(","):
			r.b.WriteByte(',')
			r.advance()
			r.b.WriteByte(' ')
			continue
		case r.t.kind == tokNumber, r.atOp("::"), r.atOp("*"), r.atOp("&"):
		case r.t.kind == tokName:
			if text := r.b.String(); strings.IndexByte("<: ", text[len(text)-1]) < 0 {
				r.b.WriteByte(' ')
			}
		default:
			return false
		}
		r.take()
		if open <= 0 {
			return open == 0
		}
	}
}
