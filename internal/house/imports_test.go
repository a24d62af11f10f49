package house

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryImportIsAnEdgeOfTheTable(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		allowed, ok := rooms[s.folder]
		if !ok {
			t.Errorf("%s: package %s is not in the table of internal/house/edges.go", s.path, s.folder)
			continue
		}
		for _, path := range s.imports(t) {
			if to, ok := ours(path); ok && !slices.Contains(strings.Fields(allowed.imports), to) {
				t.Errorf("%s: %s may not import %s", s.path, s.folder, to)
			}
		}
	}
}

func TestTheHalvesDoNotImportEachOther(t *testing.T) {
	check := func(where, from, to string) {
		a, b := rooms[from].side, rooms[to].side
		if a == left && b == right || a == right && b == left || a != wiring && b == wiring {
			t.Errorf("%s: %s may not import %s", where, from, to)
		}
	}
	for from, r := range rooms {
		for _, to := range strings.Fields(r.imports) {
			check("the table", from, to)
		}
	}
	for _, s := range sources(t) {
		for _, path := range s.imports(t) {
			if to, ok := ours(path); ok && to != s.folder {
				check(s.path, s.folder, to)
			}
		}
	}
}

func TestPackagesOfOthersStayInTheirRooms(t *testing.T) {
	for _, s := range sources(t) {
		for _, path := range s.imports(t) {
			if in, ok := foreignRooms(path); ok && !s.test && !slices.Contains(strings.Fields(in), s.folder) {
				t.Errorf("%s: %s is for %s only", s.path, path, in)
			}
		}
	}
}

func TestFixturesAreForTestsOnly(t *testing.T) {
	for _, s := range sources(t) {
		for _, path := range s.imports(t) {
			if path == module+"/internal/fixture" && !s.test && !strings.HasSuffix(s.folder, "test") {
				t.Errorf("%s imports internal/fixture", s.path)
			}
		}
	}
}

func TestTheGraphHasNoUnknownRooms(t *testing.T) {
	for from, r := range rooms {
		for _, to := range strings.Fields(r.imports) {
			if _, ok := rooms[to]; !ok {
				t.Errorf("%s: the table lets it import %s, which is not in the table", from, to)
			}
		}
	}
}
