package script

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on hostile input. maxText bounds a script; maxNesting the recursion of the parser; maxOperands the
// size, and so the height, of one expression's tree, which a chain of operators grows without recursion.
const (
	maxText     = 1 << 18
	maxNesting  = 200
	maxOperands = 4096
)

// tokenKind says what a token is.
type tokenKind uint8

const (
	tokEnd        tokenKind = iota
	tokName                 // pid
	tokNumber               // 10, 0x1f, 10ms, 'a'
	tokString               // "...", text is the unescaped content
	tokVar                  // $x, text without the $
	tokPositional           // $1, $#
	tokMap                  // @x, text without the @
	tokOp                   // punctuation
)

// token is one word of the language.
type token struct {
	kind  tokenKind
	span  Span
	text  string
	value int64 // tokNumber, tokPositional
}

// lexer cuts text into tokens on demand, so that the parser can read probe points, whose words are of
// another kind, from the same position.
type lexer struct {
	src string
	pos int
}

// operators, longest first.
var operators = [...]string{
	"<<=", ">>=",
	"->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "..", "::",
	"+", "-", "*", "/", "%", "&", "|", "^", "~", "!", "<", ">", "=", "?", ":", ";", ",", ".", "(", ")", "[", "]", "{", "}",
}

// fail ends parsing with a diagnosis; the parser's entry points catch it.
func (l *lexer) fail(code Code, at Span, hints []string, format string, args ...any) {
	panic(&Diagnostic{Code: code, Message: fmt.Sprintf(format, args...), Text: l.src, Span: at, Hints: hints})
}

// catch turns what fail threw into an error.
func catch(err *error) {
	switch d := recover().(type) {
	case nil:
	case *Diagnostic:
		*err = d
	default:
		panic(d)
	}
}

// blank skips white space and comments.
func (l *lexer) blank() {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "//"):
			l.pos += lineLength(rest)
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				l.fail(UnclosedComment, Span{l.pos, l.pos + 2}, nil, "comment is never closed")
			}
			l.pos += end + 4
		default:
			return
		}
	}
}

// lineLength is how many bytes of s come before its first line end.
func lineLength(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i
	}
	return len(s)
}

// token reads the next one.
func (l *lexer) token() token {
	l.blank()
	if l.pos == len(l.src) {
		return token{kind: tokEnd, span: Span{l.pos, l.pos}}
	}
	c := l.src[l.pos]
	switch {
	case isDigit(c):
		return l.number()
	case c == '"':
		return l.quoted()
	case c == '\'':
		return l.character()
	case c == '$':
		return l.dollar()
	case c == '@':
		from := l.pos
		l.pos++
		return token{kind: tokMap, text: l.word(), span: Span{from, l.pos}}
	}
	from := l.pos
	if word := l.word(); word != "" {
		return token{kind: tokName, text: word, span: Span{from, l.pos}}
	}
	for _, op := range operators {
		if strings.HasPrefix(l.src[l.pos:], op) {
			l.pos += len(op)
			return token{kind: tokOp, text: op, span: Span{from, l.pos}}
		}
	}
	l.unknown()
	return token{}
}

// unknown diagnoses a character that begins no token.
func (l *lexer) unknown() {
	r, size := utf8.DecodeRuneInString(l.src[l.pos:])
	at := Span{l.pos, l.pos + size}
	var hints []string
	switch r {
	case '#':
		hints = []string{"types and constants come from debug information: leave #define and #if out"}
	case '“', '”', '„':
		hints = []string{`strings stand between plain quotes: "`}
	case '‘', '’', '`':
		hints = []string{"characters stand between plain quotes: '"}
	case '–', '—', '−':
		hints = []string{"write a plain minus: -"}
	}
	l.fail(BadCharacter, at, hints, "character %q has no meaning here", r)
}

// word reads an identifier, "" when there is none.
func (l *lexer) word() string {
	from := l.pos
	for i, r := range l.src[from:] {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			break
		}
		l.pos = from + i + utf8.RuneLen(r)
	}
	return l.src[from:l.pos]
}

// digits reads decimal digits, "" when there are none.
func (l *lexer) digits() string {
	from := l.pos
	for l.pos < len(l.src) && isDigit(l.src[l.pos]) {
		l.pos++
	}
	return l.src[from:l.pos]
}

// dollar reads $name, $1 or $#.
func (l *lexer) dollar() token {
	from := l.pos
	l.pos++
	if strings.HasPrefix(l.src[l.pos:], "#") {
		l.pos++
		return token{kind: tokPositional, text: "#", span: Span{from, l.pos}}
	}
	if name := l.word(); name != "" {
		return token{kind: tokVar, text: name, span: Span{from, l.pos}}
	}
	n := 0
	for _, c := range l.digits() {
		if n = n*10 + int(c-'0'); n > 1000 {
			l.fail(BadNumber, Span{from, l.pos}, nil, "no script has that many arguments")
		}
	}
	if n == 0 {
		l.fail(BadCharacter, Span{from, l.pos}, []string{"$name is a variable, $1 the script's first argument, $# their number"},
			"$ without a name")
	}
	return token{kind: tokPositional, value: int64(n), span: Span{from, l.pos}}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
