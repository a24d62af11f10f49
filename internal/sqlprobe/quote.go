package sqlprobe

import "strings"

// legible is a statement as the lexer understands it. Double-quoted text that stands where a value stands becomes single-quoted: in MySQL's SQL it is
// a string, in standard SQL a name, and in SQLite a string when there is no such name; where the system leaves that open, a name in place of
// a value is better lost than a value shown. And a sign between two operands is parted from the second one, which is no negative literal.
func legible(system, text string) string {
	named := system == MySQL || system == PostgreSQL || !strings.Contains(text, `"`)
	if named && !strings.ContainsAny(text, "+-") {
		return text
	}
	s := quotes{text: text, named: named, escapes: system != SQLite3}
	for s.at < len(text) {
		s.next()
	}
	return s.out.String()
}

// quotes is a pass over a statement.
type quotes struct {
	text    string
	named   bool // double quotes stay as they are
	escapes bool // a backslash takes the meaning from a quote
	at      int
	out     strings.Builder
	before  string // the last word, in capitals, or sign
	values  bool   // VALUES was seen: what is quoted from here on is a value
	list    bool   // inside of IN (...)
}

func (s *quotes) next() {
	rest := s.text[s.at:]
	c := rest[0]
	switch {
	case c == '"' && s.named:
		s.copy(s.closing(rest))
		s.before = `"`
	case c == '"':
		s.quoted(rest[:s.closing(rest)])
	case c == '\'' || c == '`':
		s.copy(s.closing(rest))
		s.before = "'"
	case strings.HasPrefix(rest, "--"):
		s.copy(until(rest, "\n"))
	case strings.HasPrefix(rest, "/*"):
		s.copy(until(rest, "*/"))
	case wordByte(c):
		n := 1
		for n < len(rest) && wordByte(rest[n]) {
			n++
		}
		s.before = strings.ToUpper(rest[:n])
		s.values = s.values || s.before == "VALUES"
		s.list = s.list && s.before != "SELECT"
		s.copy(n)
	case (c == '+' || c == '-') && len(rest) > 1 && digit(rest[1]) && s.operand():
		s.copy(1)
		s.out.WriteByte(' ')
		s.before = string(c)
	default:
		if c > ' ' {
			s.list = c == '(' && s.before == "IN" || s.list && c != ')'
			s.before = string(c)
		}
		s.copy(1)
	}
}

// quoted takes a text in double quotes.
func (s *quotes) quoted(token string) {
	follows := strings.TrimLeft(s.text[s.at+len(token):], " \t\r\n")
	if s.before == "." || strings.HasPrefix(follows, ".") || !s.value() {
		s.copy(len(token))
		s.before = `"`
		return
	}
	inner := strings.TrimSuffix(token[1:], `"`)
	s.out.WriteString("'" + strings.ReplaceAll(strings.ReplaceAll(inner, `""`, `"`), "'", "''") + "'")
	s.at += len(token)
	s.before = "'"
}

// value says whether a value is expected here.
func (s *quotes) value() bool {
	switch s.before {
	case "=", "<", ">", "|", "+", "-", "/", "%", "LIKE", "GLOB", "REGEXP", "RLIKE", "ILIKE", "MATCH", "BETWEEN", "THEN", "ELSE", "WHEN", "RETURN":
		return true
	}
	return s.values || s.list
}

// operand says whether what stands before may be one, so that a sign here is an operator.
func (s *quotes) operand() bool {
	switch s.before {
	case "":
		return false
	case "'", `"`, ")", "]", "?":
		return true
	case "SELECT", "DISTINCT", "ALL", "WHERE", "HAVING", "ON", "AND", "OR", "XOR", "NOT", "IN", "IS", "BETWEEN", "LIKE", "CASE", "WHEN", "THEN", "ELSE", "LIMIT",
		"OFFSET", "VALUES", "SET", "BY", "AS", "RETURN", "RETURNING", "DEFAULT", "INTERVAL", "DIV", "MOD", "FETCH", "NEXT", "FIRST", "START", "WITH", "TO", "FROM":
		return false
	}
	exponent := digit(s.before[0]) && !strings.HasPrefix(s.before, "0X") && strings.HasSuffix(s.before, "E") && s.text[s.at-1]|0x20 == 'e'
	return wordByte(s.before[0]) && !exponent
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func (s *quotes) copy(n int) {
	s.out.WriteString(s.text[s.at : s.at+n])
	s.at += n
}

// closing is the length of the quoted text that begins here, doubled and escaped quotes included; all of it when it was cut.
func (s *quotes) closing(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && text[0] != '`' && s.escapes:
			i++
		case text[i] != text[0]:
		case i+1 < len(text) && text[i+1] == text[0]:
			i++
		default:
			return i + 1
		}
	}
	return len(text)
}

func until(text, end string) int {
	if i := strings.Index(text, end); i >= 0 {
		return i + len(end)
	}
	return len(text)
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || digit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
