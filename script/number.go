package script

import (
	"math/bits"
	"strconv"
	"strings"
)

// number reads an integer: 10, 1_000, 0x1f, 0b101, 0o17, 017, 1e6, 10ULL, and durations in nanoseconds: 10ms,
// 1.5s. A fraction is fine as long as the result is whole.
func (l *lexer) number() token {
	from := l.pos
	fraction := false
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		point := c == '.' && !fraction && l.pos+1 < len(l.src) && isDigit(l.src[l.pos+1])
		if !point && !isDigit(c) && c != '_' && !('a' <= c|0x20 && c|0x20 <= 'z') {
			break
		}
		fraction = fraction || point
		l.pos++
	}
	word := l.src[from:l.pos]
	at := Span{from, l.pos}
	value, why := parseNumber(word)
	if why != "" {
		l.fail(BadNumber, at, numberHints(word), "%s is not a number: %s", word, why)
	}
	text := word
	if text == strconv.FormatInt(int64(value), 10) {
		text = ""
	}
	return token{kind: tokNumber, text: text, value: int64(value), span: at}
}

// numberHints guesses what a word that begins with a digit was meant to be.
func numberHints(word string) []string {
	digits := strings.TrimLeft(word, "0")
	if len(digits) < len(word) && strings.Trim(digits, "0123456789") == "" && digits != "" {
		return []string{"a leading 0 makes the number octal; decimal is " + digits}
	}
	if strings.Contains(word, ".") {
		return []string{"numbers are whole; a duration may have a fraction: 1.5ms"}
	}
	return []string{"numbers are 10, 0x1f, 0b101, 017, 1e6, 1_000; durations 10ns, 10us, 10ms, 10s, 10m, 10h, 10d"}
}

// parseNumber gives a number's 64 bits, or why it is none.
func parseNumber(word string) (value uint64, why string) {
	if strings.HasSuffix(word, "_") || strings.Contains(word, "__") {
		return 0, "an underscore stands between two digits"
	}
	word = strings.ReplaceAll(word, "_", "")
	base, digits := 10, word
	if len(word) > 1 && word[0] == '0' {
		switch word[1] | 0x20 {
		case 'x':
			base, digits = 16, word[2:]
		case 'b':
			base, digits = 2, word[2:]
		case 'o':
			base, digits = 8, word[2:]
		default:
			if isDigit(word[1]) && !strings.Contains(word, ".") {
				base, digits = 8, word[1:]
			}
		}
	}
	if base == 10 {
		return parseDecimal(word)
	}
	value, err := strconv.ParseUint(trimIntegerSuffix(digits), base, 64)
	return value, whyNot(err)
}

// trimIntegerSuffix removes C's u, l, ul, ll, ull.
func trimIntegerSuffix(digits string) string {
	lower := strings.ToLower(digits)
	for _, suffix := range [...]string{"ull", "ul", "ll", "u", "l"} {
		if strings.HasSuffix(lower, suffix) {
			return digits[:len(digits)-len(suffix)]
		}
	}
	return digits
}

func whyNot(err error) string {
	switch {
	case err == nil:
		return ""
	case strings.HasSuffix(err.Error(), strconv.ErrRange.Error()):
		return "it needs more than 64 bits"
	default:
		return "digits or unit unknown"
	}
}

// parseDecimal reads DIGITS[.DIGITS][eDIGITS][unit].
func parseDecimal(word string) (value uint64, why string) {
	digits := strings.TrimLeft(word, "0123456789.")
	mantissa := word[:len(word)-len(digits)]
	whole, fraction, _ := strings.Cut(mantissa, ".")
	exponent := -len(fraction)
	unit := digits
	if len(unit) > 1 && unit[0]|0x20 == 'e' && isDigit(unit[1]) {
		power := unit[1:]
		unit = strings.TrimLeft(power, "0123456789")
		n, err := strconv.Atoi(power[:len(power)-len(unit)])
		if err != nil || n > 19 {
			return 0, "it needs more than 64 bits"
		}
		exponent += n
	}
	scale, ok := unitScale(unit)
	if !ok {
		return 0, "digits or unit unknown"
	}
	value, err := strconv.ParseUint(whole+fraction, 10, 64)
	if err != nil {
		return 0, whyNot(err)
	}
	return scaled(value, scale, exponent)
}

// scaled is value * scale * 10^exponent, exactly.
func scaled(value, scale uint64, exponent int) (uint64, string) {
	high, low := bits.Mul64(value, scale)
	for ; exponent > 0 && high == 0; exponent-- {
		high, low = bits.Mul64(low, 10)
	}
	if high != 0 {
		return 0, "it needs more than 64 bits"
	}
	for ; exponent < 0; exponent++ {
		if low%10 != 0 {
			return 0, "it is not whole"
		}
		low /= 10
	}
	return low, ""
}

// unitScale is how many nanoseconds a unit has; a plain integer's scale is 1.
func unitScale(unit string) (uint64, bool) {
	switch unit {
	case "ns":
		return 1, true
	case "us":
		return 1e3, true
	case "ms":
		return 1e6, true
	case "s":
		return 1e9, true
	case "m":
		return 60e9, true
	case "h":
		return 3600e9, true
	case "d":
		return 24 * 3600e9, true
	}
	return 1, trimIntegerSuffix(unit) == ""
}
