package render

import (
	"os"

	"golang.org/x/term"
)

// Terminal gives the options that fit a file: the width and colours of a terminal, neither for anything else. env reads
// the environment: NO_COLOR (https://no-color.org) and TERM=dumb turn colours off.
func Terminal(f *os.File, env func(string) string) Options {
	if !term.IsTerminal(int(f.Fd())) {
		return Options{}
	}
	o := Options{Colour: env("NO_COLOR") == "" && env("TERM") != "dumb"}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		o.Width = width
	}
	return o
}
