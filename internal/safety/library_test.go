package safety

import (
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

// A program does not notice that the whole C library, or the whole C++ library, is timed below it.
func TestWholeLibrariesDoNotDisturb(t *testing.T) {
	s := sonde(t)
	threads := fixture.Build(t, "safety/c/threads.c", "-fexceptions")
	cancel := fixture.Build(t, "safety/cc/cancel.cc")
	exceptions := fixture.Build(t, "safety/cc/exceptions.cc")
	for _, c := range []struct {
		name   string
		probes string
		argv   []string
	}{
		{"threads", "libc:*", []string{threads}},
		{"cancellation", "libc:*", []string{cancel}},
		{"exceptions", "libc:* libstdc++:*", []string{exceptions, "few"}},
		{"contexts", "libc:*", []string{fixture.Build(t, "safety/c/contexts.c")}},
		{"environment", "libc:*", []string{fixture.Build(t, "safety/c/environment.c")}},
		{"processes", "libc:*", []string{fixture.Build(t, "safety/c/processes.c")}},
		{"shell", "libc:*", []string{"sh", "-c", `for i in 1 2 3; do echo $((i + $(echo $i | wc -c))); done; trap 'echo caught' USR1; kill -USR1 $$; exit 3`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fixture.Libraries(t, true)
			alone, err := Run(c.argv, limit)
			if err != nil {
				t.Fatal(err)
			}
			seen, err := s.Observe("time", strings.Fields(c.probes), c.argv)
			if err != nil {
				t.Fatalf("%v\n%s", err, tail(seen.Stderr))
			}
			if wrong := Differences(alone, seen); len(wrong) > 0 {
				t.Errorf("time %s: %s\n%s", c.probes, strings.Join(wrong, "\n  "), tail(seen.Stderr))
			}
		})
	}
}
