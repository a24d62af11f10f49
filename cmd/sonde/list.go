package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonde-project/sonde/script"
)

// listing is what `sonde list` was asked for.
type listing struct {
	points []script.Point // functions to list, in each target
	pids   []int
	usdt   bool // static probes instead of functions
	lines  bool // source lines instead of functions
	output output
}

func listCommand(w world) *cobra.Command {
	var l listing
	c := &cobra.Command{
		Use:     "list [flags] TARGET[:FUNCTION]...",
		Aliases: []string{"ls"},
		Short:   "what can be observed in a target",
		Long: `List the functions of a library, a program or a process: signature, source line, size,
language, and what a probe at their entry costs.`,
		Example: `  sonde list libc
  sonde list 'libc:mem*' -o json
  sonde list ./app:/Handle/
  sonde list -p 4242
  sonde list --usdt /usr/lib/postgresql/15/bin/postgres`,
		ValidArgsFunction: w.completeProbe(&flags{}),
	}
	c.Flags().VarP((*pidList)(&l.pids), "pid", "p", "list what process `PID` maps; may be repeated")
	c.Flags().BoolVar(&l.usdt, "usdt", false, "list static probes")
	c.Flags().BoolVar(&l.lines, "lines", false, "list source lines that can be probed")
	c.Flags().VarP(&l.output, "output", "o", "write `FORMAT` (text, json, csv) to standard output, or the format of its extension to FILE.ext")
	c.MarkFlagsMutuallyExclusive("usdt", "lines")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 && len(l.pids) == 0 {
			return usage([]string{"sonde list libc, sonde list ./program, sonde list -p PID"}, "no target given")
		}
		if len(args) == 0 {
			l.points = []script.Point{{Function: "*"}}
		}
		for _, text := range args {
			pt, err := listed(text)
			if err != nil {
				return err
			}
			l.points = append(l.points, pt)
		}
		return w.list(c.Context(), w, l)
	}
	return c
}

// listed reads TARGET or TARGET:FUNCTION: here a name alone is a target.
func listed(text string) (script.Point, error) {
	pt, err := script.ParsePoint(text, script.Uprobe)
	if err == nil && (pt.Target != "" || pt.Regexp || strings.HasPrefix(text, ":")) {
		return pt, nil
	}
	if all, allErr := script.ParsePoint(text+":*", script.Uprobe); allErr == nil && all.Function == "*" {
		return all, nil
	}
	return pt, err
}
