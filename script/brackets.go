package script

import "strings"

// matching finds the bracket that closes the one at from, on the same line and with all brackets of its kind
// balanced in between; -1 when there is none. "->" and operator> close nothing.
func matching(src string, from int) int {
	const opens, closes = "([<{", ")]>}"
	open := src[from]
	end := closes[strings.IndexByte(opens, open)]
	depth := 0
	for i := from; i < len(src) && i < from+maxPoint; i++ {
		switch src[i] {
		case '\n':
			return -1
		case open:
			depth++
		case end:
			if end == '>' && (src[i-1] == '-' || strings.HasSuffix(src[:i], "operator")) {
				continue
			}
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// pointEnd cuts a function's or static probe's point out of a script: from behind its type to the blank, comma, "{"
// or "/" that ends it. Quotes, regular expressions and a function's balanced brackets, as in f(int, char), hold their
// content together.
func (p *parser) pointEnd(kind PointKind) int {
	src := p.src
	part := p.pos // where the current part began
	parts := 0
	for i := p.pos; ; i++ {
		if i-p.pos > maxPoint {
			p.fail(TooLong, Span{p.pos, p.pos + 80}, nil, "probe is longer than %d bytes", maxPoint)
		}
		if i >= len(src) || strings.IndexByte(" \t\r\n,", src[i]) >= 0 {
			return p.beforePredicate(part, i, parts)
		}
		switch src[i] {
		case '"':
			if i == part {
				l := lexer{src: src, pos: i}
				l.quoted()
				i = l.pos - 1
			}
		case '/':
			if i == part && parts == 1 && kind != USDT {
				return p.regexpPoint(i)
			}
		case ':':
			if strings.HasPrefix(src[i+1:], ":") && !strings.HasPrefix(src[i+1:], "::") {
				i++
				continue
			}
			part, parts = i+1, parts+1
		case '{':
			end := -1
			if i > p.pos && src[i-1] == ':' {
				end = matching(src, i)
			}
			if end < 0 {
				return p.beforePredicate(part, i, parts)
			}
			i = end
		case '(', '[', '<':
			if parts == 0 || kind == USDT {
				continue
			}
			if end := matching(src, i); end >= 0 && !strings.HasSuffix(strings.TrimSuffix(src[p.pos:i], "<"), "operator") {
				i = end
			}
		}
	}
}

// regexpPoint is the end of a point whose function is a regular expression that begins at from.
func (p *parser) regexpPoint(from int) int {
	if end := regexpEnd(p.src, from); end >= 0 {
		return end
	}
	p.fail(BadRegexp, Span{from, from + lineLength(p.src[from:])}, []string{`a regular expression ends with "/"; a slash inside is \/`},
		"regular expression is never closed")
	return 0
}

// beforePredicate moves the end of a point back when a predicate follows without a blank: f/pid==1/ {. Go's names
// hold slashes, so the first slash ends the function only if what follows could not stand behind a point.
func (p *parser) beforePredicate(part, end, parts int) int {
	slash := strings.IndexByte(p.src[part:end], '/')
	if parts == 0 || slash < 1 {
		return end
	}
	behind := lexer{src: p.src, pos: end}
	behind.blank()
	rest := p.src[behind.pos:]
	follows := rest == "" || strings.IndexByte(",{/", rest[0]) >= 0
	if follows && p.src[end-1] != '/' {
		return end
	}
	return part + slash
}
