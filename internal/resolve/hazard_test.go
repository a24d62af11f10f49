package resolve

import (
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
	"github.com/sonde-project/sonde/internal/plan"
	"github.com/sonde-project/sonde/script"
)

// Returns are seen by the kernel's trampoline only where nobody else looks at return addresses.
func TestReturnWayOfCFunctions(t *testing.T) {
	build := func(source string, flags ...string) string { return fixture.Build(t, "safety/"+source, flags...) }
	for _, c := range []struct {
		path, function string
		way            plan.ReturnWay
		why            string // part of the reason
	}{
		{build("c/tailcalls.c"), "last", plan.Trampoline, "trampoline"},
		{build("c/tailcalls.c"), "main", plan.Trampoline, "trampoline"},
		{build("c/recursion.c", "-O0"), "fib", plan.Trampoline, "trampoline"}, // through a pointer: nobody can tell
		{build("c/longjmp.c"), "thrower", plan.Sites, "calls itself"},
		{build("c/threads.c", "-fexceptions"), "exits", plan.Sites, "cancelled"},
		{build("c/threads.c", "-fexceptions"), "work", plan.Trampoline, "trampoline"},
		{build("c/async.c", "-fexceptions"), "turns", plan.Sites, "cancelled anywhere"},
		{build("c/async.c", "-fexceptions", "-static"), "turns", plan.Sites, "cancelled anywhere"},
		{build("c/contexts.c"), "fiber", plan.Sites, "switches stacks"},
		{build("c/contexts.c"), "switch_to", plan.Sites, "switches stacks"},
		{build("c/environment.c"), "trace", plan.Sites, "walks its stacks"},
		{build("c/visit.c", "-shared", "-fPIC"), "visit_all", plan.Sites, "exception may pass"},
		{"libc", "malloc", plan.Trampoline, "trampoline"},
		{"libc", "read", plan.Sites, "cancelled"},
		{"libc", "qsort", plan.Sites, "calls back"},
		{"libc", "getaddrinfo", plan.Sites, "may call back"},
	} {
		s, err := script.Parse("uretprobe:" + c.path + ":" + c.function + " { @ = count(); }")
		if err != nil {
			t.Fatal(err)
		}
		p, err := Resolve(s, Scope{})
		if err != nil {
			t.Errorf("%s: %v", c.function, err)
			continue
		}
		f := p.Functions[0]
		if f.ReturnWay != c.way || !strings.Contains(f.ReturnWhy, c.why) {
			t.Errorf("%s: way %d, because %s; want %d, %q", c.function, f.ReturnWay, f.ReturnWhy, c.way, c.why)
		}
	}
}
