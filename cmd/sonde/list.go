package main

import (
	"errors"
	"fmt"
	"slices"
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
		Use:     "list [flags] TARGET [PATTERN...] | TARGET:PATTERN...",
		Aliases: []string{"ls"},
		Short:   "what can be observed in a target",
		Long: `List the functions of a library, a program or a process: signature, source line, size,
language, and what a probe at their entry costs.`,
		Example: `  sonde list libc
  sonde list libc 'mem*' -o json
  sonde list ./app:/Handle/
  sonde list -p 4242
  sonde list --usdt /usr/lib/postgresql/15/bin/postgres`,
		ValidArgsFunction: w.completeProbe(&flags{}),
	}
	c.Flags().VarP((*pidList)(&l.pids), "pid", "p", "list what process `PID` maps; may be repeated")
	c.Flags().BoolVar(&l.usdt, "usdt", false, "list static probes")
	c.Flags().BoolVar(&l.lines, "lines", false, "list source lines that can be probed")
	c.Flags().VarP(&l.output, "output", "o", "write `FORMAT` (text, json, csv) to standard output, or the format of its extension to FILE.ext")
	c.RunE = func(c *cobra.Command, args []string) error {
		if l.usdt && l.lines {
			return usage([]string{"sonde list twice, once with each"}, "--usdt and --lines list different things")
		}
		if len(args) == 0 && len(l.pids) == 0 {
			return usage([]string{"sonde list libc, sonde list ./program, sonde list -p PID"}, "no target given")
		}
		if len(args) == 0 {
			l.points = []script.Point{{Function: "*"}}
		}
		var err error
		if l.points, err = listed(l.points, args); err != nil {
			return err
		}
		return w.list(c.Context(), w, l)
	}
	return c
}

// perhapsFunction tells who names an object that a process does not map how functions of all its objects are named.
func (l listing) perhapsFunction(pt script.Point, err error) error {
	var d *script.Diagnostic
	if len(l.pids) == 0 || !errors.As(err, &d) || d.Code != script.NoLibrary || strings.Contains(pt.Target, "/") {
		return err
	}
	more := *d
	more.Hints = append(slices.Clone(d.Hints), fmt.Sprintf("functions of that name: sonde list -p %d %s", l.pids[0], shellWord(":"+pt.Target)))
	return &more
}

// listed reads TARGET:PATTERN, or TARGET and then the patterns of what to list in it.
func listed(points []script.Point, args []string) ([]script.Point, error) {
	target := ""
	for _, text := range args {
		pt, err := script.ParsePoint(text, script.Uprobe)
		switch {
		case err == nil && (pt.Target != "" || strings.HasPrefix(text, ":")):
		case target != "":
			if pt, err = script.ParsePoint(target+":"+text, script.Uprobe); err != nil {
				return nil, err
			}
		case err == nil && pt.Regexp:
		default:
			all, allErr := script.ParsePoint(text+":*", script.Uprobe)
			if allErr != nil || all.Function != "*" {
				return nil, err
			}
			target = text
			if pt = all; len(args) > 1 && text == args[0] {
				continue // its patterns follow
			}
		}
		points = append(points, pt)
	}
	if target != "" && !slices.ContainsFunc(points, func(pt script.Point) bool { return pt.Target == target }) {
		points = append(points, script.Point{Target: target, Function: "*"})
	}
	return points, nil
}
