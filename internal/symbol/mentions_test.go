package symbol

import (
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestMentionsRulesOutOnlyFunctionsThatAreNotThere(t *testing.T) {
	for name, path := range map[string]string{
		"C": fixture.Build(t, "c/idle.c"), "stripped C": cProgram(t, "-s"),
		"Go": fixture.Build(t, "gosql/main.go"), "stripped Go": fixture.Build(t, "gosql/main.go", "-ldflags=-s -w"),
		"C++": fixture.Build(t, "cc/symbols.cc"), "cgo": fixture.Build(t, "go/symbols", "-buildmode=pie", "-ldflags=-linkmode=external"),
	} {
		f := open(t, path)
		for _, fn := range f.Functions() {
			written := strings.TrimRight(fn.Name, ".0123456789") // those of one name in Go are numbered by us
			if !f.Mentions(written) {
				t.Errorf("%s: %s is not mentioned", name, fn.Name)
			}
		}
		if absent := f.Mentions("no_function_is_called_so"); absent && name != "stripped C" {
			t.Errorf("%s: nothing is ruled out", name)
		}
	}
}
