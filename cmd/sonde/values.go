package main

import (
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sonde-project/sonde/internal/render"
	"github.com/sonde-project/sonde/script"
)

// The types below are values of flags (pflag.Value) whose mistakes are diagnoses.

// pidList is -p 1 -p 2, or -p 1,2.
type pidList []int

func (l *pidList) Type() string { return "pid" }

func (l *pidList) String() string {
	var words []string
	for _, pid := range *l {
		words = append(words, strconv.Itoa(pid))
	}
	return strings.Join(words, ",")
}

func (l *pidList) Set(text string) error {
	for word := range strings.SplitSeq(text, ",") {
		pid, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || pid <= 0 {
			return usage([]string{"processes are chosen by name with --comm", "pgrep shows the PIDs of a program"}, "%q is no process ID", word)
		}
		*l = append(*l, pid)
	}
	return nil
}

// userID is a user's name or number.
type userID struct{ id **uint32 }

func (u *userID) Type() string { return "user" }

func (u *userID) String() string {
	if u.id == nil || *u.id == nil {
		return ""
	}
	return strconv.FormatUint(uint64(**u.id), 10)
}

func (u *userID) Set(text string) error {
	number := text
	if known, err := user.Lookup(text); err == nil {
		number = known.Uid
	}
	id, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return usage(nil, "no user %q", text)
	}
	value := uint32(id)
	*u.id = &value
	return nil
}

// period is a time: 5s, 500ms, 1m30s, or seconds without unit.
type period time.Duration

func (p *period) Type() string { return "time" }

func (p *period) String() string {
	if *p == 0 {
		return ""
	}
	return time.Duration(*p).String()
}

func (p *period) Set(text string) error {
	d, err := time.ParseDuration(text)
	if seconds, bare := strconv.ParseFloat(text, 64); bare == nil && seconds < 1e9 {
		d, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || d <= 0 {
		return usage([]string{"a time is 5s, 500ms, 1m30s, or a number of seconds"}, "%q is no time", text)
	}
	*p = period(d)
	return nil
}

// positive is a number from 1 on; 0 means that the flag was not given.
type positive int

func (n *positive) Type() string { return "number" }

func (n *positive) String() string {
	if *n == 0 {
		return ""
	}
	return strconv.Itoa(int(*n))
}

func (n *positive) Set(text string) error {
	v, err := number(text)
	if err == nil && v == 0 {
		err = usage(nil, "the number must be more than 0")
	}
	*n = positive(v)
	return err
}

// natural is a number from 0 on; -1 means that the flag was not given.
type natural int

func (n *natural) Type() string { return "number" }

func (n *natural) String() string {
	if *n < 0 {
		return ""
	}
	return strconv.Itoa(int(*n))
}

func (n *natural) Set(text string) error {
	v, err := number(text)
	*n = natural(v)
	return err
}

// number reads what people write for a count: 1000, 1_000, 1e3.
func number(text string) (int, error) {
	x, err := script.ParseExpr(text)
	if literal, ok := x.(*script.Int); err == nil && ok && literal.Value >= 0 && literal.Value <= 1<<31 {
		return int(literal.Value), nil
	}
	return 0, usage([]string{"a number is 1000, 1_000 or 1e3"}, "%q is no whole number", text)
}

// word is one of a few.
type word struct {
	value *string
	among []string
}

func (w *word) Type() string   { return "word" }
func (w *word) String() string { return *w.value }

func (w *word) Set(text string) error {
	if !slices.Contains(w.among, text) {
		return usage([]string{"it is one of " + strings.Join(w.among, ", ")}, "no %q", text)
	}
	*w.value = text
	return nil
}

// output is where results go: a format for standard output, or a file whose extension names the format.
type output struct {
	format render.Format
	file   string
	report bool // the verb writes HTML too
}

func (o *output) Type() string { return "output" }

func (o *output) String() string {
	if o.file != "" {
		return o.file
	}
	return string(o.format)
}

func (o *output) Set(text string) error {
	formats, extensions := []string{string(render.Text), string(render.JSON), string(render.CSV)}, ".json, .jsonl, .csv, .txt"
	if o.report {
		formats, extensions = append(formats, string(render.HTML)), extensions+", .html"
	}
	if slices.Contains(formats, text) {
		o.format, o.file = render.Format(text), ""
		return nil
	}
	format := render.FormatOf(text)
	switch {
	case !o.report && (format == render.HTML || text == string(render.HTML)):
		return usage([]string{"sonde sql -o report.html"}, "only sonde sql writes HTML")
	case format != "":
		o.format, o.file = format, text
		return nil
	case filepath.Ext(text) != "":
		return usage([]string{"extensions are " + extensions}, "%q does not say a format by its extension", text)
	}
	hints := []string{"formats are " + strings.Join(formats, ", ") + "; FILE.json writes to a file"}
	if near := script.Near(text, formats, 1); len(near) > 0 {
		hints = []string{"near names: " + near[0]}
	}
	return usage(hints, "no format %q", text)
}
