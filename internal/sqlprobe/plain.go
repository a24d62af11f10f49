package sqlprobe

import "strings"

// notPlain are the characters with which quotes, comments and parameters begin: in a text that has one, a number may be something else.
const notPlain = "\"'`\\$#@:[-/"

// plain appends a text with the numbers that a digest replaces all alike written as 1: texts that differ in nothing else have one digest, and programs
// that write numbers into their texts have it made once. Whole numbers are meant, between what cannot belong to them.
func plain(key []byte, text string) []byte {
	if strings.ContainsAny(text, notPlain) {
		return append(key, text...)
	}
	for i := 0; i < len(text); {
		end := i
		for end < len(text) && text[end] >= '0' && text[end] <= '9' {
			end++
		}
		switch {
		case end == i:
			key = append(key, text[i])
			i++
			continue
		case text[i] == '0' || i > 0 && !separates(text[i-1]) || end < len(text) && !separates(text[end]):
			key = append(key, text[i:end]...)
		default:
			key = append(key, '1')
		}
		i = end
	}
	return key
}

// separates reports whether a character ends a word or a number, and is no part of one.
func separates(c byte) bool { return strings.IndexByte(" \t\n\r(),;=<>+*", c) >= 0 }
