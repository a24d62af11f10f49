package script

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryNameHasHelpAndIsKnownToTheParser(t *testing.T) {
	for _, n := range slices.Concat(Builtins(), Functions(), ProbeTypes()) {
		if n.Help == "" || !strings.HasPrefix(n.Usage, n.Name) {
			t.Errorf("%s: help %q, usage %q", n.Name, n.Help, n.Usage)
		}
	}
	for _, n := range Builtins() {
		if _, err := Parse("BEGIN { print(" + n.Name + "); }"); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
	for _, n := range Functions() {
		args := strings.TrimSuffix(strings.Repeat("1, ", n.Min), ", ")
		if _, err := Parse("BEGIN { " + n.Name + "(" + args + "); }"); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
}

func TestNearNamesAreThoseAPersonMeant(t *testing.T) {
	for _, c := range []struct{ name, among, want string }{
		{"mallc", "malloc calloc realloc free main", "malloc calloc"},
		{"pdi", "pid tid uid gid comm", "pid"},
		{"pritnf", "printf print", "printf print"},
		{"Store.Put", "store.put other", "store.put"},
		{"conut", "count trace time", "count"},
		{"get", "getaddrinfo getenv", "getaddrinfo getenv"},
		{"xyzzy", "malloc free", ""},
		{"", "malloc", ""},
		{"f", "f f", "f"},
	} {
		got := strings.Join(Near(c.name, strings.Fields(c.among), 3), " ")
		if got != c.want {
			t.Errorf("%s among %q: got %q, want %q", c.name, c.among, got, c.want)
		}
	}
}
