package main

import (
	"github.com/spf13/cobra"

	"github.com/sonde-project/sonde/script"
)

func traceCommand(w world) *cobra.Command {
	return observing{
		Command: cobra.Command{
			Use:   "trace",
			Short: "one line per call: arguments, result, duration",
			Long:  "Show each call of functions with its arguments, its result and how long it took.",
			Example: `  sonde trace libc:getaddrinfo
  sonde trace libssl:SSL_write --if 'num > 4096' --stack
  sonde trace ./app:'main.(*Store).Put' -o calls.json -- ./app
  sonde trace -p 4242 'handle_*' -n 100`,
		},
		stack: true,
		build: func(g given) (*script.Script, error) {
			return script.Trace(g.points, g.pred, script.TraceOptions{Stack: g.stack})
		},
	}.command(w)
}
