package valuetest_test

import (
	"fmt"
	"testing"

	"github.com/sonde-project/sonde"
	"github.com/sonde-project/sonde/event"
	"github.com/sonde-project/sonde/internal/fixture"
)

func TestAScriptReadsWhatATraceShows(t *testing.T) {
	fixture.NeedRoot(t)
	for _, test := range []struct {
		name, source string
		flags        []string
		script       string // %[1]s is the program
		want         string
	}{
		{
			"text of a known size ends at a NUL", "valuetable/c.c", []string{"-O0"},
			`uprobe:libc:write /arg2 == 5/ { printf("%%s", str(arg1, arg2)) }`, "ab",
		},
		{
			"text of a known size has nothing behind its NUL in a key", "valuetable/c.c", []string{"-O0"},
			`uprobe:libc:write /arg2 == 5/ { $s = str(arg1, arg2); if ($s == "ab") { printf("%%s", $s) } }`, "ab",
		},
		{
			"a result in memory is where the caller wants it", "valuetable/rust.rs", nil,
			`uretprobe:%[1]s:rust::in_memory { printf("%%d %%d", retval.a, retval.c) }`, "7 9",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			program := fixture.Build(t, test.source, test.flags...)
			target, err := sonde.Open(sonde.File(program), sonde.Command(program))
			if err != nil {
				t.Fatal(err)
			}
			defer target.Close()
			session, err := target.Run(t.Context(), fmt.Sprintf(test.script+"//%[1]s", program))
			if err != nil {
				t.Fatal(err)
			}
			var got string
			for e := range session.Events() {
				if p, ok := e.(*event.Print); ok {
					got += p.Text()
				}
			}
			if err := session.Err(); err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}
