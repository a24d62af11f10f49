package sonde

import (
	"slices"
	"testing"

	"github.com/sonde-project/sonde/internal/fixture"
)

func TestAProbeIsCompletedUpToItsTargetAndThenToItsFunctions(t *testing.T) {
	prog := fixture.Build(t, "cc/symbols.cc")
	for _, c := range []struct{ text, want string }{
		{"libc", "libc:"},
		{"libc:getaddr", "libc:getaddrinfo"},
		{prog + ":mai", prog + ":main"},
		{prog + ":shop::pri", prog + ":shop::price(int)"},
	} {
		if got := Complete(c.text, nil); !slices.Contains(got, c.want) {
			t.Errorf("%s: %q is not among %d: %.200q", c.text, c.want, len(got), got)
		}
	}
	for _, text := range []string{"libc:/mall", "nosuchlibrary:f", `"`, "usdt:libc:s"} {
		if got := Complete(text, nil); len(got) > 0 {
			t.Errorf("%s: %.200q", text, got)
		}
	}
}
