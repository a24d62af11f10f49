package script

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quoted reads a string literal.
func (l *lexer) quoted() token {
	from := l.pos
	var b strings.Builder
	for l.pos++; ; {
		rest := l.src[l.pos:]
		switch {
		case rest == "" || rest[0] == '\n':
			l.fail(UnclosedString, Span{from, l.pos}, []string{`a string ends with " on its own line; a line end inside is \n`},
				"string is never closed")
		case rest[0] == '"':
			l.pos++
			return token{kind: tokString, text: b.String(), span: Span{from, l.pos}}
		case rest[0] == '\\':
			b.WriteByte(l.escape())
		default:
			b.WriteByte(rest[0])
			l.pos++
		}
	}
}

// character reads 'a' or '\n'; its value is the byte, or the code point of a longer character.
func (l *lexer) character() token {
	from := l.pos
	l.pos++
	var value int64
	if strings.HasPrefix(l.src[l.pos:], `\`) {
		value = int64(l.escape())
	} else {
		r, size := utf8.DecodeRuneInString(l.src[l.pos:])
		value = int64(r)
		l.pos += size
	}
	if !strings.HasPrefix(l.src[l.pos:], "'") || l.pos == from+1 || l.src[from+1] == '\'' || l.src[from+1] == '\n' {
		l.fail(UnclosedString, Span{from, l.pos}, []string{`one character stands between ', text between "`},
			"character literal does not hold one character")
	}
	l.pos++
	return token{kind: tokNumber, text: l.src[from:l.pos], value: value, span: Span{from, l.pos}}
}

// escape reads a backslash and what it stands for.
func (l *lexer) escape() byte {
	from := l.pos
	l.pos++
	if l.pos == len(l.src) {
		l.fail(UnclosedString, Span{from, l.pos}, nil, "text ends after a backslash")
	}
	c := l.src[l.pos]
	if c == 'x' {
		return l.escapeDigits(from, l.pos+1, 16, 2)
	}
	if '0' <= c && c <= '7' {
		return l.escapeDigits(from, l.pos, 8, 3)
	}
	l.pos++
	const letters, bytes = `abefnrtv\"'?/`, "\a\b\x1b\f\n\r\t\v\\\"'?/"
	i := strings.IndexByte(letters, c)
	if i < 0 {
		l.fail(BadEscape, Span{from, l.pos}, []string{`escapes are \n \t \r \\ \" \0 \x41; a backslash itself is \\`},
			`escape \%s has no meaning`, printable(string(c)))
	}
	return bytes[i]
}

// escapeDigits reads up to most digits of a byte's number at from.
func (l *lexer) escapeDigits(escape, from, base, most int) byte {
	end := from
	for end < len(l.src) && end < from+most {
		if _, err := strconv.ParseUint(l.src[end:end+1], base, 8); err != nil {
			break
		}
		end++
	}
	value, err := strconv.ParseUint(l.src[from:end], base, 8)
	l.pos = end
	if err != nil {
		l.fail(BadEscape, Span{escape, end}, []string{`a byte is \x00 to \xff or \0 to \377`}, "escape is not a byte")
	}
	return byte(value)
}

// quote writes a string literal that reads back as s.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == utf8.RuneError && size == 1, !unicode.IsPrint(r):
			for i := range size {
				b.WriteString(`\x` + string("0123456789abcdef"[s[i]>>4]) + string("0123456789abcdef"[s[i]&15]))
			}
		default:
			b.WriteRune(r)
		}
		s = s[size:]
	}
	b.WriteByte('"')
	return b.String()
}

// printable replaces what a terminal would act on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return utf8.RuneError
		}
		return r
	}, s)
}
