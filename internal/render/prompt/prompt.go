// Package prompt asks for lines on a terminal, completes them and says what is known about them while they are typed.
//
// In: a terminal, and questions with their offers and verdicts. Out: the answers. Invariant: the terminal is left as it was found,
// also when the answer is an interruption. It must not know what is asked for.
package prompt

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Question is a line to be asked for.
type Question struct {
	Text string
	// Offers gives what the text can go on as, whole lines; nil: nothing is known.
	Offers func(text string) []string
	// Verdict says what is known about the text as it stands, in few words; nil: nothing.
	Verdict func(text string) string
}

// ErrInterrupted says that the answer was Ctrl-C.
var ErrInterrupted = errors.New("interrupted")

// Terminal is where questions are asked. What was typed ahead answers the next one.
type Terminal struct {
	in, out *os.File
	ahead   []byte
}

// Open gives the terminal that a file is, written to through another; ok is false when the first is none.
func Open(in, out *os.File) (t *Terminal, ok bool) {
	if in == nil || !term.IsTerminal(int(in.Fd())) {
		return nil, false
	}
	if out == nil || !term.IsTerminal(int(out.Fd())) {
		out = in
	}
	return &Terminal{in: in, out: out}, true
}

// Ask asks one question. The error is io.EOF when nobody answers.
func (t *Terminal) Ask(q Question) (string, error) {
	back, err := raw(int(t.in.Fd()))
	if err != nil {
		return "", err
	}
	defer back()
	l := &line{t: t, q: q}
	answer, err := l.edit()
	io.WriteString(t.out, "\r\n")
	return answer, err
}

// raw lets keys come one by one, Ctrl-C among them; what is written stays as it is.
func raw(fd int) (back func(), err error) {
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	mode := *before
	mode.Lflag &^= unix.ICANON | unix.ECHO | unix.ISIG | unix.IEXTEN
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &mode); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil
}

// pause is how long no key has to come before what is known is looked up: nobody waits for it while typing.
const pause = 60 * time.Millisecond

// idle reports whether no key comes for a while.
func (t *Terminal) idle() bool {
	if len(t.ahead) > 0 {
		return false
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(t.in.Fd()), Events: unix.POLLIN}}, int(pause.Milliseconds()))
	return n == 0 && err == nil
}

// key reads one key: a rune, or 0 for one that writes nothing, such as an arrow.
func (t *Terminal) key() (rune, error) {
	if len(t.ahead) == 0 {
		b := make([]byte, 256)
		n, err := t.in.Read(b)
		if n == 0 {
			if err == nil || errors.Is(err, unix.EIO) {
				err = io.EOF
			}
			return 0, err
		}
		t.ahead = b[:n]
	}
	if t.ahead[0] == escape {
		t.ahead = t.ahead[sequence(t.ahead):]
		return 0, nil
	}
	r, n := utf8.DecodeRune(t.ahead)
	t.ahead = t.ahead[n:]
	return r, nil
}

const (
	ctrlC     = 3
	ctrlD     = 4
	backspace = 8
	ctrlU     = 21
	ctrlW     = 23
	escape    = 27
	del       = 127
)

// sequence is the length of an escape sequence (ECMA-48, 5.4): ESC [ ... and a final letter, or ESC and one byte.
func sequence(b []byte) int {
	if len(b) < 2 || b[1] != '[' && b[1] != 'O' {
		return min(2, len(b))
	}
	for i := 2; i < len(b); i++ {
		if b[i] >= '@' && b[i] <= '~' {
			return i + 1
		}
	}
	return len(b)
}

// line is an answer while it is typed.
type line struct {
	t    *Terminal
	q    Question
	text string
	said string // the verdict that is shown
}

func (l *line) edit() (string, error) {
	l.draw()
	for {
		if l.text != "" && l.said == "" && l.q.Verdict != nil && l.t.idle() {
			l.said = l.q.Verdict(l.text)
			l.draw()
		}
		k, err := l.t.key()
		if err != nil {
			return "", err
		}
		switch {
		case k == '\r' || k == '\n':
			l.said = ""
			l.draw()
			return strings.TrimSpace(l.text), nil
		case k == ctrlC:
			return "", ErrInterrupted
		case k == ctrlD && l.text == "":
			return "", io.EOF
		case k == '\t':
			l.complete()
		default:
			l.change(k)
		}
		l.draw()
	}
}

// change edits the text, of which nothing is known then.
func (l *line) change(k rune) {
	before := l.text
	switch {
	case k == backspace || k == del:
		_, n := utf8.DecodeLastRuneInString(l.text)
		l.text = l.text[:len(l.text)-n]
	case k == ctrlU:
		l.text = ""
	case k == ctrlW:
		l.text = l.text[:strings.LastIndexByte(strings.TrimRight(l.text, " "), ' ')+1]
	case k >= ' ' && k != utf8.RuneError:
		l.text += string(k)
	}
	if l.text != before {
		l.said = ""
	}
}

// listed bounds how many offers are listed.
const listed = 24

// complete goes on as far as all offers agree, and lists them where they part.
func (l *line) complete() {
	if l.q.Offers == nil {
		return
	}
	offers := l.q.Offers(l.text)
	if len(offers) == 0 {
		return
	}
	if common := prefix(offers); len(common) > len(l.text) && strings.HasPrefix(common, l.text) {
		l.text, l.said = common, ""
		return
	}
	if len(offers) == 1 {
		return
	}
	list := strings.Join(offers[:min(len(offers), listed)], "  ")
	if len(offers) > listed {
		list += "  ..."
	}
	io.WriteString(l.t.out, "\r\n"+clean(list)+"\r\n")
}

// prefix is what all words begin with.
func prefix(words []string) string {
	common := words[0]
	for _, w := range words[1:] {
		n := 0
		for n < len(common) && n < len(w) && common[n] == w[n] {
			n++
		}
		common = common[:n]
	}
	for !utf8.ValidString(common) {
		common = common[:len(common)-1]
	}
	return common
}

// draw writes the line anew: the question, the text, and behind the cursor what is known about it, as far as there is room.
func (l *line) draw() {
	width, _, err := term.GetSize(int(l.t.out.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	shown := clean(l.q.Text + ": " + l.text)
	if over := utf8.RuneCountInString(shown) - (width - 1); over > 0 {
		shown = "..." + string([]rune(shown)[min(over+3, utf8.RuneCountInString(shown)):])
	}
	room := width - 1 - utf8.RuneCountInString(shown) - 2
	out := "\r\x1b[K" + shown
	if said := []rune(clean(l.said)); len(said) > 0 && room > 8 {
		if len(said) > room {
			said = append(said[:room-3], []rune("...")...)
		}
		out += "  \x1b[2m" + string(said) + "\x1b[0m\r\x1b[" + strconv.Itoa(utf8.RuneCountInString(shown)) + "C"
	}
	io.WriteString(l.t.out, out)
}

// clean keeps names from controlling the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == del || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
