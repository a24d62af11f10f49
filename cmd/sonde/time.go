package main

import (
	"github.com/spf13/cobra"

	"github.com/sonde-project/sonde/script"
)

func timeCommand(w world) *cobra.Command {
	return observing{
		Command: cobra.Command{
			Use:   "time",
			Short: "how long calls take: percentiles and histogram",
			Long:  "Measure how long calls of functions take: count, total, average, percentiles, maximum, histogram.",
			Example: `  sonde time libpq:PQexec -d 10s
  sonde time -p 4242 'handle_*' --by comm
  sonde time ./app:main.handle --if 'duration > 1ms' -- ./app
  sonde time --from usdt:./db:query__start --to usdt:./db:query__done -p 4242`,
		},
		keys:    true,
		between: true,
		build:   func(g given) (*script.Script, error) { return script.Time(g.points, g.pred, g.by) },
	}.command(w)
}
