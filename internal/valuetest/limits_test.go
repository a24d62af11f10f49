package valuetest_test

import (
	"os"
	"path/filepath"
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

func TestDeclarationsStandInForDebugInformation(t *testing.T) {
	fixture.NeedRoot(t)
	header := filepath.Join(t.TempDir(), "mine.h")
	text := "int eight(int a, int b, int c, int d, int e, int f, char g, long h);\n"
	if err := os.WriteFile(header, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const want = "eight(a=1, b=2, c=3, d=4, e=5, f=6, g='g', h=-8) = 116"
	for _, compiler := range []string{"CC=gcc", "CC=clang"} {
		for _, flag := range []string{"-O0", "-O2"} {
			program := fixture.Build(t, "valuetable/c.c", compiler, flag, "-g0")
			calls := trace(t, program, []valuetest.Row{{Probe: "eight"}}, sonde.Prototypes(header))
			if got, ok := next(calls, "eight"); !ok || got.text != want {
				t.Errorf("%s %s:\n got %s\nwant %s", compiler, flag, got.text, want)
			}
		}
	}
}
