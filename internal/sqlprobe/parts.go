package sqlprobe

import "strings"

// Part is one statement of a text: where it stands in it.
type Part struct{ From, To int }

// Parts are the statements of a text, those that a server executes one by one: what semicolons part, but for those inside of strings, names,
// comments, parentheses (rules) and the bodies of routines. What holds nothing but comments is no statement. There is none in an empty text.
func Parts(system, text string) []Part {
	if at := strings.IndexByte(text, ';'); at < 0 || strings.TrimSpace(text[at+1:]) == "" && strings.TrimSpace(text[:max(at, 0)]) != "" {
		end := len(text)
		if at >= 0 {
			end = at
		}
		if one := (Part{0, end}); holds(system, text[:end]) {
			return []Part{one}
		}
		return nil
	}
	s := parting{system: system, text: text}
	for s.at < len(text) {
		s.next()
	}
	s.end()
	return s.parts
}

// holds says whether a text without semicolon is more than comments.
func holds(system, text string) bool {
	s := parting{system: system, text: text}
	for s.at < len(text) && !s.some {
		s.next()
	}
	return s.some
}

// parting is a pass over a text.
type parting struct {
	system, text string
	at           int
	parts        []Part
	from         int  // where the statement begins
	some         bool // it has more than comments
	parentheses  int
	words        words
}

func (s *parting) next() {
	rest := s.text[s.at:]
	c := rest[0]
	if n := s.comment(rest); n > 0 {
		s.at += n
		return
	}
	switch {
	case c <= ' ':
		s.at++
		return
	case c == ';' && s.parentheses <= 0 && s.words.depth <= 0:
		s.end()
		s.at++
		s.from = s.at
		return
	case c == '\'' || c == '"' || c == '`' && s.system != PostgreSQL:
		s.at += (&quotes{escapes: s.escapes(c)}).closing(rest)
	case c == '$' && s.system == PostgreSQL && dollarQuoted(rest) > 0:
		s.at += dollarQuoted(rest)
	case wordByte(c):
		n := 1
		for n < len(rest) && wordByte(rest[n]) {
			n++
		}
		if s.parentheses <= 0 {
			s.words.add(strings.ToUpper(rest[:n]))
		}
		s.at += n
	default:
		switch c {
		case '(':
			s.parentheses++
		case ')':
			s.parentheses--
		}
		s.at++
	}
	s.some = true
}

// end ends a statement.
func (s *parting) end() {
	if s.some {
		s.parts = append(s.parts, Part{s.from, s.at})
	}
	s.some, s.parentheses, s.words = false, 0, words{}
}

// escapes says whether a backslash takes the meaning from a quote in the string that begins here: PostgreSQL has that in E'...' only.
func (s *parting) escapes(quote byte) bool {
	if s.system == PostgreSQL {
		return quote == '\'' && s.at > 0 && s.text[s.at-1]|0x20 == 'e' && (s.at == 1 || !wordByte(s.text[s.at-2]))
	}
	return s.system == MySQL
}

// comment is the length of the comment that begins here, 0 when none does. What MySQL executes of a comment is none.
func (s *parting) comment(rest string) int {
	mysql := s.system == MySQL
	switch {
	case mysql && rest[0] == '#', strings.HasPrefix(rest, "--") && (!mysql || len(rest) == 2 || rest[2] <= ' '):
		return until(rest, "\n")
	case mysql && (strings.HasPrefix(rest, "/*!") || strings.HasPrefix(rest, "/*M!")):
		s.some = true
		return until(rest, "*/")
	case !strings.HasPrefix(rest, "/*"):
		return 0
	case s.system != PostgreSQL:
		return until(rest, "*/")
	}
	for n, depth := 2, 1; n < len(rest); {
		switch {
		case strings.HasPrefix(rest[n:], "/*"):
			depth++
			n += 2
		case strings.HasPrefix(rest[n:], "*/"):
			n += 2
			if depth--; depth == 0 {
				return n
			}
		default:
			n++
		}
	}
	return len(rest)
}

// dollarQuoted is the length of the text between $tag$ and $tag$ that begins here, 0 when none does.
func dollarQuoted(rest string) int {
	n := 1
	for n < len(rest) && rest[n] != '$' && wordByte(rest[n]) && (n > 1 || !digit(rest[n])) {
		n++
	}
	if n == len(rest) || rest[n] != '$' {
		return 0
	}
	tag := rest[:n+1]
	return len(tag) + until(rest[len(tag):], tag)
}

// words are those of a statement outside of parentheses, as far as they tell whether a semicolon ends it: the body of a routine is from BEGIN to
// its END, and MariaDB's compound statement is one without a routine.
type words struct {
	first, last string
	routine     bool
	depth       int
}

func (w *words) add(word string) {
	switch word {
	case "FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "PACKAGE":
		w.routine = w.routine || w.first == "CREATE"
	case "BEGIN":
		if w.routine {
			w.depth++
		}
	case "NOT":
		if w.first == "BEGIN" && w.last == "BEGIN" && w.depth == 0 {
			w.routine, w.depth = true, 1
		}
	case "CASE":
		if w.depth > 0 && w.last != "END" {
			w.depth++
		}
	case "END":
		if w.depth > 0 {
			w.depth--
		}
	case "IF", "LOOP", "WHILE", "REPEAT", "FOR": // END IF ends what opened nothing
		if w.routine && w.last == "END" {
			w.depth++
		}
	}
	if w.first == "" {
		w.first = word
	}
	w.last = word
}
