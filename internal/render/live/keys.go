package live

import (
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// moved is where a key moves to from a row; page is how many rows a page has.
func moved(at int, key string, page int) int {
	switch key {
	case "up", "k":
		return at - 1
	case "down", "j":
		return at + 1
	case "pgup":
		return at - page
	case "pgdown":
		return at + page
	case "home", "g":
		return 0
	case "end", "G":
		return 1 << 30
	}
	return at
}

// edited is a filter after a key, and whether it is still being typed.
func edited(filter string, key tea.KeyPressMsg) (string, bool) {
	switch key.String() {
	case "enter":
		return filter, false
	case "esc", "ctrl+c":
		return "", false
	case "backspace":
		_, n := utf8.DecodeLastRuneInString(filter)
		return filter[:len(filter)-n], true
	}
	return filter + key.Key().Text, true
}

type size struct{ width, height int }

// drawn is a screen of a title, a body, and help on its last lines, cut to its size.
func drawn(title string, body, help []string, s size) tea.View {
	lines := append(make([]string, 0, s.height), cut(title, s.width))
	lines = append(lines, body...)
	for len(lines) < s.height-len(help) {
		lines = append(lines, "")
	}
	for _, l := range help {
		lines = append(lines, cut(l, s.width))
	}
	if s.height > 0 && len(lines) > s.height {
		lines = lines[:s.height]
	}
	view := tea.NewView(strings.Join(lines, "\n"))
	view.AltScreen = true
	return view
}

// cut keeps a line on one line of the screen.
func cut(line string, width int) string {
	if runes := []rune(line); len(runes) > width {
		return string(runes[:width])
	}
	return line
}

// filled puts words on as few lines as hold them.
func filled(words []string, width int) []string {
	var lines []string
	for _, word := range words {
		if n := len(lines); n > 0 && utf8.RuneCountInString(lines[n-1])+2+utf8.RuneCountInString(word) <= width {
			lines[n-1] += "  " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}
