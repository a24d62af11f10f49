package event

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Directive is one verb of a printf format with the literal text before it. The last one of a format may be text only,
// with Verb 0.
type Directive struct {
	Literal string
	Flags   string // of "-+ #0"
	Width   int    // 0 none
	Prec    int    // -1 none
	Verb    byte   // d i u x X o p c s r f g e b, or 0
}

// maxWidth bounds what a format can ask for.
const maxWidth = 4096

// Directives splits a C format. Length modifiers (l, ll, h, z, ...) mean nothing here: a value knows its size. "%%" is
// literal text.
func Directives(format string) ([]Directive, error) {
	var all []Directive
	var literal strings.Builder
	for len(format) > 0 {
		at := strings.IndexByte(format, '%')
		if at < 0 {
			literal.WriteString(format)
			break
		}
		literal.WriteString(format[:at])
		format = format[at+1:]
		if strings.HasPrefix(format, "%") {
			literal.WriteByte('%')
			format = format[1:]
			continue
		}
		d, rest, err := directive(format)
		if err != nil {
			return nil, err
		}
		d.Literal = literal.String()
		literal.Reset()
		all, format = append(all, d), rest
	}
	if literal.Len() > 0 {
		all = append(all, Directive{Literal: literal.String(), Prec: -1})
	}
	return all, nil
}

// directive reads one directive after its percent sign.
func directive(text string) (Directive, string, error) {
	d := Directive{Prec: -1}
	rest := after(text, "-+ #0")
	d.Flags = text[:len(text)-len(rest)]
	d.Width, rest = number(rest)
	if strings.HasPrefix(rest, ".") {
		d.Prec, rest = number(rest[1:])
	}
	rest = after(rest, "hlqjztL")
	if rest == "" {
		return d, "", fmt.Errorf("%%%s: no verb at the end of the format", text)
	}
	if strings.IndexByte("diuxXopcsrfgebB", rest[0]) < 0 {
		return d, "", fmt.Errorf("%%%s: unknown verb %q", text[:len(text)-len(rest)+1], rest[0])
	}
	d.Verb = rest[0]
	if d.Width > maxWidth || d.Prec > maxWidth {
		return d, "", fmt.Errorf("%%%s: wider than %d", text[:len(text)-len(rest)+1], maxWidth)
	}
	return d, rest[1:], nil
}

// after is a text without the bytes of a set that it begins with.
func after(text, set string) string {
	for len(text) > 0 && strings.IndexByte(set, text[0]) >= 0 {
		text = text[1:]
	}
	return text
}

func number(text string) (int, string) {
	rest := after(text, "0123456789")
	digits := text[:len(text)-len(rest)]
	if digits == "" {
		return 0, rest
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		n = maxWidth + 1
	}
	return n, rest
}

// Text gives what a printf prints, and for a print(value) the value. A missing value says why, whatever its verb; a value
// more than the format has verbs is left out, a verb more than there are values prints nothing.
func (p *Print) Text() string { return string(p.AppendText(nil)) }

// AppendText appends Text.
func (p *Print) AppendText(b []byte) []byte {
	if p.Format == "" && len(p.Args) == 1 {
		return append(b, p.Args[0].plain(p.Language)...)
	}
	before, args := len(b), p.Args
	for format := p.Format; ; {
		at := strings.IndexByte(format, '%')
		if at < 0 {
			return append(b, format...)
		}
		b, format = append(b, format[:at]...), format[at+1:]
		if strings.HasPrefix(format, "%") {
			b, format = append(b, '%'), format[1:]
			continue
		}
		d, rest, err := directive(format)
		if err != nil {
			return append(b[:before], p.Format...)
		}
		if format = rest; len(args) > 0 {
			b, args = d.append(b, &args[0], p.Language), args[1:]
		}
	}
}

// append writes a value. Most numbers and texts are written as they are.
func (d *Directive) append(b []byte, v *Value, lang Language) []byte {
	if d.Width == 0 && d.Prec < 0 && d.Flags == "" && v.Problem == "" {
		switch {
		case (d.Verb == 'd' || d.Verb == 'i') && v.scalar():
			return strconv.AppendInt(b, int64(v.Bits()), 10)
		case d.Verb == 's' && v.Kind == KindString && !v.Truncated && simple(v.Str):
			return append(b, v.Str...)
		}
	}
	return append(b, d.pad(d.format(v, lang))...)
}

// simple reports text of which every byte is a character that can be printed.
func simple(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < ' ' || c > '~') && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// plain is the value as a script prints it: text without quotes, anything else as Text has it.
func (v *Value) plain(lang Language) string {
	if v.Problem == "" && (v.Kind == KindString || v.Kind == KindChar && lang == LangUnknown) {
		return v.printable()
	}
	return v.Text(lang)
}

// printable is the raw text with control characters escaped, line breaks and tabs excepted: what an observed program
// holds must not steer the terminal.
func (v *Value) printable() string {
	text := v.Str
	if v.Kind == KindChar {
		text = string(rune(v.Int))
	}
	if v.Truncated {
		text = wholeRunes(text) + "..."
	}
	if strings.IndexFunc(text, steers) < 0 && utf8.ValidString(text) {
		return text
	}
	var b []byte
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && n == 1 || steers(r) {
			b = appendEscaped(b, text[:n], r, 0, LangC)
		} else {
			b = append(b, text[:n]...)
		}
		text = text[n:]
	}
	return string(b)
}

func steers(r rune) bool { return r != '\n' && r != '\t' && unicode.IsControl(r) }

func (d *Directive) format(v *Value, lang Language) string {
	if v.Problem != "" {
		return v.Text(lang)
	}
	switch d.Verb {
	case 's':
		text := v.plain(lang)
		if d.Prec >= 0 && d.Prec < len(text) {
			text = wholeRunes(text[:d.Prec])
		}
		return text
	case 'r':
		return v.Text(lang)
	case 'f', 'g', 'e':
		return d.float(v)
	}
	return d.integer(v, lang)
}

func (d *Directive) float(v *Value) string {
	prec := d.Prec
	if prec < 0 {
		prec = 6
	}
	f := v.Float
	if v.Kind != KindFloat {
		f = float64(int64(v.Bits()))
	}
	return strconv.FormatFloat(f, d.Verb, prec, 64)
}

func (d *Directive) integer(v *Value, lang Language) string {
	if !v.scalar() {
		return v.plain(lang)
	}
	bits := v.Bits()
	switch d.Verb {
	case 'd', 'i':
		return d.sign(strconv.FormatInt(int64(bits), 10))
	case 'c':
		return (&Value{Kind: KindChar, Int: int64(bits)}).printable()
	case 'p':
		return "0x" + strconv.FormatUint(bits, 16)
	}
	if v.Size > 0 && v.Size < 8 {
		bits &= 1<<(8*v.Size) - 1
	}
	text := strconv.FormatUint(bits, map[byte]int{'u': 10, 'x': 16, 'X': 16, 'o': 8, 'b': 2, 'B': 2}[d.Verb])
	for len(text) < d.Prec {
		text = "0" + text
	}
	switch {
	case d.Verb == 'X':
		text = strings.ToUpper(text)
		fallthrough
	case d.Verb == 'x':
		if strings.Contains(d.Flags, "#") {
			text = "0" + string(d.Verb) + text
		}
	}
	return text
}

func (d *Directive) sign(text string) string {
	digits := strings.TrimPrefix(text, "-")
	minus := text[:len(text)-len(digits)]
	for len(digits) < d.Prec {
		digits = "0" + digits
	}
	switch {
	case minus != "":
	case strings.Contains(d.Flags, "+"):
		minus = "+"
	case strings.Contains(d.Flags, " "):
		minus = " "
	}
	return minus + digits
}

func (d *Directive) pad(text string) string {
	missing := d.Width - utf8.RuneCountInString(text)
	switch {
	case missing <= 0:
		return text
	case strings.Contains(d.Flags, "-"):
		return text + strings.Repeat(" ", missing)
	case strings.Contains(d.Flags, "0") && strings.IndexByte("diuxXofge", d.Verb) >= 0:
		digits := strings.TrimLeft(text, "+- ")
		return text[:len(text)-len(digits)] + strings.Repeat("0", missing) + digits
	}
	return strings.Repeat(" ", missing) + text
}

// scalar reports whether the value is one number.
func (v *Value) scalar() bool {
	switch v.Kind {
	case KindInt, KindUint, KindBool, KindChar, KindEnum, KindFlags, KindPointer, KindNil, KindDuration, KindTime, KindFloat:
		return true
	}
	return false
}

// Bits is the number that a scalar is, as 64 bits: extended by its own sign.
func (v *Value) Bits() uint64 {
	switch v.Kind {
	case KindUint, KindBool, KindFlags, KindPointer:
		return v.Uint
	case KindFloat:
		return uint64(int64(v.Float))
	}
	return uint64(v.Int)
}
