package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// world is what the verbs need beside their flags.
type world struct {
	in, out, err *os.File
	env          func(name string) string
	hold         func() // is called before anything is touched; nil: nobody wants to know
	backend
}

// run is the command: it does what argv asks for and gives the exit status.
func run(argv []string, w world) int {
	cobra.EnableCommandSorting = false // verbs are listed in the order of their table
	if err := fewFiles(); err != nil {
		report(w.err, err)
		return status(err)
	}
	ctx, interrupts := interruptible(w.err)
	defer interrupts.stop()
	w.hold = interrupts.hold
	root := rootCommand(w, argv)
	root.SetArgs(argv)
	err := root.ExecuteContext(ctx)
	report(w.err, err)
	return status(err)
}

// fewFiles says that hardly any file can be opened. The runtime of Go needs descriptors of its own for the first one, and ends the process with a
// stack trace if there are none.
func fewFiles() error {
	const needed = 4 // epoll, eventfd, what is opened, and what led there
	for range needed {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
			return fmt.Errorf("open files: %w", err)
		}
		if err == nil {
			defer unix.Close(fd)
		}
	}
	return nil
}

// verbs are the verbs of the command, in the order in which help lists them.
func verbs(w world) []*cobra.Command {
	return []*cobra.Command{
		listCommand(w),
		countCommand(w),
		traceCommand(w),
		timeCommand(w),
		sqlCommand(w),
		runCommand(w),
		newCommand(w),
		doctorCommand(w),
		recoverCommand(w),
		versionCommand(w),
	}
}

func rootCommand(w world, argv []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "sonde",
		Short: "look inside running programs",
		Long: `sonde shows which functions of a running program are called, how often, with what
arguments, what they return and how long they take. The program needs no change and no restart.

A probe is TARGET:FUNCTION. TARGET is a library (libc), a program (./app, or a name in $PATH)
or * for all that a process maps; FUNCTION is a name, a glob or /a regular expression/.`,
		Example: `  sonde list libc                            what can be observed
  sonde count 'libc:mem*' -p 4242            calls per function
  sonde trace libc:getaddrinfo               one line per call
  sonde time ./app:main.handle -- ./app      how long calls take`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
	}
	root.SetIn(w.in)
	root.SetOut(w.out)
	root.SetErr(w.err)
	root.AddCommand(verbs(w)...)
	root.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return unknownVerb(root, args[0])
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagMistake(c, argv, err) })
	root.SetHelpCommand(helpCommand())
	root.SetUsageTemplate(usageTemplate)
	root.SetVersionTemplate("sonde {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = false
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	completion, _, _ := root.Find([]string{"completion"})
	completion.Args = cobra.ArbitraryArgs
	completion.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return usage([]string{"there are " + strings.Join(verbNames(c), ", ")}, "no shell %q", args[0])
	}
	return root
}

// helpCommand is `sonde help [VERB]`.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "help about a verb",
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return verbNames(c.Root()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			verb, rest, err := c.Root().Find(args)
			switch {
			case err != nil || verb == c.Root() && len(rest) > 0:
				return unknownVerb(c.Root(), args[0])
			case len(rest) > 0:
				return usage([]string{verb.CommandPath() + " --help"}, "help is about one verb; %q is not part of it", rest[0])
			}
			verb.InitDefaultHelpFlag()
			return verb.Help()
		},
	}
}

// usageTemplate is cobra's, shorter.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} VERB [flags]{{else}}{{.UseLine}}{{end}}{{if gt (len .Aliases) 0}}

Aliases:
  {{.NameAndAliases}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Verbs:{{range .Commands}}{{if (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

"{{.CommandPath}} VERB --help" shows more about a verb.{{end}}
`
