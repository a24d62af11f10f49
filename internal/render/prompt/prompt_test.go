package prompt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// open makes a terminal: what a person types is written to keys, what is shown is read from there.
func open(t *testing.T) (keys, tty *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close(); tty.Close() })
	return keys, tty
}

// person types, and waits for what is to be seen before going on.
type person struct {
	t    *testing.T
	keys *os.File
	seen string
}

func (p *person) types(keys string) {
	p.t.Helper()
	if _, err := io.WriteString(p.keys, keys); err != nil {
		p.t.Error(err)
	}
}

// sees waits until the text is on the screen.
func (p *person) sees(text string) {
	p.t.Helper()
	b := make([]byte, 4096)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if _, rest, ok := strings.Cut(p.seen, text); ok {
			p.seen = rest
			return
		}
		n, err := p.keys.Read(b)
		p.seen += string(b[:n])
		if err != nil {
			break
		}
	}
	p.t.Errorf("not seen: %q in %q", text, p.seen)
}

func words(text string) []string {
	var out []string
	for _, w := range []string{"getaddrinfo", "getaddrinfo_a", "getenv", "gets", "malloc"} {
		if strings.HasPrefix(w, text) {
			out = append(out, w)
		}
	}
	return out
}

func verdict(text string) string {
	if n := len(words(text)); n > 0 {
		return fmt.Sprintf("%d names", n)
	}
	return "no such name"
}

func ask(t *testing.T, act func(p *person)) (string, error) {
	t.Helper()
	keys, tty := open(t)
	before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); act(&person{t: t, keys: keys}) }()
	terminal, ok := Open(tty, nil)
	if !ok {
		t.Fatal("a terminal is none")
	}
	answer, err := terminal.Ask(Question{Text: "function", Offers: words, Verdict: verdict})
	<-done
	after, modeErr := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if modeErr != nil || *after != *before {
		t.Errorf("the terminal is left in another mode: %+v, was %+v, %v", after, before, modeErr)
	}
	return answer, err
}

func TestALineIsCompletedAndJudgedWhileItIsTyped(t *testing.T) {
	got, err := ask(t, func(p *person) {
		p.sees("function: ")
		p.types("get")
		p.sees("4 names")
		p.types("x")
		p.sees("no such name")
		p.types("\x7fa\t")
		p.sees("getaddrinfo")
		p.sees("2 names")
		p.types("\t")
		p.sees("getaddrinfo  getaddrinfo_a")
		p.types("_\t")
		p.sees("1 names")
		p.types("\r")
	})
	if got != "getaddrinfo_a" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestKeysEditTheLine(t *testing.T) {
	for keys, want := range map[string]string{
		"malloc\n": "malloc", "a\x1b[Ab\x1bOc\n": "ab", "wrong\x15right\r": "right", "one two\x17three\r": "one three",
		"\x7f\x7fgrün\x7fe\r": "grüe", "  x  \n": "x", "\t\t\r": "",
	} {
		got, err := ask(t, func(p *person) { p.sees("function: "); p.types(keys) })
		if got != want || err != nil {
			t.Errorf("%q gives %q, %v; want %q", keys, got, err, want)
		}
	}
}

func TestAnInterruptionAndAnEndAreTold(t *testing.T) {
	for keys, want := range map[string]error{"ab\x03": ErrInterrupted, "\x04": io.EOF} {
		if _, err := ask(t, func(p *person) { p.sees("function: "); p.types(keys) }); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", keys, err, want)
		}
	}
}

func TestWhatIsTypedAheadAnswersTheNextQuestion(t *testing.T) {
	keys, tty := open(t)
	terminal, _ := Open(tty, nil)
	if back, err := raw(int(tty.Fd())); err != nil {
		t.Fatal(err)
	} else {
		defer back()
	}
	io.WriteString(keys, "first\nsecond\n")
	for _, want := range []string{"first", "second"} {
		if got, err := terminal.Ask(Question{Text: "q"}); got != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, ok := Open(file, nil); ok {
		t.Error("a file is a terminal")
	}
}
