package valuetest_test

import (
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/valuetest"
)

func TestMoreIsShownOnRequest(t *testing.T) {
	fixture.NeedRoot(t)
	for _, test := range []struct {
		option sonde.RunOption
		probe  string
		want   string
	}{
		{sonde.PointerDepth(3), "nesting", "nesting(l=&{n=1, down=&{n=2, down=0x...}}) = 3"},
		{sonde.PointerDepth(4), "nesting", "nesting(l=&{n=1, down=&{n=2, down=&{n=3, down=0x...}}}) = 3"},
		{sonde.PointerDepth(1), "nesting", "nesting(l=&{n=1, down=0x...}) = 3"},
		{sonde.StringLimit(2), "string", `string(s="h"..., t=NULL, none=NULL, empty="") = "é"...`},
		{sonde.StringLimit(4096), "longer", `longer(s="aaaaaaaaaa*") = 300`},
	} {
		for _, flag := range []string{"-O0", "-O2"} {
			program := fixture.Build(t, "valuetable/c.c", flag)
			calls := trace(t, program, []valuetest.Row{{Probe: test.probe}}, test.option)
			if got, ok := next(calls, test.probe); !ok || got.text != test.want {
				t.Errorf("%s:\n got %s\nwant %s", flag, got.text, test.want)
			}
		}
	}
}
