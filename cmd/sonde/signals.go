package main

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// interruptible is the context of the whole command. Ctrl-C, SIGTERM and a closed terminal end it, and with it a run, in
// an orderly way: detach, print what was gathered. The same signal once more kills. SIGPIPE is caught so that writing to an output
// that nobody reads is an error of that write, which ends a run in the same way, instead of a sudden death.
func interruptible() (context.Context, func()) {
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
