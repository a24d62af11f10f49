package main

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/script"
)

func runCommand(w world) *cobra.Command {
	var f flags
	var text string
	c := &cobra.Command{
		Use:   "run [flags] FILE [PARAM...] [-- COMMAND ARGS...]",
		Short: "run a script, or a compiled eBPF object",
		Long: `Run a script: a file, - for standard input, or the text behind -e. The language is bpftrace's, for
what concerns programs. PARAMs are $1, $2, ... in it.

Or run a compiled eBPF object, as clang, bpf2go and Aya make them: its programs for user-space probes
are armed where their sections say, or --target and --function, or --attach; what they send and keep is
shown by the object's own types.`,
		Example: `  sonde run -e 'uprobe:libc:malloc { @[comm] = hist(arg0); }' -d 5s
  sonde run latency.sonde -p 4242
  sonde count libc:malloc --show-script > malloc.sonde
  sonde run prog.bpf.o --set min_size=4096 -- ./app`,
	}
	c.Flags().StringVarP(&text, "expression", "e", "", "run this `SCRIPT`")
	f.observing(c.Flags())
	f.object.flags(c.Flags())
	f.complete(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		f.params = f.split(c, args)
		if !c.Flags().Changed("expression") {
			if len(f.params) == 0 {
				return usage([]string{"sonde run FILE, or sonde run -e 'SCRIPT'"}, "no script given")
			}
			if sonde.IsObject(f.params[0]) {
				return f.runObject(c, w)
			}
			if text, err = readScript(w.in, f.params[0]); err != nil {
				return err
			}
			f.params = f.params[1:]
		}
		if err := f.object.only(c.Flags()); err != nil {
			return err
		}
		if f.script, err = script.Parse(text); err != nil {
			return err
		}
		f.asScript = true
		if f.showScript {
			return show(w, f.script)
		}
		return w.observe(c.Context(), w, f.request)
	}
	return c
}

// readScript reads a file of at most 1 MiB, which is beyond what the parser takes.
func readScript(in io.Reader, name string) (string, error) {
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("script: %w", err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return "", fmt.Errorf("script %s: %w", name, err)
	}
	if strings.HasPrefix(string(text), elf.ELFMAG) {
		hints := []string{"calls of its functions: sonde count " + shellWord(name+":*") + " -- " + shellWord(name)}
		return "", usage(hints, "%s is a program, neither a script nor an eBPF object", name)
	}
	return string(text), nil
}
