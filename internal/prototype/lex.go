package prototype

import (
	"strings"

	"github.com/sonde-project/sonde/script"
)

// kind is the kind of a token.
type kind uint8

const (
	end kind = iota
	word
	number
	text  // string or character literal
	mark  // punctuation; text is the character, or one of the longer operators
	note  // @word: an annotation of ours
	wrong // text cannot be lexed
)

type token struct {
	kind kind
	text string
	at   int
}

// lexer cuts C text into tokens. Preprocessor lines and comments are passed over; a comment that begins with "/*@"
// holds annotations, so that an annotated file stays valid C.
type lexer struct {
	src    string
	at     int
	inNote bool // inside /*@ ... */
}

func (l *lexer) next() token {
	l.skip()
	start := l.at
	if start >= len(l.src) {
		return token{kind: end, at: len(l.src)}
	}
	c := l.src[start]
	switch {
	case isLetter(c):
		return l.run(word, start, isWordByte)
	case c == '@':
		l.at++
		t := l.run(note, start, isWordByte)
		t.text = t.text[1:]
		return t
	case isDigit(c):
		return l.run(number, start, isWordByte)
	case c == '"' || c == '\'':
		return l.literal(start, c)
	}
	l.at++
	for _, long := range [...]string{"...", "<<", ">>", "==", "!=", "<=", ">=", "&&", "||"} {
		if strings.HasPrefix(l.src[start:], long) {
			l.at = start + len(long)
			break
		}
	}
	return token{kind: mark, text: l.src[start:l.at], at: start}
}

func (l *lexer) run(k kind, start int, member func(byte) bool) token {
	for l.at < len(l.src) && member(l.src[l.at]) {
		l.at++
	}
	return token{kind: k, text: l.src[start:l.at], at: start}
}

func (l *lexer) literal(start int, quote byte) token {
	for l.at++; l.at < len(l.src) && l.src[l.at] != '\n'; l.at++ {
		switch l.src[l.at] {
		case '\\':
			l.at++
		case quote:
			l.at++
			return token{kind: text, text: l.src[start:l.at], at: start}
		}
	}
	l.at = len(l.src)
	return token{kind: wrong, text: "literal without end", at: start}
}

// skip passes over blanks, comments and preprocessor lines.
func (l *lexer) skip() {
	for l.at < len(l.src) {
		rest := l.src[l.at:]
		switch {
		case rest[0] <= ' ':
			l.at++
		case strings.HasPrefix(rest, "/*@"):
			l.inNote = true
			l.at += 2
		case l.inNote && strings.HasPrefix(rest, "*/"):
			l.inNote = false
			l.at += 2
		case strings.HasPrefix(rest, "/*"):
			l.pass("*/")
		case strings.HasPrefix(rest, "//"):
			l.pass("\n")
		case rest[0] == '#' && l.lineStart():
			l.directive()
		case rest[0] == '\\' && len(rest) > 1 && (rest[1] == '\n' || rest[1] == '\r'):
			l.at += 2
		default:
			return
		}
	}
}

func (l *lexer) pass(stop string) {
	if i := strings.Index(l.src[l.at+2:], stop); i >= 0 {
		l.at += 2 + i + len(stop)
		return
	}
	l.at = len(l.src)
}

func (l *lexer) lineStart() bool {
	return strings.TrimLeft(l.src[strings.LastIndexByte(l.src[:l.at], '\n')+1:l.at], " \t") == ""
}

// directive passes over a preprocessor line with its continuations.
func (l *lexer) directive() {
	for l.at < len(l.src) {
		i := strings.IndexByte(l.src[l.at:], '\n')
		if i < 0 {
			l.at = len(l.src)
			return
		}
		line := strings.TrimRight(l.src[l.at:l.at+i], "\r")
		l.at += i + 1
		if !strings.HasSuffix(line, "\\") {
			return
		}
	}
}

func isLetter(c byte) bool {
	return c == '_' || c == '$' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}
func isDigit(c byte) bool    { return c >= '0' && c <= '9' }
func isWordByte(c byte) bool { return isLetter(c) || isDigit(c) }

// mistake is what a person wrote wrong, at a token.
func mistake(src string, at token, message string, hints ...string) *script.Diagnostic {
	width := max(len(at.text), 1)
	if at.kind == note {
		width++
	}
	return &script.Diagnostic{Code: "prototype", Message: message, Text: src,
		Span: script.Span{From: at.at, To: min(at.at+width, len(src))}, Hints: hints}
}
