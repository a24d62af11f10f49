package sonde_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain leaves out the examples that observe where nothing may be observed: an example cannot skip itself.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Geteuid() != 0 && os.Getenv("CI") == "" {
		flag.Set("test.skip", "^Example")
	}
	os.Exit(m.Run())
}
