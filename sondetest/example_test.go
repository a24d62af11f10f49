package sondetest_test

import (
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/sondetest"
)

var t *testing.T // of a test

// A cache must load each key once.
func ExampleCountCalls() {
	loads := sondetest.CountCalls(t, "example.com/shop.(*Cache).load")
	// ... use the cache ...
	if n := loads(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
}

// Slow calls, with their arguments.
func ExampleTraceCalls() {
	calls := sondetest.TraceCalls(t, "example.com/shop.(*Cache).load", sonde.If("duration > 1ms"))
	// ... use the cache ...
	for _, call := range calls() {
		t.Errorf("loading %s took %v", call.Arg("key"), call.Duration)
	}
}
