package main

import (
	"testing"

	"github.com/sonde-project/sonde"
)

// What is not probed is said in one line that names the first two.
func TestWhatIsNotProbedIsSaid(t *testing.T) {
	r := []sonde.Refusal{{Function: "_start", Why: "nothing calls it"}, {Function: "f", Why: "too odd"}, {Function: "g", Why: "too odd"}}
	for n, want := range []string{"", "sonde: 1 function is not probed: _start (nothing calls it)\n",
		"sonde: 2 functions are not probed: _start (nothing calls it), f (too odd)\n",
		"sonde: 3 functions are not probed: _start (nothing calls it), f (too odd); --explain names all\n"} {
		if got := leftOut(r[:n]); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
