package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonde-project/sonde/internal/render/prompt"
	"github.com/sonde-project/sonde/internal/scaffold"
	"github.com/sonde-project/sonde/script"
)

// making is what `sonde new` was asked for.
type making struct {
	dir      string
	function string
	project  scaffold.Project
}

func newCommand(w world) *cobra.Command {
	var m making
	p := &m.project
	c := &cobra.Command{
		Use:   "new [flags] DIR [-- COMMAND ARGS...]",
		Short: "a project of one's own that observes a function",
		Long: `Write a Go module that observes one function: it builds, passes its own test and runs at once.
What is not said by flags is asked. COMMAND is something that calls the function: the project's
test and its make run use it.`,
		Example: `  sonde new mine
  sonde new --target libc --function getaddrinfo --do trace mine -- getent ahosts localhost
  sonde new --target ./app --function 'main.(*Store).Put' --do hist --by size --template ebpf mine`,
	}
	f := c.Flags()
	f.StringVar(&p.Target, "target", "", "`TARGET`: a library's name, a program, a path")
	f.StringVar(&m.function, "function", "", "`FUNCTION` to observe")
	f.StringVar((*string)(&p.Do), "do", "", "`WHAT`: "+strings.Join(scaffold.Dos(), ", "))
	f.StringVar(&p.By, "by", "", "`PARAMETER` that hist is made of")
	f.StringVar((*string)(&p.Template), "template", "", "`TEMPLATE`: library (on package sonde), ebpf (its own C and cilium/ebpf)")
	f.StringVar(&p.Module, "module", "", "`PATH` of the Go module; the folder's name unless given")
	f.StringVar(&p.SondeDir, "sonde-dir", "", "`FOLDER` with sonde's sources, for the template library")
	for flag, values := range map[string][]string{"do": scaffold.Dos(), "template": scaffold.Templates()} {
		c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	c.RegisterFlagCompletionFunc("target", func(_ *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
		return trimmed(w.candidates(text, nil), "", ":"), cobra.ShellCompDirectiveDefault
	})
	c.RegisterFlagCompletionFunc("function", func(_ *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
		return trimmed(w.candidates(p.Target+":"+text, nil), p.Target+":", ""), cobra.ShellCompDirectiveNoFileComp
	})
	c.RunE = func(c *cobra.Command, args []string) error {
		if at := c.ArgsLenAtDash(); at >= 0 {
			args, p.Command = args[:at], args[at:]
		}
		if len(args) != 1 {
			return usage([]string{"sonde new --target libc --function getaddrinfo --do trace mine"}, "one folder is needed, not %d", len(args))
		}
		m.dir = args[0]
		return m.run(w)
	}
	return c
}

// trimmed takes what stands before and after from each word.
func trimmed(words []string, before, after string) []string {
	var out []string
	for _, word := range words {
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(word, before), after))
	}
	return out
}

// run completes the answers and writes the project.
func (m *making) run(w world) error {
	p := &m.project
	p.Command = fromAnywhere(p.Command)
	if err := m.answers(w); err != nil {
		return err
	}
	if p.Template == scaffold.Library {
		p.Version, p.SondeDir = sources(p.SondeDir)
	}
	names, err := scaffold.Write(m.dir, *p)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s: %s\n", m.dir, strings.Join(names, " "))
	fmt.Fprintf(w.out, "next: cd %s && make test && make run\n", shellWord(m.dir))
	return nil
}

// answers asks for what the flags left open. A function that is not there is asked for again on a terminal and is a mistake in a flag.
func (m *making) answers(w world) error {
	p := &m.project
	ask := newAsker(w)
	for range 10 {
		given := p.Target != "" && m.function != ""
		if err := ask.fill("target", &p.Target, w.targetQuestion(), nil); err != nil {
			return err
		}
		if err := ask.fill("function", &m.function, w.functionQuestion(p.Target), nil); err != nil {
			return err
		}
		err := m.look(w)
		if err == nil {
			break
		}
		if given {
			return err
		}
		report(w.err, err)
		if !errors.Is(err, script.NoFunction) && !errors.Is(err, script.Several) {
			p.Target = ""
		}
		m.function = ""
	}
	if p.Function.Name == "" {
		return usage(nil, "no function was found")
	}
	fmt.Fprintln(w.err, signatureOf(p))
	if err := ask.fill("do", (*string)(&p.Do), prompt.Question{Text: "what to do"}, scaffold.Dos()); err != nil {
		return err
	}
	if numbers := scaffold.Numeric(p.Function); p.Do == scaffold.Hist && len(numbers) > 0 {
		if err := ask.fill("by", &p.By, prompt.Question{Text: "histogram of"}, numbers); err != nil {
			return err
		}
	}
	return ask.fill("template", (*string)(&p.Template), prompt.Question{Text: "template"}, scaffold.Templates())
}

// signatureOf tells which function was found.
func signatureOf(p *scaffold.Project) string {
	if p.Function.Signature != "" {
		return p.Function.Signature
	}
	return p.Function.Name + " in " + p.Function.Target
}

// look finds the function. A program is named by its path from here on, because the project is used elsewhere.
func (m *making) look(w world) error {
	p := &m.project
	if strings.ContainsRune(p.Target, '/') {
		full, err := filepath.Abs(p.Target)
		if err != nil {
			return err
		}
		p.Target = full
	}
	f, err := w.describe(p.Target + ":" + m.function)
	if !strings.Contains(m.function, "@") {
		f.Version = "" // the name says enough, and outlives the version
	}
	p.Function = f
	return err
}

// fromAnywhere gives words that lead to files from here as whole paths: the project's programs are started in its own folder.
func fromAnywhere(words []string) []string {
	var out []string
	for _, word := range words {
		if strings.ContainsRune(word, '/') && !filepath.IsAbs(word) {
			if full, err := filepath.Abs(word); err == nil && exists(full) {
				word = full
			}
		}
		out = append(out, word)
	}
	return out
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// sources says where the library is: a published version, or the folder of a checkout.
func sources(given string) (version, dir string) {
	if given != "" {
		full, err := filepath.Abs(given)
		if err != nil {
			return "", given
		}
		return "", full
	}
	const module = "github.com/sonde-project/sonde"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path == module && strings.HasPrefix(info.Main.Version, "v") && info.Main.Sum != "" {
		return info.Main.Version, ""
	}
	var starts []string
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) { // not in a build with -trimpath
		starts = append(starts, filepath.Dir(file))
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	for _, start := range starts {
		for d := start; ; d = filepath.Dir(d) {
			text, err := os.ReadFile(filepath.Join(d, "go.mod"))
			if err == nil && strings.HasPrefix(string(text), "module "+module+"\n") {
				return "", d
			}
			if d == filepath.Dir(d) {
				break
			}
		}
	}
	return "", ""
}
