package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/render"
	"github.com/sonde-project/sonde/script"
)

// given is what a verb's script is built of.
type given struct {
	points []script.Point
	pred   script.Expr
	by     []script.Expr
	stack  bool
}

// observing is a verb that observes functions: its words for help, and the script that it stands for.
type observing struct {
	cobra.Command
	keys  bool // has --by and --live
	stack bool // has --stack
	// between: has --from and --to.
	between bool
	build   func(given) (*script.Script, error)
}

// command makes the verb.
func (v observing) command(w world) *cobra.Command {
	var f flags
	c := &v.Command
	c.Use += " [flags] PROBE... [-- COMMAND ARGS...]"
	f.conditional(c.Flags())
	if v.keys {
		f.grouping(c.Flags())
	}
	if v.stack {
		f.stacked(c.Flags())
	}
	if v.between {
		f.between(c.Flags())
	}
	f.observing(c.Flags())
	f.complete(c)
	c.ValidArgsFunction = w.completeProbe(&f)
	c.RunE = func(c *cobra.Command, args []string) error {
		probes := f.split(c, args)
		g, err := f.given(c.Name(), probes)
		if err != nil {
			return err
		}
		if f.script, err = f.scriptOf(v, g); err != nil {
			return err
		}
		if f.showScript {
			return show(w, f.script)
		}
		if err := f.watchable(); err != nil {
			return err
		}
		if err := f.aim(w, c.Name(), g.points, probes); err != nil {
			return err
		}
		return w.observe(c.Context(), w, f.request)
	}
	return c
}

// watchable refuses --live when standard output is taken.
func (f *flags) watchable() error {
	if !f.live || f.output.kind() == render.Text || f.output.file != "" {
		return nil
	}
	hint := fmt.Sprintf("-o FILE.%s leaves standard output to the table", f.output.format)
	return usage([]string{hint}, "--live shows a table where -o %s writes", f.output.format)
}

// scriptOf builds the verb's script, or the one between two points.
func (f *flags) scriptOf(v observing, g given) (*script.Script, error) {
	if f.from == "" {
		return v.build(g)
	}
	from, err := script.ParsePoint(f.from, script.Uprobe)
	if err != nil {
		return nil, err
	}
	to, err := script.ParsePoint(f.to, script.Uprobe)
	if err != nil {
		return nil, err
	}
	return script.Between(from, to, g.pred, g.by), nil
}

// split gives the arguments before "--" and keeps those behind it as the command.
func (f *flags) split(c *cobra.Command, args []string) []string {
	if dash := c.ArgsLenAtDash(); dash >= 0 {
		f.command = args[dash:]
		return args[:dash]
	}
	return args
}

// given parses the probes and expressions.
func (f *flags) given(verb string, probes []string) (g given, err error) {
	if (f.from == "") != (f.to == "") || f.from != "" && len(probes) > 0 {
		return g, usage([]string{"sonde time --from PROBE --to PROBE"}, "--from and --to go together, and without further probes")
	}
	if len(probes) == 0 && f.from == "" {
		return g, usage([]string{"a probe is TARGET:FUNCTION: sonde " + verb + " libc:malloc"}, "no probe given")
	}
	if err := f.noDash(verb, probes); err != nil {
		return g, err
	}
	for _, text := range probes {
		pt, err := script.ParsePoint(text, script.Uprobe)
		if err != nil {
			return g, err
		}
		g.points = append(g.points, pt)
	}
	if f.condition != "" {
		if g.pred, err = script.ParseExpr(f.condition); err != nil {
			return g, err
		}
	}
	g.pred = script.Sampled(g.pred, f.sample)
	if len(f.by) > 0 {
		if g.by, err = script.ParseExprs(strings.Join(f.by, ", ")); err != nil {
			return g, err
		}
	}
	g.stack = f.stack
	return g, nil
}

// noDash recognises a command that stands among the probes for want of "--".
func (f *flags) noDash(verb string, probes []string) error {
	if len(f.command) > 0 || len(f.pids) > 0 {
		return nil
	}
	for i := 1; i < len(probes); i++ {
		if _, err := exec.LookPath(probes[i]); err == nil && !strings.Contains(probes[i], ":") {
			hint := "a command stands behind --: sonde " + verb + " " + shellWords(probes[:i]) + " -- " + shellWords(probes[i:])
			return usage([]string{hint}, "%q is a program, not a probe", probes[i])
		}
	}
	return nil
}

// aim refuses a probe without target when no process and no command says which program is meant.
func (f *flags) aim(w world, verb string, points []script.Point, probes []string) error {
	if len(f.pids) > 0 || len(f.command) > 0 {
		return nil
	}
	for i, pt := range points {
		if text := probes[i]; pt.Target == "" {
			if !pt.Regexp && pt.Kind != script.USDT && w.isTarget(text) {
				hints := []string{"one of its functions: sonde " + verb + " " + shellWord(text) + ":NAME; all: sonde " + verb + " " + shellWord(text+":*"),
					"sonde list " + shellWord(text) + " shows them"}
				return &script.Diagnostic{Code: script.BadProbe, Message: text + " names no function", Text: text, Span: script.Span{From: len(text), To: len(text)}, Hints: hints}
			}
			named := "TARGET:" + shellWord(text)
			if static, ok := strings.CutPrefix(text, "usdt:"); ok {
				named = "usdt:TARGET:" + shellWord(static)
			}
			hints := []string{"name the library or program: sonde " + verb + " " + named,
				"or the process: sonde " + verb + " -p PID " + shellWord(text)}
			if isProgram(text) {
				hints = append(hints, "functions of the program "+text+": sonde list "+shellWord(text))
			}
			return &script.Diagnostic{Code: "no-target", Message: "no program says where to look for " + text,
				Text: text, Span: script.Span{From: 0, To: len(text)}, Hints: hints}
		}
	}
	return nil
}

// isTarget reports whether a word that should be a probe is a path, or names a library.
func (w world) isTarget(word string) bool {
	return strings.Contains(word, "/") || len(w.candidates(word+":", nil)) > 0 && !isProgram(word)
}

func shellWords(words []string) string {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, shellWord(w))
	}
	return strings.Join(quoted, " ")
}

// show prints a script.
func show(w world, s *script.Script) error {
	_, err := fmt.Fprint(w.out, s)
	return err
}

// backend is what the verbs call on beyond the command line.
type backend struct {
	observe func(ctx context.Context, w world, r request) error
	list    func(ctx context.Context, w world, l listing) error
	sql     func(ctx context.Context, w world, s statements) error
	doctor  func(ctx context.Context, w world, o output) error
	mend    func(pid int) (mended, left int, err error)
	// describe finds the one function that a probe names.
	describe func(probe string) (event.Function, error)
	// candidates are what a probe that begins with the text can go on as: targets, or functions once a target stands there.
	candidates func(text string, pids []int) []string
}
