package sonde_test

import (
	"flag"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// TestMain leaves out the examples that observe where nothing may be observed: an example cannot skip itself.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Geteuid() != 0 && os.Getenv("CI") == "" {
		flag.Set("test.skip", "^Example")
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR2) // the first one starts a goroutine that stays: none of what tests count
	os.Exit(m.Run())
}
