package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sonde-project/sonde/script"
)

// badUsage is the code of mistakes in the command line.
const badUsage script.Code = "usage"

// usage is a mistake in the command line.
func usage(hints []string, format string, args ...any) error {
	return &script.Diagnostic{Code: badUsage, Message: fmt.Sprintf(format, args...), Hints: hints}
}

// unknownVerb explains a first word that is no verb: a slip of the fingers, a probe, a program, or a function.
func unknownVerb(root *cobra.Command, word string) error {
	var hints []string
	near := script.Near(word, verbNames(root), 3)
	switch {
	case slices.Contains(verbNames(root), word):
		hints = []string{"a verb stands before --: sonde " + word + "; a command behind it: sonde count libc:malloc -- " + word}
	case len(near) > 0:
		hints = []string{"near names: " + strings.Join(near, ", ")}
	case strings.Contains(word, ":"):
		hints = []string{"sonde trace " + shellWord(word) + " shows its calls, sonde count " + shellWord(word) + " counts them"}
	case isProgram(word):
		hints = []string{"sonde list " + shellWord(word) + " shows what can be observed in it"}
	default:
		hints = []string{"calls of a function are shown by sonde trace TARGET:" + shellWord(word) + ", such as sonde trace libc:malloc",
			"sonde --help lists the verbs"}
	}
	return usage(hints, "no verb %q", word)
}

// verbNames are the verbs and their aliases.
func verbNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(append(names, c.Name()), c.Aliases...)
		}
	}
	return names
}

// isProgram reports whether a word names a file, or a command of $PATH.
func isProgram(word string) bool {
	if _, err := os.Stat(word); err == nil {
		return true
	}
	_, err := exec.LookPath(word)
	return err == nil
}

// shellWord quotes what a shell would not pass on as it is.
func shellWord(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// flagMistake explains an error of the flag parser.
func flagMistake(c *cobra.Command, argv []string, err error) error {
	var missing *pflag.NotExistError
	if errors.As(err, &missing) {
		if !c.HasParent() && !strings.HasPrefix(argv[0], "-") {
			return unknownVerb(c, argv[0])
		}
		return unknownFlag(c, missing)
	}
	var value *pflag.ValueRequiredError
	if errors.As(err, &value) {
		return usage([]string{flagHelp(value.GetFlag())}, "%s needs a value", dashed(value.GetSpecifiedName()))
	}
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		var own *script.Diagnostic
		if errors.As(err, &own) { // from the value's Set
			named := *own
			named.Message = "--" + invalid.GetFlag().Name + ": " + own.Message
			return &named
		}
		return usage([]string{flagHelp(invalid.GetFlag())}, "%q is no value for --%s", invalid.GetValue(), invalid.GetFlag().Name)
	}
	return usage(nil, "%v", err)
}

// unknownFlag names the flags like it, and the verbs that have it.
func unknownFlag(c *cobra.Command, e *pflag.NotExistError) error {
	name := e.GetSpecifiedName()
	var hints, owners, all []string
	for _, verb := range c.Root().Commands() {
		if has(verb, name) {
			owners = append(owners, verb.Name())
		}
	}
	c.Flags().VisitAll(func(f *pflag.Flag) { all = append(all, f.Name) })
	near := script.Near(name, all, 3)
	switch {
	case len(owners) > 0:
		hints = []string{dashed(name) + " belongs to sonde " + strings.Join(owners, ", ")}
	case len(name) > 1 && len(near) > 0:
		hints = []string{"near names: --" + strings.Join(near, ", --")}
	default:
		hints = []string{c.CommandPath() + " --help lists the flags; those of a started command stand behind --"}
	}
	return usage(hints, "no flag %s", dashed(name))
}

func has(c *cobra.Command, flag string) bool {
	if len(flag) == 1 {
		return c.Flags().ShorthandLookup(flag) != nil
	}
	return c.Flags().Lookup(flag) != nil
}

func dashed(flag string) string {
	if len(flag) == 1 {
		return "-" + flag
	}
	return "--" + flag
}

// flagHelp is a flag's line of help.
func flagHelp(f *pflag.Flag) string {
	name, text := pflag.UnquoteUsage(f)
	return strings.TrimSpace("--"+f.Name+" "+name) + ": " + text
}
