package prompt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sonde-project/sonde/internal/fixture"
)

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

func ask(t *testing.T, act func(p *fixture.Screen)) (string, error) {
	t.Helper()
	screen := fixture.NewScreen(t, 24, 100)
	tty := screen.TTY
	before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); act(screen) }()
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
	got, err := ask(t, func(p *fixture.Screen) {
		p.Sees("function: ")
		p.Types("get")
		p.Sees("4 names")
		p.Types("x")
		p.Sees("no such name")
		p.Types("\x7fa\t")
		p.Sees("getaddrinfo")
		p.Sees("2 names")
		p.Types("\t")
		p.Sees("getaddrinfo  getaddrinfo_a")
		p.Types("_\t")
		p.Sees("1 names")
		p.Types("\r")
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
		got, err := ask(t, func(p *fixture.Screen) { p.Sees("function: "); p.Types(keys) })
		if got != want || err != nil {
			t.Errorf("%q gives %q, %v; want %q", keys, got, err, want)
		}
	}
}

func TestAnInterruptionAndAnEndAreTold(t *testing.T) {
	for keys, want := range map[string]error{"ab\x03": ErrInterrupted, "\x04": io.EOF} {
		if _, err := ask(t, func(p *fixture.Screen) { p.Sees("function: "); p.Types(keys) }); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", keys, err, want)
		}
	}
}

func TestWhatIsTypedAheadAnswersTheNextQuestion(t *testing.T) {
	screen := fixture.NewScreen(t, 24, 100)
	terminal, _ := Open(screen.TTY, nil)
	if back, err := raw(int(screen.TTY.Fd())); err != nil {
		t.Fatal(err)
	} else {
		defer back()
	}
	screen.Types("first\nsecond\n")
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
