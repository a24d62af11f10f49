package sqlstat

import (
	"strings"
	"unicode/utf8"

	"github.com/sonde-project/sonde/internal/sqlprobe"
)

// beyond is the text of a statement that begins behind what was captured of its text.
const beyond = "(behind what was captured)"

// several is a text that may hold more than one statement, and which of them has its turn.
type several struct {
	statementText
	system string
	parts  []sqlprobe.Part
	parted bool
	turn   int
}

func severalOf(system string, t statementText) *several {
	return &several{statementText: t, system: system}
}

// list parts the text when that is first needed.
func (s *several) list() []sqlprobe.Part {
	if !s.parted && s.known {
		s.parts, s.parted = sqlprobe.Parts(s.system, s.text), true
	}
	return s.parts
}

// begins says where the statement that has its turn begins, if that is known: the one before it ends there.
func (s *several) begins(at int) {
	parts := s.list()
	if s.turn == 0 || s.turn > len(parts) || at >= len(s.text) || s.turn < len(parts) && at >= parts[s.turn].From && blank(s.text[parts[s.turn].From:at]) {
		return
	}
	parts[s.turn-1].To = len(strings.TrimRight(s.text[:at], "; \t\r\n"))
	s.parts = parts[:s.turn]
	for _, p := range sqlprobe.Parts(s.system, s.text[at:]) {
		s.parts = append(s.parts, sqlprobe.Part{From: at + p.From, To: at + p.To})
	}
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }

// ends says that nothing follows the statement that has its turn.
func (s *several) ends() {
	if parts := s.list(); s.turn < len(parts)-1 {
		parts[s.turn].To = parts[len(parts)-1].To
		s.parts = parts[:s.turn+1]
	}
}

// more says whether another statement follows, or may follow behind what was captured.
func (s *several) more() bool { return s.turn+1 < len(s.list()) || s.cut }

// whole says whether the text is but one statement, and maybe a semicolon.
func (s *several) whole() bool {
	parts := s.list()
	return len(parts) == 0 || len(parts) == 1 && parts[0].From == 0 && len(strings.TrimRight(s.text, " \t\r\n"))-parts[0].To <= 1
}

// statement is the text of the one that has its turn.
func (s *several) statement() statementText {
	parts := s.list()
	switch {
	case !s.known || s.turn == 0 && s.whole():
		return s.statementText
	case s.turn >= len(parts):
		return statementText{text: beyond, cut: true}
	}
	p := parts[s.turn]
	return statementText{text: strings.TrimSpace(s.text[p.From:p.To]), cut: s.cut && s.turn == len(parts)-1, known: true}
}

// fails gives the turn to the statement that stands at a place in the text, where an error was found before any of them was executed.
func (s *several) fails(at int) {
	for i, p := range s.list() {
		if p.From <= at {
			s.turn = i
		}
	}
}

// errorAt is where an error stands that libpq's message points at in the text, by two lines below the message:
//
//	LINE 1: ...t 1; selec 2
//	                ^
//
// The first line may be cut on either side. 0 when it points nowhere.
func (s *several) errorAt(message string) int {
	lines := strings.Split(message, "\n")
	for i := 1; i+1 < len(lines); i++ {
		prefix, shown, found := strings.Cut(lines[i], ": ")
		column := strings.TrimRight(lines[i+1], " ")
		if !found || strings.TrimLeft(column, " ") != "^" {
			continue
		}
		at := len(column) - 1 - utf8.RuneCountInString(prefix) - len(": ")
		shown, isCut := strings.CutPrefix(shown, "...")
		if isCut {
			at -= len("...")
		}
		if from := strings.Index(s.text, strings.TrimSuffix(shown, "...")); from >= 0 && at >= 0 {
			return from + offset(s.text[from:], at+1)
		}
	}
	return 0
}
