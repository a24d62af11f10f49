package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sonde-project/sonde/internal/render/prompt"
	"github.com/sonde-project/sonde/script"
)

// asker asks questions on standard error and reads the answers: on a terminal with completion, and what is known about an
// answer is shown while it is typed; else line by line.
type asker struct {
	world
	lines    *bufio.Reader
	terminal *prompt.Terminal // nil: none
}

func newAsker(w world) asker {
	t, ok := prompt.Open(w.in, w.err)
	if !ok || w.env("TERM") == "dumb" {
		t = nil
	}
	return asker{world: w, lines: bufio.NewReader(w.in), terminal: t}
}

// fill asks for an answer unless a flag gave it. With choices, an empty answer is the first, and only they are taken.
func (a asker) fill(flag string, answer *string, q prompt.Question, choices []string) error {
	if *answer != "" {
		return nil
	}
	if len(choices) > 0 {
		q.Text += " (" + strings.Join(choices, ", ") + ") [" + choices[0] + "]"
		q.Offers = func(text string) []string { return beginning(choices, text) }
		q.Verdict = func(text string) string {
			if len(beginning(choices, text)) == 0 {
				return "one of " + strings.Join(choices, ", ")
			}
			return ""
		}
	}
	for range 10 {
		line, err := a.ask(q)
		switch {
		case errors.Is(err, prompt.ErrInterrupted):
			return err
		case err != nil && line == "":
			return usage([]string{"sonde new --help lists the flags"}, "--%s is not given and nobody answers", flag)
		}
		if line == "" && len(choices) > 0 {
			line = choices[0]
		}
		if line != "" && (len(choices) == 0 || slices.Contains(choices, line)) {
			*answer = line
			return nil
		}
	}
	return usage(nil, "--%s is not given and no answer is one of %s", flag, strings.Join(choices, ", "))
}

func (a asker) ask(q prompt.Question) (string, error) {
	if a.terminal != nil {
		return a.terminal.Ask(q)
	}
	fmt.Fprintf(a.err, "%s: ", q.Text)
	line, err := a.lines.ReadString('\n')
	if errors.Is(err, io.EOF) && line == "" {
		fmt.Fprintln(a.err)
	}
	return strings.TrimSpace(line), err
}

func beginning(words []string, text string) []string {
	var out []string
	for _, w := range words {
		if strings.HasPrefix(w, text) {
			out = append(out, w)
		}
	}
	return out
}

// targetQuestion asks for a target.
func (w world) targetQuestion() prompt.Question {
	offers := func(text string) []string { return trimmed(w.candidates(text, nil), "", ":") }
	return prompt.Question{
		Text: "target (a library such as libc, a program, a path)", Offers: offers,
		Verdict: func(text string) string {
			if n := len(w.candidates(text+":", nil)); n > 0 {
				return fmt.Sprintf("%d functions", n)
			}
			if found := offers(text); len(found) > 0 {
				return several(found)
			}
			_, err := w.describe(text + ":main")
			return inShort(err)
		},
	}
}

// functionQuestion asks for a function of a target, whose names are read once.
func (w world) functionQuestion(target string) prompt.Question {
	var names []string
	read := false
	offers := func(text string) []string {
		if !read {
			names, read = trimmed(w.candidates(target+":", nil), target+":", ""), true
		}
		return beginning(names, text)
	}
	return prompt.Question{
		Text: "function in " + target, Offers: offers,
		Verdict: func(text string) string {
			found := offers(text)
			if len(found) > 0 && !slices.Contains(found, text) {
				return several(found)
			}
			f, err := w.describe(target + ":" + text)
			if err != nil {
				return inShort(err)
			}
			if f.Signature != "" {
				return f.Signature
			}
			return "found"
		},
	}
}

// several names a few of many.
func several(names []string) string {
	const few = 5
	text := strings.Join(names[:min(len(names), few)], " ")
	if len(names) > few {
		text += fmt.Sprintf(" and %d more", len(names)-few)
	}
	return text
}

// inShort is the hint of a mistake, or what it is.
func inShort(err error) string {
	var d *script.Diagnostic
	switch {
	case err == nil:
		return ""
	case errors.As(err, &d) && len(d.Hints) > 0:
		return d.Hints[0]
	case errors.As(err, &d):
		return d.Message
	}
	return err.Error()
}
