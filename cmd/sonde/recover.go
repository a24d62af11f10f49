package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

func recoverCommand(w world) *cobra.Command {
	return &cobra.Command{
		Use:   "recover PID...",
		Short: "make processes whole in which a sonde was killed",
		Long: `Restore what --engine=user overwrote in a process, after the sonde that did it was killed before it could. Such a process runs on as
before, only with jumps to code that nobody reads from; the next sonde that observes it restores it too.`,
		Example: `  sonde recover 4242`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage([]string{"sonde recover PID"}, "sonde recover: no process is given")
			}
			var pids []int
			for _, arg := range args {
				pid, err := strconv.Atoi(arg)
				if err != nil || pid < 1 {
					return usage(nil, "sonde recover: %q is no process ID", arg)
				}
				pids = append(pids, pid)
			}
			for _, pid := range pids {
				if err := recoverOne(w, pid); err != nil {
					return err
				}
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}

// recoverOne says what was found in a process.
func recoverOne(w world, pid int) error {
	mended, left, err := w.mend(pid)
	if err != nil {
		return err
	}
	text := "no sonde has left anything"
	switch {
	case left > 0 && mended > 0:
		text = fmt.Sprintf("restored; %d more in use: their sonde runs, or a thread is inside", left)
	case left > 0:
		text = fmt.Sprintf("nothing to restore; %d in use: their sonde runs, or a thread is inside", left)
	case mended > 0:
		text = "restored"
	}
	_, err = fmt.Fprintf(w.out, "process %d: %s\n", pid, text)
	return err
}
