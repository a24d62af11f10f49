package main

import (
	"github.com/spf13/cobra"

	"github.com/sonde-project/sonde/script"
)

func countCommand(w world) *cobra.Command {
	return observing{
		Command: cobra.Command{
			Use:   "count",
			Short: "calls per function",
			Long:  "Count calls of functions, per function or per key.",
			Example: `  sonde count libc:malloc -d 5s
  sonde count 'libc:mem*' 'libc:str*' -p 4242
  sonde count libc:write --by comm,fd
  sonde count libc:read --if 'retval < 0' -- ./app`,
		},
		keys:  true,
		build: func(g given) (*script.Script, error) { return script.Count(g.points, g.pred, g.by) },
	}.command(w)
}
