package event

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// appendQuoted appends text or bytes as a string literal; what was cut ends with "..." after the closing quote.
func (v *Value) appendQuoted(b []byte, lang Language) []byte {
	before, after := "", ""
	if v.Kind == KindBytes {
		switch lang {
		case LangGo:
			before, after = "[]byte(", ")"
		case LangRust:
			before = "b"
		}
	}
	b = append(b, before...)
	text := v.Str
	if v.Truncated && v.Kind == KindString {
		text = wholeRunes(text)
	}
	if v.Kind == KindBytes && lang == LangRust {
		b = appendRustBytes(b, text)
	} else {
		b = appendLiteral(b, text, lang)
	}
	b = append(b, after...)
	if v.Truncated {
		b = append(b, "..."...)
	}
	return b
}

// appendRustBytes appends what follows the b of a byte string, which may hold ASCII and escapes of bytes only.
func appendRustBytes(b []byte, text string) []byte {
	b = append(b, '"')
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			b = appendByteEscape(b, c, LangRust)
		} else {
			b = appendEscaped(b, text[i:i+1], rune(c), '"', LangRust)
		}
	}
	return append(b, '"')
}

func appendLiteral(b []byte, text string, lang Language) []byte {
	if lang == LangGo {
		return strconv.AppendQuote(b, text)
	}
	b = append(b, '"')
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		b = appendEscaped(b, text[:n], r, '"', lang)
		text = text[n:]
	}
	return append(b, '"')
}

// appendEscaped appends one character (or stray byte) of a literal. C escapes are octal, because a hexadecimal one would
// swallow the digits after it.
func appendEscaped(b []byte, raw string, r rune, quote byte, lang Language) []byte {
	switch {
	case quote != 0 && r == rune(quote) || r == '\\':
		return append(b, '\\', byte(r))
	case r == '\n':
		return append(b, '\\', 'n')
	case r == '\t':
		return append(b, '\\', 't')
	case r == '\r':
		return append(b, '\\', 'r')
	case (r != utf8.RuneError || len(raw) > 1) && unicode.IsPrint(r):
		return append(b, raw...)
	case lang == LangRust && (r != utf8.RuneError || len(raw) > 1):
		return append(strconv.AppendInt(append(b, `\u{`...), int64(r), 16), '}')
	}
	for i := range len(raw) {
		b = appendByteEscape(b, raw[i], lang)
	}
	return b
}

func appendByteEscape(b []byte, c byte, lang Language) []byte {
	if lang == LangRust {
		const digits = "0123456789abcdef"
		return append(b, '\\', 'x', digits[c>>4], digits[c&15])
	}
	return append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
}

// appendChar appends a character literal. A C char holds a byte, a rune of Go, Rust or C++ a code point.
func appendChar(b []byte, v *Value, lang Language) []byte {
	if lang == LangGo {
		return strconv.AppendQuoteRune(b, rune(v.Int))
	}
	b = append(b, '\'')
	switch {
	case v.Int == 0 && lang != LangRust:
		b = append(b, '\\', '0')
	case v.Size <= 1 && (v.Int < 0 || v.Int > 0x7f):
		b = appendByteEscape(b, byte(v.Int), lang)
	default:
		r := rune(v.Int)
		b = appendEscaped(b, string(r), r, '\'', lang)
	}
	return append(b, '\'')
}
