package main

import (
	"strings"
	"testing"
)

func TestWhatIsTypedIsLookedUpAtOnce(t *testing.T) {
	w := world{backend: engines()}
	target, function := w.targetQuestion(), w.functionQuestion("libc")
	for _, c := range []struct {
		verdict    func(string) string
		text, want string
	}{
		{target.Verdict, "libc", " functions"},
		{target.Verdict, "libresol", "libresolv"},
		{target.Verdict, "/nowhere", "/nowhere"},
		{function.Verdict, "getaddr", "getaddrinfo getaddrinfo_a"},
		{function.Verdict, "getaddrinfo", "int getaddrinfo(const char *node"},
		{function.Verdict, "mallc", "near names:"},
	} {
		if got := c.verdict(c.text); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.text, got, c.want)
		}
	}
	if got := function.Offers("getaddrinfo_"); len(got) != 1 || got[0] != "getaddrinfo_a" {
		t.Errorf("offers %q", got)
	}
}
