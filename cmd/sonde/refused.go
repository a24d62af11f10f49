package main

import (
	"fmt"
	"strings"

	"github.com/sonde-project/sonde"
)

// shownRefusals is how many functions the line about what is not probed names.
const shownRefusals = 2

// leftOut is the line about functions that are not probed, "" when there are none.
func leftOut(refusals []sonde.Refusal) string {
	if len(refusals) == 0 {
		return ""
	}
	var named []string
	for _, r := range refusals[:min(len(refusals), shownRefusals)] {
		named = append(named, fmt.Sprintf("%s (%s)", r.Function, r.Why))
	}
	what := "function is"
	if len(refusals) > 1 {
		what = "functions are"
	}
	more := ""
	if len(refusals) > shownRefusals {
		more = "; --explain names all"
	}
	return fmt.Sprintf("sonde: %d %s not probed: %s%s\n", len(refusals), what, strings.Join(named, ", "), more)
}
